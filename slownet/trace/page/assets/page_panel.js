// The text next to the diagram: the selected event, the one under the pointer, and
// a list of the events in view.

const LISTED = 200;

/** Selects an event, or none. */
function select(event, show) {
  view.selected = event;
  if (event && show) bringIntoView(event);
  $("spoken").textContent = event ? sentence(event.run, event.i) : "";
  tip(null);
  if (event) openPanel(true);
  describe();
  refresh();
}

let hex = false;

/** Shows the selected event in the panel. */
function describe() {
  const box = $("event");
  box.replaceChildren();
  const event = view.selected;
  if (!event) {
    box.append(element("p", "Select an event: with the pointer, or with Tab in the diagram.", "quiet"));
    return;
  }
  const { run, i } = event;
  box.append(element("h2", heading(run, i)));
  const list = element("dl");
  for (const [name, text] of facts(run, i)) list.append(element("dt", name), element("dd", text));
  if (view.runs.length > 1) list.append(element("dt", "Run"), element("dd", run.about.title));
  box.append(list);
  const bytes = run.payload(i);
  if (!bytes.length) return;
  const bar = element("div", undefined, "payloadbar");
  const kept = bytes.length < run.length[i] ? `Payload: the first ${grouped(bytes.length)} of ${grouped(run.length[i])} bytes` : "Payload";
  bar.append(element("h3", kept));
  for (const [name, value] of [["Text", false], ["Hex", true]]) {
    const button = element("button", name);
    button.type = "button";
    button.setAttribute("aria-pressed", String(hex === value));
    button.addEventListener("click", () => { hex = value; describe(); });
    bar.append(button);
  }
  const text = element("pre", hex ? asHex(bytes) : asText(bytes), "payload");
  text.tabIndex = 0;
  box.append(bar, text);
}

/** Shows a few words at the pointer. */
function tip(event, x, y) {
  const box = $("tip");
  if (!event) {
    box.hidden = true;
    return;
  }
  const { run, i } = event;
  box.replaceChildren(element("strong", heading(run, i)));
  const skip = new Set(["Time of day", "Addresses", "Packet", "SACK"]);
  const list = element("dl");
  for (const [name, text] of facts(run, i)) if (!skip.has(name)) list.append(element("dt", name), element("dd", text.length > 90 ? text.slice(0, 90) + "…" : text));
  box.append(list);
  const bytes = run.payload(i).subarray(0, 96);
  if (bytes.length) box.append(element("pre", hex ? asHex(bytes.subarray(0, 32)) : asText(bytes)));
  box.hidden = false;
  const area = $("stage").getBoundingClientRect(), width = box.offsetWidth, height = box.offsetHeight;
  const left = x + GUTTER + 18 + width > area.width ? Math.max(x + GUTTER - width - 18, 4) : x + GUTTER + 18;
  box.style.left = left + "px";
  box.style.top = Math.max(4, Math.min(y + 14, area.height - height - 6)) + "px";
}

function openPanel(open) {
  if ($("panel").hidden === !open) return;
  $("panel").hidden = !open;
  $("list").setAttribute("aria-expanded", String(open));
  changed();
}

let listing = 0;

/** Makes the list of events again when the view has come to rest. */
function changed() {
  if (view.hovered) { view.hovered = null; tip(null); }
  clearTimeout(listing);
  if (!$("panel").hidden) listing = setTimeout(listEvents, 200);
}

/** Lists the events in view. */
function listEvents() {
  const from = timeAt(0), to = timeAt(view.width), body = $("events");
  body.replaceChildren();
  let shown = 0, all = 0, complete = true;
  for (const run of view.runs) {
    if (run.bottom < view.scroll || run.top > view.scroll + view.height - AXIS) continue;
    const begin = firstInTime(run, from), end = firstInTime(run, to, true);
    all += end - begin;
    let j = begin;
    for (let n = 0; j < end && shown < LISTED && n < 100000; j++, n++) {
      const i = ordinal(run, j);
      if (!laneInView(run, i)) continue;
      const item = element("li"), button = element("button", sentence(run, i));
      button.type = "button";
      button.addEventListener("click", () => select({ run, i }, true));
      item.append(button);
      body.append(item);
      shown++;
    }
    if (j < end) complete = false;
  }
  $("listed").textContent = complete ? `${grouped(shown)} in view` : `the first ${grouped(shown)}; ${grouped(all)} in this time`;
}

/** Shows how much is drawn, if that is not everything. */
function tellThinning() {
  const n = stats.drawn, all = stats.total;
  const one = all / n < 1.95 ? (all / n).toFixed(1) : Math.round(all / n);
  const text = n >= all ? "" : `1 of ${grouped(one)} pieces drawn, ${grouped(n)} of about ${grouped(all)} in view. Zoom in to see all.`;
  const box = $("thinned");
  if (box.textContent !== text) box.textContent = text;
}
