// The visible part of time and of the lanes, and how gestures change it.

const $ = (id) => document.getElementById(id);

const view = {
  runs: [], low: 0, high: 1, // the whole time, in nanoseconds
  width: 600, height: 400, // of the diagram, in pixels
  scroll: 0, transform: d3.zoomIdentity, theme: {},
  selected: null, hovered: null, // {run, i}
  hidden: new Set(), query: "",
};

const plot = $("plot"), labels = $("labels"), scroller = $("scroll");
const zoomer = d3.zoom();

const unit = () => view.width / (view.high - view.low); // pixels a nanosecond, at zoom 1
const pixel = (t) => (t - view.low) * unit() * view.transform.k + view.transform.x;
const timeAt = (x) => (x - view.transform.x) / (unit() * view.transform.k) + view.low;

let asked = false;

/** Draws again with the next frame. */
function refresh() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    frame();
  });
}

/** Sets the sizes of canvases and lanes to those of the window. */
function resize() {
  const ratio = window.devicePixelRatio || 1, old = view.width;
  const width = scroller.clientWidth, height = scroller.clientHeight;
  GUTTER = width < 560 ? 122 : width < 900 ? 150 : 184;
  view.width = Math.max(width - GUTTER, 50);
  view.height = Math.max(height, 100);
  for (const [canvas, w] of [[labels, GUTTER], [plot, view.width]]) {
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(view.height * ratio);
    canvas.style.width = w + "px";
    canvas.style.height = view.height + "px";
  }
  place(view.runs, view.height - AXIS);
  $("tall").style.height = Math.max(layout.height + AXIS - view.height, 0) + "px";
  view.scroll = scroller.scrollTop;
  zoomer.translateExtent([[0, -Infinity], [view.width, Infinity]]).scaleExtent([1, Math.max(1, (view.high - view.low) / 20)]);
  if (old !== view.width) {
    const t = view.transform;
    d3.select(plot).call(zoomer.transform, d3.zoomIdentity.translate((t.x / old) * view.width, 0).scale(t.k));
  }
  refresh();
}

/** Shows the time from one moment to another. */
function showTime(from, to, smoothly = true) {
  const k = Math.min(Math.max((view.high - view.low) / Math.max(to - from, 1), 1), zoomer.scaleExtent()[1]);
  const middle = (from + to) / 2;
  const x = Math.min(0, Math.max(view.width * (1 - k), view.width / 2 - (middle - view.low) * unit() * k));
  move(d3.zoomIdentity.translate(x, 0).scale(k), smoothly);
}

const still = matchMedia("(prefers-reduced-motion: reduce)");

function move(transform, smoothly) {
  const target = d3.select(plot);
  target.interrupt();
  if (smoothly && !still.matches) target.transition().duration(180).call(zoomer.transform, transform);
  else target.call(zoomer.transform, transform);
}

function zoomBy(factor, x = view.width / 2) {
  const t = view.transform, [least, most] = zoomer.scaleExtent();
  const k = Math.min(Math.max(t.k * factor, least), most);
  const left = Math.min(0, Math.max(view.width * (1 - k), x - ((x - t.x) / t.k) * k));
  move(d3.zoomIdentity.translate(left, 0).scale(k), true);
}

function panBy(pixels) {
  const t = view.transform;
  move(d3.zoomIdentity.translate(Math.min(0, Math.max(view.width * (1 - t.k), t.x - pixels)), 0).scale(t.k), false);
}

/** Scrolls and pans until an event is in view. */
function bringIntoView({ run, i }) {
  const lane = run.lanes[run.lane[i]];
  if (lane.y < view.scroll + 4 || lane.y + lane.h > view.scroll + view.height - AXIS - 4) {
    scroller.scrollTop = lane.y + lane.h / 2 - (view.height - AXIS) / 2;
    view.scroll = scroller.scrollTop;
  }
  const x = pixel(run.at[i]);
  if (x < 0 || x > view.width) {
    const half = (timeAt(view.width) - timeAt(0)) / 2;
    showTime(run.at[i] - half, run.at[i] + half, false);
  }
}

/** Lets gestures move the view. */
function listen() {
  let lastY = null;
  zoomer
    .filter((event) => {
      if (event.type === "wheel") return event.ctrlKey || event.metaKey || (fits() && !event.shiftKey && Math.abs(event.deltaY) > Math.abs(event.deltaX));
      return !event.button && !event.ctrlKey;
    })
    .wheelDelta((event) => {
      const pinch = event.ctrlKey && Math.abs(event.deltaY) < 30; // of a touch pad, which browsers tell as a wheel
      const delta = -event.deltaY * [0.002, 0.05, 1][event.deltaMode] * (pinch ? 10 : 1);
      return Math.min(1, Math.max(-1, delta));
    })
    .on("start", ({ sourceEvent }) => { lastY = sourceEvent?.clientY ?? null; })
    .on("zoom", ({ transform, sourceEvent }) => {
      if (sourceEvent?.type === "mousemove") {
        if (lastY !== null && sourceEvent.clientY !== lastY) scroller.scrollTop -= sourceEvent.clientY - lastY;
        lastY = sourceEvent.clientY;
      }
      view.transform = transform;
      refresh();
      changed();
    });
  d3.select(plot).call(zoomer).on("dblclick.zoom", (event) => zoomBy(event.shiftKey ? 1 / 4 : 4, d3.pointer(event, plot)[0]));
  plot.addEventListener("wheel", (event) => {
    const x = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey || !x) return;
    event.preventDefault();
    panBy(x * (event.deltaMode ? 20 : 1));
  }, { passive: false });
  scroller.addEventListener("scroll", () => {
    view.scroll = scroller.scrollTop;
    refresh();
    changed();
  }, { passive: true });
  new ResizeObserver(resize).observe(scroller);
}

/** Reports whether all lanes fit into the window, so that there is nothing to scroll. */
const fits = () => layout.height + AXIS <= view.height + 1;
