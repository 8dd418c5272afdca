// The meaning of events: which belong together, and which lane each is in.

const K = { connect: 1, accept: 2, data: 3, close: 4, reset: 5, drop: 6, fault: 7, host: 8, send: 9, delay: 10, packet: 11, arrive: 12 };

/** Lets the browser do other work. */
const pause = () => new Promise((done) => setTimeout(done));

/** Completes a run when all its blocks have been loaded. */
async function settle(run) {
  matchPackets(run);
  await pause();
  makeLanes(run);
  await pause();
  indexLanes(run);
  await pause();
  measureLanes(run);
}

/** An arrival and a loss know when their packet left; a packet without either is lost, too. */
function matchPackets(run) {
  const { at, left, took, kind, flags, packetNumber } = run;
  const leaving = new Map();
  for (let i = 0; i < run.count; i++) {
    left[i] = kind[i] === K.delay ? at[i] : at[i] - Math.max(took[i], 0);
    if (!packetNumber) continue;
    if (kind[i] === K.packet) {
      leaving.set(packetNumber[i], i);
      flags[i] |= LOST;
    } else if (kind[i] === K.arrive || kind[i] === K.drop) {
      const sent = packetNumber[i] ? leaving.get(packetNumber[i]) : undefined;
      if (sent === undefined) continue;
      left[i] = Math.min(at[sent], at[i]);
      took[i] = at[i] - left[i];
      flags[sent] &= ~LOST;
    }
  }
}

/** Makes the lanes: of the network, of the hosts, and of each connection. */
function makeLanes(run) {
  const lanes = [];
  const laneOf = run.lane = new Uint32Array(run.count);
  const ofHost = new Map(), ofConn = [];
  let network = null;
  const add = (lane) => {
    Object.assign(lane, { run, first: Infinity, last: -Infinity, longest: 0, highest: 0, usual: 0 });
    lanes.push(lane);
    return lane;
  };
  const { kind, from, to, conn, flags, at, left, took } = run;
  for (let i = 0; i < run.count; i++) {
    let lane;
    const c = conn[i];
    if (c) {
      lane = ofConn[c] ??= add({ type: "conn", name: run.connName(c), near: run.conns[c][0], far: 0 });
      if (from[i] && to[i] && from[i] !== to[i]) {
        lane.far ||= from[i] === lane.near ? to[i] : to[i] === lane.near ? from[i] : 0;
      }
      if (to[i] === lane.near || (from[i] !== lane.near && to[i] !== lane.far)) flags[i] |= BACK;
    } else if (kind[i] !== K.fault && (to[i] || from[i])) {
      const host = to[i] || from[i];
      lane = ofHost.get(host);
      if (!lane) ofHost.set(host, lane = add({ type: "host", name: run.names[host], near: host, far: 0 }));
    } else lane = network ??= add({ type: "network", name: "network", near: 0, far: 0 });
    lane.first = Math.min(lane.first, left[i]);
    lane.last = Math.max(lane.last, at[i]);
    lane.longest = Math.max(lane.longest, at[i] - left[i]);
    if (kind[i] === K.arrive && !lane.usual) lane.usual = at[i] - left[i]; // how long a lost packet would have been under way
    lane.highest = Math.max(lane.highest, run.window[i]);
    if (isMark(kind[i], flags[i])) flags[i] |= MARK;
  }
  const rank = { network: 0, host: 1, conn: 2 };
  lanes.sort((a, b) => rank[a.type] - rank[b.type] || a.first - b.first); // stable
  lanes.forEach((lane, number) => { lane.number = number; });
  for (let i = 0; i < run.count; i++) {
    const c = conn[i];
    laneOf[i] = (c ? ofConn[c] : kind[i] !== K.fault && (to[i] || from[i]) ? ofHost.get(to[i] || from[i]) : network).number;
  }
  run.lanes = lanes;
}

/** Reports whether an event is one of the few that are drawn before others. */
function isMark(kind, flags) {
  return (kind !== K.data && kind !== K.packet && kind !== K.arrive && kind !== K.send && kind !== K.delay) || (flags & (RESENT | LOST)) !== 0;
}

