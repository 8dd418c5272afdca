// Marks: rare events, with a shape and, if useful, a letter or a word.

/** Draws the shape of a mark around a point. The legend uses it, too. */
function shape(c, name, x, y, t = view.theme) {
  const path = (points, fill, color) => {
    c.beginPath();
    points.forEach(([px, py], n) => (n ? c.lineTo(x + px, y + py) : c.moveTo(x + px, y + py)));
    c.closePath();
    c.lineWidth = 1.4;
    c.strokeStyle = color;
    c.fillStyle = fill ? color : t.paper;
    c.fill();
    c.stroke();
  };
  switch (name) {
    case "connect": return path([[-3, -5], [5, 0], [-3, 5]], true, t.good);
    case "accept": return path([[-3, -5], [5, 0], [-3, 5]], false, t.good);
    case "close": return path([[-3.5, -3.5], [3.5, -3.5], [3.5, 3.5], [-3.5, 3.5]], true, t.ink);
    case "reset":
      path([[0, -7.5], [7.5, 0], [0, 7.5], [-7.5, 0]], true, t.bad);
      return letter(c, "R", x, y, t.paper);
    case "drop": case "lost":
      c.strokeStyle = t.bad;
      c.lineWidth = name === "drop" ? 2.2 : 1.5;
      c.beginPath();
      c.moveTo(x - 4, y - 4); c.lineTo(x + 4, y + 4);
      c.moveTo(x - 4, y + 4); c.lineTo(x + 4, y - 4);
      return c.stroke();
    case "fault":
      path([[0, -7], [8, 7], [-8, 7]], true, t.fault);
      return letter(c, "F", x, y + 2.5, t.paper);
    case "host":
      path([[-6, -6], [6, -6], [6, 6], [-6, 6]], true, t.fault);
      return letter(c, "H", x, y + 0.5, t.paper);
  }
}

function letter(c, text, x, y, color) {
  c.font = `700 9px ${view.theme.font}`;
  c.fillStyle = color;
  c.fillText(text, x - c.measureText(text).width / 2, y + 0.5);
}

const markName = (kind) => ["", "connect", "accept", "forth", "close", "reset", "drop", "fault", "host", "send", "delay", "lost", "again"][kind];

/** Draws the marks of a lane, those of a kind at least the given number of pixels apart. */
function drawMarks(c, s, from, to, room, font) {
  const { lane, y } = s, { run } = lane, { index, at, left, flags, kind } = run;
  const stride = s.markStride, t = view.theme;
  const conn = lane.type === "conn", [r0, r1] = rails(lane);
  const y0 = y + r0, y1 = y + r1, middle = (y0 + y1) / 2;
  if (!conn) drawSpans(c, s, from, to);
  let words = 0; // where the words beside a mark may begin
  const last = new Float64Array(32).fill(-Infinity); // of each kind and direction, where the last one is
  const dim = view.hits ? 0.35 : 1;
  c.globalAlpha = dim;
  for (let j = aligned(s.marks[0], lane.marks[0], stride); j < s.marks[1]; j += stride) {
    const i = index[j], k = kind[i];
    if (left[i] > to) continue;
    const back = flags[i] & BACK, x0 = pixel(left[i]), x1 = pixel(at[i]);
    const since = x1 - last[2 * k + (back ? 1 : 0)];
    if (since >= 0 && since < room) {
      if (since >= 6) stats.total += stride; // nearer ones would be the same spot
      continue;
    }
    last[2 * k + (back ? 1 : 0)] = x1;
    stats.drawn++;
    stats.total += stride;
    const start = back ? y1 : y0, end = back ? y0 : y1;
    if (!conn) {
      const name = k === K.fault ? "fault" : "host";
      if (view.hidden.has(name)) continue;
      shape(c, name, x1, middle);
      const next = j + stride < s.marks[1] ? Math.min(pixel(at[index[j + stride]]), view.width + 8) : view.width + 8;
      words = drawRemark(c, run, i, x1, middle, words, next - 12, font);
      continue;
    }
    const name = k === K.packet && !(flags[i] & LOST) ? "" : k === K.packet ? "lost" : markName(k);
    if (!name || view.hidden.has(name)) continue;
    const small = lane.h < 16;
    switch (k) {
      case K.connect: shape(c, name, x1, y0); break;
      case K.accept: shape(c, name, x1, y1); break;
      case K.arrive: case K.data: line(c, x0, start, x1, end, back ? t.back : t.forth, 1.8, [5, 3]); doubled(c, x1, end, back ? t.back : t.forth); break;
      case K.close: line(c, x0, start, x1, end, t.ink, 1, []); if (!small) shape(c, name, x1, end); break;
      case K.reset: line(c, x0, start, x1, end, t.bad, 1.2, [6, 2, 1, 2]); shape(c, name, x1, small ? middle : end); break;
      case K.drop: case K.packet: {
        const stop = k === K.packet ? pixel(at[i] + lane.usual / 2) : x1;
        looks.losses.add(x0, start, stop, middle);
        const thick = k === K.drop ? looks.crosses : looks.thinCrosses;
        thick.add(stop - 4, middle - 4, stop + 4, middle + 4);
        thick.add(stop - 4, middle + 4, stop + 4, middle - 4);
        break;
      }
      default: shape(c, name, x1, middle);
    }
  }
  looks.losses.stroke(c, t.bad, 1, [3, 2]);
  looks.crosses.stroke(c, t.bad, 2.2, []);
  looks.thinCrosses.stroke(c, t.bad, 1.5, []);
  for (const look of [looks.losses, looks.crosses, looks.thinCrosses]) look.clear();
  c.globalAlpha = 1;
}

