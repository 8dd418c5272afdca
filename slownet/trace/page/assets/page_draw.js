// Drawing a frame.

const PATH = 64; // lines of a path, at most

/** Lines with the same style, which are drawn together. */
class Lines {
  constructor() { this.points = new Float32Array(4096); this.n = 0; }
  clear() { this.n = 0; }
  add(x0, y0, x1, y1) {
    const w = view.width + 60; // far outside, canvases are inexact
    if (x0 < -60) { y0 += ((-60 - x0) / (x1 - x0)) * (y1 - y0); x0 = -60; }
    if (x1 > w) { y1 = y0 + ((w - x0) / (x1 - x0)) * (y1 - y0); x1 = w; }
    if (this.n + 4 > this.points.length) {
      const more = new Float32Array(this.points.length * 2);
      more.set(this.points);
      this.points = more;
    }
    const p = this.points, n = this.n;
    p[n] = x0; p[n + 1] = y0; p[n + 2] = x1; p[n + 3] = y1;
    this.n = n + 4;
  }
  stroke(c, color, width, dash) {
    if (!this.n) return;
    const p = this.points;
    c.strokeStyle = color;
    c.lineWidth = width;
    c.setLineDash(dash);
    for (let j = 0; j < this.n;) { // one path of thousands of lines takes much longer than many paths
      c.beginPath();
      for (const end = Math.min(j + 4 * PATH, this.n); j < end; j += 4) { c.moveTo(p[j], p[j + 1]); c.lineTo(p[j + 2], p[j + 3]); }
      c.stroke();
    }
    c.setLineDash([]);
  }
}

const texts = []; // words to be drawn over the lines, each with its x and y

const looks = {};
for (const name of ["forth", "back", "dotsForth", "dotsBack", "packetForth", "packetBack", "ack", "again", "againBack", "send", "delay", "waits", "losses", "crosses", "thinCrosses", "hits"]) looks[name] = new Lines();

/** Draws everything, and records the time that it took. */
function frame() {
  if (!view.runs.length) return;
  const start = performance.now();
  const ratio = window.devicePixelRatio || 1;
  const c = plot.getContext("2d"), g = labels.getContext("2d");
  for (const [context, width] of [[c, view.width], [g, GUTTER]]) {
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, view.height);
    context.textBaseline = "middle";
  }
  g.fillStyle = view.theme.edge;
  g.fillRect(GUTTER - 1, 0, 1, view.height);
  const font = view.theme.font;
  const top = view.scroll, bottom = view.scroll + view.height - AXIS;
  const rows = [];
  for (let r = rowAt(top); r < layout.rows.length && layout.rows[r].y < bottom; r++) rows.push(layout.rows[r]);
  const shift = AXIS - view.scroll;
  const from = timeAt(-8), to = timeAt(view.width + 8);

  for (const context of [c, g]) {
    context.save();
    context.beginPath();
    context.rect(0, AXIS, view.width + GUTTER, view.height);
    context.clip();
  }
  const ticks = drawGrid(c);
  const seen = [];
  for (const row of rows) {
    if (row.run) drawHeading(c, g, row.run, row.y + shift, font);
    else if (row.lane.type === "conn" || row.lane.marks[1] > row.lane.marks[0] || row.lane.common[1] > row.lane.common[0]) {
      const lane = row.lane, run = lane.run;
      seen.push({
        lane, y: row.y + shift,
        common: [lowerBound(run, lane.common, from), lowerBound(run, lane.common, to + lane.longest, true)],
        marks: [lowerBound(run, lane.marks, from), lowerBound(run, lane.marks, to + lane.longest, true)],
      });
    }
  }
  const share = Math.min(fairShare(seen.map((s) => s.common[1] - s.common[0]), budget.lines), Math.ceil(view.width)); // more would be solid
  const markShare = fairShare(seen.map((s) => s.marks[1] - s.marks[0]), budget.marks * 16);
  const room = markRoom(seen.reduce((n, s) => n + s.marks[1] - s.marks[0], 0), seen.length);
  for (const look of Object.values(looks)) look.clear();
  stats.drawn = stats.total = texts.length = 0;
  for (const s of seen) {
    s.scan = 60000 / seen.length;
    if (s.lane.type === "conn") drawConnection(c, s, from, to, share, font);
    s.markStride = strideFor(s.marks[1] - s.marks[0], markShare);
  }
  strokeLooks(c);
  drawRunFaults(c, shift);
  drawTexts(c, font);
  for (const s of seen) drawMarks(c, s, from, to, room, font);
  drawHits(c, from, to, shift);
  drawFailures(c, shift, font);
  drawDifference(c, shift, font);
  drawSelection(c, shift);
  let label = -Infinity;
  for (const s of seen) label = drawLabel(g, s, label, font);
  for (const context of [c, g]) context.restore();
  drawAxis(c, g, ticks, font);
  tellThinning();
  adapt(performance.now() - start);
}

