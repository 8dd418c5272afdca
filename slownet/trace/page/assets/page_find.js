// The positions of events, and their order.

/** Returns the position of an event's line, as [x0, y0, x1, y1], in a lane whose top is at y. */
function lineOf(run, i, y) {
  const lane = run.lanes[run.lane[i]], [r0, r1] = rails(lane), middle = y + (r0 + r1) / 2;
  const x0 = pixel(run.left[i]), x1 = pixel(run.at[i]), back = run.flags[i] & BACK;
  if (lane.type !== "conn") return [x1, middle, x1, middle];
  const start = y + (back ? r1 : r0), end = y + (back ? r0 : r1);
  switch (run.kind[i]) {
    case K.connect: return [x1, y + r0, x1, y + r0];
    case K.accept: return [x1, y + r1, x1, y + r1];
    case K.drop: return [x0, start, x1, middle];
    case K.packet: return run.flags[i] & LOST ? [x1, start, pixel(run.at[i] + lane.usual / 2), middle] : [x1, start, x1, start];
    case K.delay: case K.send: return [x1, end, x1, end];
  }
  return [x0, start, x1, end];
}

function distance(px, py, [x0, y0, x1, y1]) {
  const dx = x1 - x0, dy = y1 - y0, length = dx * dx + dy * dy;
  const t = length ? Math.min(1, Math.max(0, ((px - x0) * dx + (py - y0) * dy) / length)) : 0;
  return Math.hypot(px - x0 - t * dx, py - y0 - t * dy);
}

/** Returns the event at a point of the diagram, as {run, i}, or null. */
function eventAt(x, y) {
  if (y < AXIS || !layout.rows.length) return null;
  const row = layout.rows[rowAt(y - AXIS + view.scroll)];
  if (!row.lane) return null;
  const { lane } = row, { run } = lane, top = lane.y + AXIS - view.scroll;
  let best = null, nearest = 9;
  for (const [range, bonus] of [[lane.marks, 3], [lane.common, 0]]) {
    const begin = lowerBound(run, range, timeAt(x - 14));
    const end = Math.min(lowerBound(run, range, timeAt(x + 14) + lane.longest, true), begin + 20000);
    for (let j = begin; j < end; j++) {
      const i = run.index[j];
      if (run.kind[i] === K.packet && !(run.flags[i] & LOST)) continue;
      const d = distance(x, y, lineOf(run, i, top)) - bonus;
      if (d < nearest) { nearest = d; best = { run, i }; }
    }
  }
  return best;
}

/** Returns the first index of a sorted list whose value is at least the given one. */
function firstAtLeast(list, value, least) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value(list[middle]) < least) low = middle + 1; else high = middle;
  }
  return low;
}

const ordinal = (run, j) => (run.byTime ? run.byTime[j] : j);

/** Returns the index of an event in the order of time. */
function placeOf(run, i) {
  if (!run.byTime) return i;
  run.placeOf ??= run.byTime.reduce((places, event, j) => { places[event] = j; return places; }, new Uint32Array(run.count));
  return run.placeOf[i];
}

/** Reports whether an event's lane is in view. */
function laneInView(run, i) {
  const lane = run.lanes[run.lane[i]];
  return lane.y + lane.h > view.scroll && lane.y < view.scroll + view.height - AXIS;
}

/** Returns the next event in view after the selected one, or before it, or null. */
function neighbour(forward) {
  const from = timeAt(0), to = timeAt(view.width), step = forward ? 1 : -1;
  let r = view.selected ? view.runs.indexOf(view.selected.run) : forward ? 0 : view.runs.length - 1;
  let fresh = !view.selected;
  for (; r >= 0 && r < view.runs.length; r += step, fresh = true) {
    const run = view.runs[r];
    const begin = firstInTime(run, from), end = firstInTime(run, to, true);
    let j = fresh ? (forward ? begin : end - 1) : placeOf(run, view.selected.i) + step;
    if (forward) j = Math.max(j, begin); else j = Math.min(j, end - 1);
    for (let n = 0; j >= begin && j < end && n < 300000; j += step, n++) {
      const i = ordinal(run, j);
      if (laneInView(run, i)) return { run, i };
    }
  }
  return null;
}

/** Returns the index of the first event at a time or later (or after it). */
function firstInTime(run, t, after = false) {
  let low = 0, high = run.count;
  while (low < high) {
    const middle = (low + high) >>> 1, at = run.at[ordinal(run, middle)];
    if (after ? at <= t : at < t) low = middle + 1; else high = middle;
  }
  return low;
}