/** Sorts the events by lane, common ones and marks apart, each by time. */
function indexLanes(run) {
  const { at, flags, lane } = run;
  let order = null;
  for (let i = 1; i < run.count; i++) {
    if (at[i] < at[i - 1]) {
      order = Uint32Array.from({ length: run.count }, (_, i) => i).sort((a, b) => at[a] - at[b] || a - b);
      break;
    }
  }
  run.byTime = order; // null: as they are
  const sizes = new Uint32Array(run.lanes.length * 2 + 1);
  for (let i = 0; i < run.count; i++) sizes[lane[i] * 2 + (flags[i] & MARK ? 1 : 0) + 1]++;
  for (let j = 1; j < sizes.length; j++) sizes[j] += sizes[j - 1];
  const index = run.index = new Uint32Array(run.count), next = sizes.slice();
  for (let j = 0; j < run.count; j++) {
    const i = order ? order[j] : j;
    index[next[lane[i] * 2 + (flags[i] & MARK ? 1 : 0)]++] = i;
  }
  for (const l of run.lanes) {
    l.common = [sizes[l.number * 2], sizes[l.number * 2 + 1]];
    l.marks = [sizes[l.number * 2 + 1], sizes[l.number * 2 + 2]];
  }
}

/** Finds the long waits of each lane, and how long a fault or a crash lasts. */
function measureLanes(run) {
  for (const lane of run.lanes) {
    if (lane.type === "conn") lane.waits = waitsBetween(run, lane, lane.first, lane.last, (lane.last - lane.first) / 2000);
    else lane.spans = spansOf(run, lane);
  }
}

/** Returns the times between two moments in which nothing was in flight, as [from, to]. */
function waitsBetween(run, lane, from, to, shortest) {
  const { index, at, left } = run;
  let a = lowerBound(run, lane.common, from), b = lowerBound(run, lane.marks, from);
  const aEnd = lowerBound(run, lane.common, to + lane.longest, true), bEnd = lowerBound(run, lane.marks, to + lane.longest, true);
  const busy = []; // [left, at] of all, by their end
  while (a < aEnd || b < bEnd) {
    const i = b >= bEnd || (a < aEnd && at[index[a]] <= at[index[b]]) ? index[a++] : index[b++];
    busy.push(left[i], at[i]);
  }
  const waits = [];
  let earliest = Math.min(to, lane.last);
  for (let j = busy.length - 2; j >= -2; j -= 2) {
    const end = j < 0 ? Math.max(from, lane.first) : busy[j + 1];
    if (earliest - end > shortest) waits.push([end, earliest]);
    if (j >= 0) earliest = Math.min(earliest, busy[j]);
  }
  return waits.reverse();
}

/** Returns the index of the first event in a range that is at t or later (or after t). */
function lowerBound(run, range, t, after = false) {
  let [low, high] = range;
  while (low < high) {
    const middle = (low + high) >>> 1, at = run.at[run.index[middle]];
    if (after ? at <= t : at < t) low = middle + 1; else high = middle;
  }
  return low;
}

const ENDS = new Map([["partition", "heal"], ["hold", "release"], ["crash", "restart"], ["kill", "restart"], ["pause", "resume"]]);

/** Returns the begin and end of lasting faults, as {from, to, what}. */
function spansOf(run, lane) {
  const spans = [], open = [];
  for (let j = lane.marks[0]; j < lane.marks[1]; j++) {
    const i = run.index[j], what = run.notes[run.note[i]], word = what.split(" ")[0];
    const ends = open.findIndex((s) => s.ends === what || (s.ends === word));
    if (ends >= 0) {
      open[ends].to = run.at[i];
      open.splice(ends, 1);
    } else if (ENDS.has(word) || open.length < 100) {
      const span = { from: run.at[i], to: Infinity, what, ends: ENDS.get(word) ?? "no longer " + what };
      open.push(span);
      spans.push(span);
    }
  }
  return spans.filter((s) => s.to < Infinity || ENDS.has(s.what.split(" ")[0]));
}