function drawGrid(c) {
  const step = stepFor((timeAt(110) - timeAt(0))), first = Math.ceil(timeAt(0) / step) * step;
  const ticks = [], end = timeAt(view.width);
  for (let n = 0, t = first; t <= end && n < 200; n++, t = first + n * step) ticks.push(t);
  c.strokeStyle = view.theme.grid;
  c.lineWidth = 1;
  c.beginPath();
  for (const t of ticks) {
    const x = Math.round(pixel(t)) + 0.5;
    c.moveTo(x, AXIS);
    c.lineTo(x, view.height);
  }
  c.stroke();
  return { ticks, step };
}

function drawAxis(c, g, { ticks, step }, font) {
  const end = Math.max(...ticks.map(Math.abs), 0);
  c.strokeStyle = g.strokeStyle = view.theme.rail;
  for (const [context, width] of [[c, view.width], [g, GUTTER]]) {
    context.beginPath();
    context.moveTo(0, AXIS - 0.5);
    context.lineTo(width, AXIS - 0.5);
    context.stroke();
  }
  c.font = `12px ${font}`;
  c.fillStyle = view.theme.muted;
  c.beginPath();
  for (const t of ticks) {
    const x = Math.round(pixel(t)) + 0.5, text = tickText(t, step, end), width = c.measureText(text).width;
    c.moveTo(x, AXIS - 6);
    c.lineTo(x, AXIS);
    c.fillText(text, Math.min(Math.max(x - width / 2, 2), view.width - width - 2), AXIS / 2 - 1);
  }
  c.stroke();
}

function drawHeading(c, g, run, y, font) {
  c.fillStyle = g.fillStyle = view.theme.heading;
  g.fillRect(0, y, GUTTER, HEADING - 8);
  c.fillRect(0, y, view.width, HEADING - 8);
  // One line of text across both canvases: the left one shows its beginning.
  for (const [context, x] of [[g, 14], [c, 14 - GUTTER]]) {
    context.font = `600 15px ${font}`;
    context.fillStyle = view.theme.ink;
    const title = shorten(context, run.about.title || "Run", (view.width + GUTTER) * 0.6);
    context.fillText(title, x, y + 19);
    const width = context.measureText(title).width;
    context.font = `13px ${font}`;
    context.fillStyle = run.about.wrong ? view.theme.bad : view.theme.muted;
    context.fillText(shorten(context, subtitle(run), view.width + GUTTER - width - 44), x + width + 14, y + 19.5);
  }
}

/** Returns the line below a run's title. */
function subtitle(run) {
  const a = run.about, words = [];
  if (run.count) words.push(duration(run.end));
  const n = run.lanes.filter((l) => l.type === "conn").length;
  words.push(n === 1 ? "1 connection" : `${grouped(n)} connections`, run.count === 1 ? "1 event" : `${grouped(run.count)} events`);
  if (a.test) words.push(a.test);
  if (a.seed) words.push(`seed ${a.seed}`);
  if (a.wrong) words.unshift("damaged: all before the damage is shown");
  return words.join(" · ");
}

const widths = new Map();

/** Returns a text, or its beginning and end, if it is wider than the room for it. */
function shorten(c, text, room) {
  if (text.length > 400) text = text.slice(0, 400);
  const key = c.font + "\n" + Math.round(room) + "\n" + text;
  let short = widths.get(key);
  if (short !== undefined) return short;
  short = text;
  if (c.measureText(text).width > room) {
    let low = 0, high = text.length;
    while (low < high) {
      const n = (low + high + 1) >> 1;
      if (c.measureText(text.slice(0, Math.ceil(n * 0.6)) + "…" + text.slice(text.length - Math.floor(n * 0.4))).width <= room) low = n; else high = n - 1;
    }
    short = text.slice(0, Math.ceil(low * 0.6)) + "…" + text.slice(text.length - Math.floor(low * 0.4));
  }
  if (widths.size > 20000) widths.clear();
  widths.set(key, short);
  return short;
}