/** Draws the words of a mark where there is room: after it, or before it. Returns where the next words may begin. */
function drawRemark(c, run, i, x, y, from, to, font) {
  c.font = `11.5px ${font}`;
  c.fillStyle = view.theme.ink;
  for (const text of [remark(run, i), run.notes[run.note[i]]]) {
    if (!text || text.length > 80) continue;
    const width = c.measureText(text).width;
    if (x + 12 + width < to) {
      c.fillText(text, x + 12, y + 0.5);
      return x + 24 + width;
    }
    if (x - 12 - width > from) {
      c.fillText(text, x - 12 - width, y + 0.5);
      break;
    }
  }
  return x + 12;
}

/** Returns the words next to a mark of the network or of a host. */
function remark(run, i) {
  const from = run.names[run.from[i]], to = run.names[run.to[i]], note = run.notes[run.note[i]] || run.kinds[run.kind[i]];
  if (run.kind[i] === K.host) return note;
  return [note, [from, to].filter(Boolean).join(" → ")].filter(Boolean).join(": ");
}

function line(c, x0, y0, x1, y1, color, width, dash) {
  const one = new Lines();
  one.points = scratch;
  one.add(x0, y0, x1, y1);
  one.stroke(c, color, width, dash);
}

const scratch = new Float32Array(4);

/** Draws the two rings of a retransmission. */
function doubled(c, x, y, color) {
  c.beginPath();
  c.arc(x, y, 3.8, 0, 7);
  c.strokeStyle = color;
  c.lineWidth = 1.2;
  c.stroke();
  c.beginPath();
  c.arc(x, y, 1.6, 0, 7);
  c.fillStyle = color;
  c.fill();
}

/** Draws the duration of a fault, hatched. */
function drawSpans(c, s, from, to) {
  const { lane, y } = s;
  let covered = -4;
  for (const span of lane.spans) {
    if (span.from > to) break;
    if (span.to < from) continue;
    const x0 = Math.max(pixel(span.from), covered), x1 = Math.min(pixel(Math.min(span.to, lane.run.end)), view.width + 4);
    if (x1 <= x0) continue;
    hatch(c, x0, y + 4, x1 - x0, lane.h - 8);
    covered = x1;
  }
}

function hatch(c, x, y, w, h, t = view.theme) {
  if (w < 1) return;
  c.save();
  c.beginPath();
  c.rect(x, y, w, h);
  c.fillStyle = t.faultFill;
  c.fill();
  c.clip();
  c.strokeStyle = t.fault;
  c.globalAlpha = 0.35;
  c.lineWidth = 1;
  c.beginPath();
  for (let at = x - h; at < x + w; at += 7) { c.moveTo(at, y + h); c.lineTo(at + h, y); }
  c.stroke();
  c.restore();
}

/** Draws a vertical line through a whole run for each fault of its network. */
function drawRunFaults(c, shift) {
  if (view.hidden.has("fault")) return;
  const from = timeAt(0), to = timeAt(view.width);
  c.strokeStyle = view.theme.fault;
  c.lineWidth = 1;
  c.globalAlpha = 0.55;
  c.setLineDash([2, 5]);
  for (const run of view.runs) {
    const lane = run.lanes[0];
    if (!lane || lane.type !== "network" || run.bottom + shift < AXIS || run.top + shift > view.height) continue;
    const begin = lowerBound(run, lane.marks, from), end = lowerBound(run, lane.marks, to, true);
    const stride = strideFor(end - begin, 40);
    c.beginPath();
    for (let j = begin; j < end; j += stride) {
      const x = Math.round(pixel(run.at[run.index[j]])) + 0.5;
      c.moveTo(x, Math.max(lane.y + lane.h + shift, AXIS));
      c.lineTo(x, Math.min(run.bottom + shift, view.height));
    }
    c.stroke();
  }
  c.setLineDash([]);
  c.globalAlpha = 1;
}

/** Draws a ring around a match of the search. */
function drawHits(c, from, to, shift) {
  if (!view.hits) return;
  let n = 0;
  const last = new Map(); // of each lane, where the last ring is
  c.strokeStyle = view.theme.focus;
  c.lineWidth = 2;
  c.beginPath();
  for (const { run, list } of view.hits) {
    for (let j = firstAtLeast(list, (i) => run.at[i], from); j < list.length && run.at[list[j]] - run.lanes[run.lane[list[j]]].longest <= to && n < 2000; j++) {
      const i = list[j], lane = run.lanes[run.lane[i]], y = lane.y + shift;
      if (y + lane.h < AXIS || y > view.height || run.left[i] > to) continue;
      const [x0, ya, x1, yb] = lineOf(run, i, y);
      if (x1 - last.get(lane) < 5) continue; // it would be the same spot
      last.set(lane, x1);
      if (x1 - x0 > 1 || Math.abs(yb - ya) > 1) looks.hits.add(x0, ya, x1, yb);
      c.moveTo(x1 + 5, yb);
      c.arc(x1, yb, 5, 0, 7);
      if (++n % PATH === 0) {
        c.stroke();
        c.beginPath();
      }
    }
  }
  c.stroke();
  looks.hits.stroke(c, view.theme.focus, 2, []);
}

/** Draws the selected event, and the one under the pointer. */
function drawSelection(c, shift) {
  for (const [event, width] of [[view.hovered, 2], [view.selected, 3]]) {
    if (!event) continue;
    const lane = event.run.lanes[event.run.lane[event.i]];
    const [x0, y0, x1, y1] = lineOf(event.run, event.i, lane.y + shift);
    line(c, x0, y0, x1, y1, view.theme.focus, width, []);
    c.beginPath();
    c.arc(x1, y1, width === 3 ? 9 : 7, 0, 7);
    c.strokeStyle = view.theme.focus;
    c.lineWidth = width === 3 ? 2.5 : 1.5;
    c.stroke();
  }
}
