// The page as a whole: it loads the data, and handles keys and buttons.

/** Reads the colours and the font of the style sheet. */
function readTheme() {
  const style = getComputedStyle(document.documentElement), theme = {};
  for (const name of ["paper", "ink", "muted", "grid", "edge", "rail", "band", "heading", "forth", "back", "forthFill", "backFill", "good", "bad", "fault", "faultFill", "focus"]) {
    theme[name] = style.getPropertyValue("--" + name.replace(/[A-Z]/g, (l) => "-" + l.toLowerCase())).trim();
  }
  theme.font = style.getPropertyValue("--font").trim();
  view.theme = theme;
  widths.clear();
  if (view.occurs) makeLegend();
  refresh();
}

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Changes between light and dark; without a change the page follows the system. */
function switchTheme() {
  const root = document.documentElement, isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  root.dataset.theme = isDark ? "light" : "dark";
  readTheme();
}

/** Makes the connections' lanes taller or flatter. */
function stretch(factor) {
  const middle = (view.scroll + (view.height - AXIS) / 2) / Math.max(layout.height, 1);
  layout.wanted = layout.tall * factor;
  resize();
  scroller.scrollTop = middle * layout.height - (view.height - AXIS) / 2;
}

const ACTIONS = {
  in: () => zoomBy(2), out: () => zoomBy(1 / 2), fit: () => { layout.wanted = undefined; resize(); showTime(view.low, view.high); },
  taller: () => stretch(1.5), flatter: () => stretch(1 / 1.5),
  list: () => openPanel($("panel").hidden), theme: switchTheme, help: () => ($("help").open ? $("help").close() : $("help").showModal()),
  difference: showDifference, previous: () => nextHit(false), next: () => nextHit(true), close: () => { openPanel(false); plot.focus(); }, closehelp: () => $("help").close(),
};

const KEYS = {
  ArrowLeft: () => panBy(-view.width / 10), ArrowRight: () => panBy(view.width / 10),
  ArrowUp: () => { scroller.scrollTop -= 60; }, ArrowDown: () => { scroller.scrollTop += 60; },
  PageUp: () => { scroller.scrollTop -= view.height - AXIS - 40; }, PageDown: () => { scroller.scrollTop += view.height - AXIS - 40; },
  Home: () => move(d3.zoomIdentity.scale(view.transform.k), true),
  End: () => move(d3.zoomIdentity.translate(view.width * (1 - view.transform.k), 0).scale(view.transform.k), true),
  "+": ACTIONS.in, "=": ACTIONS.in, "-": ACTIONS.out, _: ACTIONS.out, 0: ACTIONS.fit, "]": ACTIONS.taller, "[": ACTIONS.flatter,
  "/": () => $("query").focus(), "?": ACTIONS.help, f: ACTIONS.difference, l: ACTIONS.list, d: ACTIONS.theme, n: ACTIONS.next, p: ACTIONS.previous, N: ACTIONS.previous,
  Escape: () => { if (view.selected) select(null); else openPanel(false); },
};

function onKey(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (target === $("query")) {
    if (event.key === "Enter") { nextHit(!event.shiftKey); event.preventDefault(); }
    if (event.key === "Escape") { target.value = ""; search(""); plot.focus(); event.preventDefault(); }
    return;
  }
  if (event.key === "Tab") {
    if (target !== plot) return;
    const next = neighbour(!event.shiftKey);
    if (next) { select(next, true); event.preventDefault(); } else select(null); // the focus goes on
    return;
  }
  if (target.closest("button, pre, dialog") && (event.key === "Enter" || event.key === " " || event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End")) return;
  const action = KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function listenToAll() {
  listen();
  document.addEventListener("keydown", onKey);
  for (const button of document.querySelectorAll("[data-action]")) button.addEventListener("click", () => ACTIONS[button.dataset.action]());
  let soon = 0;
  $("query").addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(() => search($("query").value.trim()), 120); });
  let waiting = null;
  plot.addEventListener("pointermove", (event) => {
    if (event.buttons) return;
    const first = !waiting;
    waiting = [event.offsetX, event.offsetY];
    if (first) requestAnimationFrame(() => {
      const [x, y] = waiting, event = eventAt(x, y);
      waiting = null;
      if (event || view.hovered) { view.hovered = event; tip(event, x, y); refresh(); }
      plot.style.cursor = event ? "pointer" : "";
    });
  });
  plot.addEventListener("pointerleave", () => { view.hovered = null; tip(null); refresh(); });
  plot.addEventListener("click", (event) => {
    const there = eventAt(event.offsetX, event.offsetY);
    if (there || view.selected) select(there);
  });
  dark.addEventListener("change", readTheme);
}

/** Makes the columns of all runs. */
async function load() {
  const about = JSON.parse(new TextDecoder().decode(await unpack(document.querySelector("script.about"))));
  document.title = about.title || "Timeline";
  const blocks = [...document.querySelectorAll("script.block")];
  const runs = about.runs.map((a, number) => Object.assign(new Run(number, a.events), { about: a }));
  for (let b = 0; b < blocks.length; b++) {
    $("state").textContent = `Unpacking ${Math.round((100 * b) / blocks.length)} %`;
    runs[Number(blocks[b].dataset.run)].add(await unpack(blocks[b]));
    await pause();
  }
  let low = 0, high = 1;
  for (const run of runs) {
    await settle(run);
    if (run.about.failed !== undefined) run.failed = Number(run.about.failed);
    run.end = run.lanes.reduce((end, lane) => Math.max(end, lane.last), run.failed ?? 0);
    low = Math.min(low, run.lanes.reduce((start, lane) => Math.min(start, lane.first), 0));
    high = Math.max(high, run.end);
  }
  const air = (high - low) * 0.015;
  Object.assign(view, { runs, low: low - air, high: high + air });
  return about;
}

/** Says at the top of the page what is missing. */
function warn(about) {
  const words = [];
  for (const a of about.runs) {
    if (a.wrong) words.push(`The trace ${a.title} is damaged: ${a.wrong}. All events before the damage are shown.`);
    if (a.cut) words.push(`${a.title}: ${a.cut === 1 ? "1 event has" : `${grouped(a.cut)} events have`} their payload not or not whole here, because a page has 32 MiB of it at most.`);
  }
  if (!about.runs.some((a) => a.events)) words.push("There are no events.");
  $("warning").textContent = words.join(" ");
  $("warning").hidden = !words.length;
}

async function main() {
  readTheme();
  listenToAll();
  $("license").textContent = $("licences").textContent;
  const start = performance.now();
  try {
    const about = await load();
    $("title").textContent = about.title || "Timeline";
    warn(about);
    tellDifference(about);
    findLooks();
    makeLegend();
    describe();
    resize();
    $("loading").hidden = true;
    frame();
    document.documentElement.dataset.loaded = String(Math.round(performance.now() - start));
  } catch (error) {
    $("state").textContent = `This page cannot be shown: ${error.message}. It needs a browser of 2023 or later.`;
    throw error;
  }
}

/** Returns the position of an event's line in the window, as [x0, y0, x1, y1]. */
function where(run, i) {
  const r = view.runs[run], box = plot.getBoundingClientRect();
  const [x0, y0, x1, y1] = lineOf(r, i, r.lanes[r.lane[i]].y + AXIS - view.scroll);
  return [x0 + box.x, y0 + box.y, x1 + box.x, y1 + box.y];
}

// For tests and debugging: what was drawn, and the times of the frames.
globalThis.timeline = { stats, view, layout, where, show: (from, to) => showTime(from, to, false), reset: () => Object.assign(stats, { frames: 0, worst: 0 }) };

main();