/** Draws the name of a lane, if there is room for it since the last one. */
function drawLabel(g, s, last, font) {
  const { lane, y } = s;
  if (lane.type === "conn" && lane.h > 40) {
    g.font = `500 13px ${font}`;
    g.fillStyle = view.theme.ink;
    g.fillText(shorten(g, lane.name, GUTTER - 28), 14, y + lane.h / 2 - (lane.far || s.stride > 1 ? 8 : 0));
    g.font = `11.5px ${font}`;
    g.fillStyle = view.theme.muted;
    const words = [];
    if (lane.far && lane.far !== lane.near) words.push("to " + lane.run.names[lane.far]);
    if (s.stride > 1) words.push(`1 of ${s.stride}`);
    if (words.length) g.fillText(shorten(g, words.join(" · "), GUTTER - 28), 14, y + lane.h / 2 + 10);
    return y + lane.h;
  }
  const middle = y + lane.h / 2;
  if (middle - 7 < last) return last;
  g.font = `${lane.type === "conn" ? "" : "italic "}${lane.h < 16 ? 11 : 12.5}px ${font}`;
  g.fillStyle = lane.type === "conn" ? view.theme.ink : view.theme.muted;
  let room = GUTTER - 28;
  if (s.stride > 1) {
    const text = `1 of ${s.stride}`, width = g.measureText(text).width;
    g.fillStyle = view.theme.muted;
    g.fillText(text, GUTTER - 12 - width, middle);
    room -= width + 6;
    g.fillStyle = view.theme.ink;
  }
  g.fillText(shorten(g, lane.name, room), 14, middle);
  return middle + 7;
}

/** Draws the rails, pieces, waits and windows of a connection. */
function drawConnection(c, s, from, to, share, font) {
  const { lane, y } = s, { run } = lane, { index, at, left, flags, kind } = run;
  const [r0, r1] = rails(lane), y0 = y + r0, y1 = y + r1;
  const a = Math.max(pixel(lane.first), -2), b = Math.min(pixel(lane.last), view.width + 2);
  if (b >= 0 && a <= view.width) {
    c.fillStyle = view.theme.band;
    c.fillRect(a, y0, Math.max(b - a, 1), y1 - y0);
    if (lane.h > 10) {
      c.strokeStyle = view.theme.rail;
      c.lineWidth = 1;
      c.beginPath();
      c.moveTo(a, y0); c.lineTo(Math.max(b, a + 1), y0);
      c.moveTo(a, y1); c.lineTo(Math.max(b, a + 1), y1);
      c.stroke();
    }
  }
  const count = s.common[1] - s.common[0], stride = s.stride = strideFor(count, share);
  if (lane.highest && !view.hidden.has("window")) drawWindow(c, s, y0, y1);
  const dense = count / stride / Math.max(Math.min(b, view.width) - Math.max(a, 0), 1) > 0.14 || lane.h < 14;
  const hide = view.hidden, hideForth = hide.has("forth"), hideBack = hide.has("back"), hidePackets = hide.has("packet");
  for (let j = aligned(s.common[0], lane.common[0], stride); j < s.common[1]; j += stride) {
    const i = index[j];
    if (left[i] > to) continue;
    stats.drawn++;
    stats.total += stride;
    const back = flags[i] & BACK, x0 = pixel(left[i]), x1 = pixel(at[i]);
    switch (kind[i]) {
      case K.packet: break; // drawn as it arrives
      case K.arrive:
        if (hidePackets) break;
        if (flags[i] & MERE_ACK) looks.ack.add(x0, back ? y1 : y0, x1, back ? y0 : y1);
        else (back ? looks.packetBack : looks.packetForth).add(x0, back ? y1 : y0, x1, back ? y0 : y1);
        break;
      case K.send: if (!hide.has("send")) looks.send.add(x1, back ? y1 - 4 : y0, x1, back ? y1 : y0 + 4); break;
      case K.delay: if (!hide.has("delay")) looks.delay.add(x1, back ? y0 + 3 : y1 - 3, pixel(at[i] + run.took[i]), back ? y0 + 3 : y1 - 3); break;
      default:
        if (back ? hideBack : hideForth) break;
        if (back) looks.back.add(x0, y1, x1, y0); else looks.forth.add(x0, y0, x1, y1);
        if (!dense) (back ? looks.dotsBack : looks.dotsForth).add(x1, back ? y0 : y1, x1, lane.h < 40 ? 1.7 : 2.6); // the last number is the radius
    }
  }
  if (!hide.has("wait")) drawWaits(c, s, from, to, (y0 + y1) / 2, count, font);
}

