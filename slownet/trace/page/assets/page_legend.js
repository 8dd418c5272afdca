// The legend: everything that occurs on this page, with a switch for each.

const LEGEND = [
  ["forth", "bytes from the dialing side", (run, i, k) => k === K.data && !(run.flags[i] & BACK)],
  ["back", "bytes to the dialing side", (run, i, k) => k === K.data && run.flags[i] & BACK],
  ["packet", "packets; dotted: acknowledgments", (run, i, k) => k === K.packet || k === K.arrive],
  ["again", "sent again", (run, i, k) => (k === K.arrive || k === K.packet) && run.flags[i] & RESENT],
  ["window", "congestion window", (run, i) => run.window[i] > 0],
  ["send", "accepted, waits for the link", (run, i, k) => k === K.send],
  ["delay", "delayed", (run, i, k) => k === K.delay],
  ["wait", "wait: nothing under way", (run, i) => run.conn[i] > 0],
  ["connect", "connected", (run, i, k) => k === K.connect],
  ["accept", "waits for Accept", (run, i, k) => k === K.accept],
  ["close", "end of the stream", (run, i, k) => k === K.close],
  ["reset", "reset", (run, i, k) => k === K.reset],
  ["drop", "lost", (run, i, k) => k === K.drop],
  ["lost", "packet that never arrives", (run, i, k) => k === K.packet && run.flags[i] & LOST],
  ["fault", "fault of the network", (run, i, k) => k === K.fault],
  ["host", "done to a host", (run, i, k) => k === K.host],
  ["failed", "the failure was found", () => false],
  ["differs", "first difference", (run, i) => i === run.mark],
];

/** Finds everything that occurs. */
function findLooks() {
  const open = new Map(LEGEND.map(([name, , test]) => [name, test])), occurs = new Set();
  for (const run of view.runs) {
    if (run.failed !== undefined) occurs.add("failed");
    for (let i = 0; i < run.count && open.size; i++) {
      const k = run.kind[i];
      for (const [name, test] of open) {
        if (!test(run, i, k)) continue;
        occurs.add(name);
        open.delete(name);
      }
    }
  }
  view.occurs = occurs;
}

/** Makes the legend. */
function makeLegend() {
  const box = $("legend");
  box.replaceChildren();
  for (const [name, text] of LEGEND) {
    if (!view.occurs.has(name)) continue;
    const button = element("button");
    button.type = "button";
    button.dataset.look = name;
    button.setAttribute("aria-pressed", String(!view.hidden.has(name)));
    button.title = "show or hide";
    const canvas = element("canvas");
    canvas.setAttribute("aria-hidden", "true");
    button.append(canvas, element("span", text));
    button.addEventListener("click", () => {
      if (!view.hidden.delete(name)) view.hidden.add(name);
      button.setAttribute("aria-pressed", String(!view.hidden.has(name)));
      refresh();
    });
    box.append(button);
    sample(canvas, name);
  }
}

/** Draws a sample of a style. */
function sample(canvas, name) {
  const ratio = window.devicePixelRatio || 1, w = 30, h = 18, t = view.theme, c = canvas.getContext("2d");
  canvas.width = w * ratio;
  canvas.height = h * ratio;
  canvas.style.width = w + "px";
  canvas.style.height = h + "px";
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.textBaseline = "middle";
  const stroke = (color, width, dash, x0, y0, x1, y1) => {
    c.beginPath();
    c.moveTo(x0, y0); c.lineTo(x1, y1);
    c.strokeStyle = color; c.lineWidth = width; c.setLineDash(dash); c.stroke(); c.setLineDash([]);
  };
  const dot = (x, y, color, full) => {
    c.beginPath(); c.arc(x, y, 2.6, 0, 7);
    c.fillStyle = full ? color : t.paper; c.fill();
    c.strokeStyle = color; c.lineWidth = 1.3; c.stroke();
  };
  switch (name) {
    case "forth": stroke(t.forth, 1.4, [], 6, 3, 22, 15); return dot(22, 14.5, t.forth, true);
    case "back": stroke(t.back, 1.4, [], 6, 15, 22, 3); return dot(22, 3.5, t.back, false);
    case "packet": stroke(t.forth, 0.8, [], 4, 3, 16, 15); return stroke(t.muted, 0.9, [2, 3], 14, 15, 26, 3);
    case "again": stroke(t.forth, 1.8, [5, 3], 4, 3, 22, 14); return doubled(c, 22, 13, t.forth);
    case "window": c.fillStyle = t.forthFill; c.fillRect(3, 10, 8, 7); c.fillRect(11, 6, 8, 11); return c.fillRect(19, 2, 8, 15);
    case "send": return stroke(t.ink, 1, [], 15, 6, 15, 12);
    case "delay": return stroke(t.fault, 2, [5, 2], 3, 9, 27, 9);
    case "differs":
      stroke(t.bad, 2, [5, 2], 15, 1, 15, 17);
      c.beginPath(); c.arc(15, 9, 5, 0, 7);
      return c.stroke();
    case "failed": stroke(t.bad, 2, [], 15, 1, 15, 17); c.font = "600 12px sans-serif"; c.fillStyle = t.bad; return c.fillText("!", 19, 9);
    case "wait": return stroke(t.muted, 1.2, [1, 4], 2, 9, 28, 9);
    case "fault": hatch(c, 15, 2, 14, 14); return shape(c, name, 11, 9);
    case "host": hatch(c, 15, 2, 14, 14); return shape(c, name, 11, 9);
    case "drop": case "lost": stroke(t.bad, 1, [3, 2], 4, 2, 16, 9); return shape(c, name, 16, 9);
    case "close": stroke(t.ink, 1, [], 4, 3, 18, 12); return shape(c, name, 18, 12);
    case "reset": stroke(t.bad, 1.2, [6, 2, 1, 2], 2, 3, 16, 9); return shape(c, name, 18, 9.5);
    default: return shape(c, name, 15, 9);
  }
}