/** Draws a dotted line where nothing is in flight, with the duration. */
function drawWaits(c, s, from, to, y, count, font) {
  const { lane } = s;
  if (lane.h < 10) return;
  const shortest = timeAt(26) - timeAt(0);
  const waits = count + s.marks[1] - s.marks[0] > s.scan ? lane.waits : waitsBetween(lane.run, lane, ...around(s), shortest);
  c.font = `11px ${font}`;
  for (const [start, end] of waits) {
    if (end - start < shortest || end < from || start > to) continue;
    const x0 = Math.max(pixel(start) + 6, 0), x1 = Math.min(pixel(end) - 6, view.width);
    const text = duration(end - start), width = lane.h > 20 ? c.measureText(text).width : Infinity;
    const middle = (x0 + x1) / 2;
    if (x1 - x0 > width + 24) {
      texts.push(text, middle - width / 2, y + 0.5);
      looks.waits.add(x0, y, middle - width / 2 - 5, y);
      looks.waits.add(middle + width / 2 + 5, y, x1, y);
    } else if (x1 > x0) looks.waits.add(x0, y, x1, y);
  }
}

/** Returns the range of time in which to look for waits: from the event before the view to the one after it. */
function around({ lane, common, marks }) {
  const { run } = lane, at = (j) => run.at[run.index[j]];
  return [
    Math.max(lane.first, common[0] > lane.common[0] ? at(common[0] - 1) : -Infinity, marks[0] > lane.marks[0] ? at(marks[0] - 1) : -Infinity),
    Math.min(lane.last, Math.max(common[1] < lane.common[1] ? at(common[1]) : -Infinity, marks[1] < lane.marks[1] ? at(marks[1]) : -Infinity, timeAt(view.width + 8))),
  ];
}

/** Draws the congestion windows of both senders as steps, from the sender's rail. */
function drawWindow(c, s, y0, y1) {
  const { lane } = s, { run } = lane, { index, at, flags, window: size } = run;
  const scale = (y1 - y0 - 4) / lane.highest / 2;
  for (const back of [0, BACK]) {
    c.beginPath();
    const base = back ? y1 : y0, sign = back ? -1 : 1;
    let x = null, y = base;
    const early = Math.max(s.common[0] - 64 * s.stride, lane.common[0]); // what the window was when the view begins
    for (let j = aligned(early, lane.common[0], s.stride); j < s.common[1]; j += s.stride) {
      const i = index[j];
      if (!size[i] || run.kind[i] !== K.packet || (flags[i] & BACK) !== back) continue;
      const px = Math.min(Math.max(pixel(at[i]), -10), view.width + 10);
      if (x === null) c.moveTo(px, base); else c.lineTo(px, y);
      y = base + sign * size[i] * scale;
      c.lineTo(px, y);
      x = px;
    }
    if (x === null) continue;
    const end = Math.min(pixel(lane.last), view.width + 10);
    c.lineTo(Math.max(end, x), y);
    c.lineTo(Math.max(end, x), base);
    c.fillStyle = back ? view.theme.backFill : view.theme.forthFill;
    c.fill();
  }
}

/** Draws the words, with some space around them. */
function drawTexts(c, font) {
  c.font = `11px ${font}`;
  c.lineWidth = 4;
  c.lineJoin = "round";
  c.strokeStyle = view.theme.band;
  c.fillStyle = view.theme.muted;
  for (let j = 0; j < texts.length; j += 3) {
    c.strokeText(texts[j], texts[j + 1], texts[j + 2]);
    c.fillText(texts[j], texts[j + 1], texts[j + 2]);
  }
  c.lineJoin = "miter";
}

function strokeLooks(c) {
  const t = view.theme, dim = view.hits ? 0.35 : 1;
  c.globalAlpha = dim;
  c.lineCap = "butt";
  looks.waits.stroke(c, t.muted, 1, [1, 4]);
  looks.ack.stroke(c, t.muted, 0.75, [2, 3]);
  looks.packetForth.stroke(c, t.forth, 0.8, []);
  looks.packetBack.stroke(c, t.back, 0.8, []);
  looks.forth.stroke(c, t.forth, 1.4, []);
  looks.back.stroke(c, t.back, 1.4, []);
  looks.send.stroke(c, t.ink, 1, []);
  looks.delay.stroke(c, t.fault, 2, [5, 2]);
  dots(c, looks.dotsForth, t.forth, true);
  dots(c, looks.dotsBack, t.back, false);
  c.globalAlpha = 1;
}

/** Draws the arrivals of pieces: solid on the dialed side, hollow on the dialing side. */
function dots(c, look, color, full) {
  if (!look.n) return;
  c.beginPath();
  for (let j = 0; j < look.n; j += 4) {
    const x = look.points[j], y = look.points[j + 1], r = look.points[j + 3];
    c.moveTo(x + r, y);
    c.arc(x, y, r, 0, 7);
  }
  c.fillStyle = full ? color : view.theme.paper;
  c.fill();
  if (full) return;
  c.strokeStyle = color;
  c.lineWidth = 1.1;
  c.stroke();
}
