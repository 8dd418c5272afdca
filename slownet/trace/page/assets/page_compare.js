// Two runs side by side: where they diverge, in words and in the diagram.

/** Reports whether a run has a first event that differs. */
const differs = (run) => run.mark !== undefined && run.mark >= 0;

/** Says at the top of the page up to where the runs are the same. */
function tellDifference(about) {
  const found = about.difference, box = $("compared");
  box.hidden = !found;
  if (!found) return;
  const words = box.querySelector("p"), list = box.querySelector("ul");
  const damaged = view.runs.some((run) => run.about.wrong);
  box.querySelector("button").hidden = !found.marks;
  if (!found.marks) {
    words.textContent = `The runs are the same: ${found.same === 1 ? "1 event" : `${grouped(found.same)} events`}${damaged ? ", up to the damage" : ""}.`;
    return;
  }
  view.runs.forEach((run, n) => { run.mark = found.marks[n]; });
  words.textContent = found.same === 0 ? "The runs differ from the first event on:" :
    `The runs are the same up to event ${grouped(found.same)}, at ${moment(view.runs[0].at[found.last])}. Then they differ:`;
  const next = view.runs.map((run) => (differs(run) ? [plain(run, run.mark), run.connName(run.conn[run.mark])].filter(Boolean).join(", ") : run.about.wrong ? "the trace is damaged" : "nothing more"));
  const alike = next.every((text) => text === next[0]);
  view.runs.forEach((run, n) => {
    const item = element("li");
    item.append(element("strong", run.about.title || `Run ${n + 1}`), `: ${next[n]}${alike ? ", with other bytes" : ""}`);
    list.append(item);
  });
}

let shown = -1; // the run whose first different event was shown last

/** Shows the first event that differs: of one run, then of the next. */
function showDifference() {
  const runs = view.runs.filter(differs);
  if (!runs.length) return;
  shown = (shown + 1) % runs.length;
  const around = 10; // events before and after it, of each run
  let from = Infinity, to = -Infinity;
  for (const run of runs) {
    const place = placeOf(run, run.mark), at = (j) => run.at[ordinal(run, Math.min(Math.max(j, 0), run.count - 1))];
    from = Math.min(from, at(place - around));
    to = Math.max(to, at(place + around));
  }
  const air = Math.max((to - from) * 0.1, 1000);
  showTime(from - air, to + air, false);
  select({ run: runs[shown], i: runs[shown].mark }, true);
}

/** Draws where each run begins to differ: a line through its lanes, and a ring around the event. */
function drawDifference(c, shift, font) {
  if (view.hidden.has("differs")) return;
  for (const run of view.runs) {
    if (run.mark === undefined || run.bottom + shift < AXIS || run.top + shift > view.height) continue;
    const x = pixel(differs(run) ? run.at[run.mark] : run.end);
    if (x < -200 || x > view.width + 5) continue;
    const top = run.top + HEADING - 8 + shift, bottom = Math.min(run.bottom + shift, view.height);
    if (x > -5) line(c, x, Math.max(top, AXIS), x, bottom, view.theme.bad, 2, [9, 4]);
    let y = top + 14;
    if (differs(run)) {
      const lane = run.lanes[run.lane[run.mark]], [, , x1, y1] = lineOf(run, run.mark, lane.y + shift);
      c.beginPath();
      c.arc(x1, y1, 8, 0, 7);
      c.strokeStyle = view.theme.bad;
      c.lineWidth = 2.5;
      c.stroke();
      y = y1;
    }
    flag(c, x, y, differs(run) ? "≠ first difference" : "≠ ends here", font);
  }
}

/** Draws when a failure of each run was found: a line through its lanes. */
function drawFailures(c, shift, font) {
  if (view.hidden.has("failed")) return;
  for (const run of view.runs) {
    if (run.failed === undefined || run.bottom + shift < AXIS || run.top + shift > view.height) continue;
    const x = pixel(run.failed), top = run.top + HEADING - 8 + shift;
    if (x < -200 || x > view.width + 5) continue;
    if (x > -5) line(c, x, Math.max(top, AXIS), x, Math.min(run.bottom + shift, view.height), view.theme.bad, 2, []);
    flag(c, x, top + (run.mark === undefined ? 14 : 40), "! failure found", font);
  }
}

/** Writes words next to a line, on a background of their own. */
function flag(c, x, y, text, font) {
  c.font = `600 12px ${font}`;
  const width = c.measureText(text).width + 12, left = x + 14 + width > view.width ? x - 14 - width : x + 14;
  c.fillStyle = view.theme.bad;
  c.fillRect(left, y - 10, width, 20);
  c.fillStyle = view.theme.paper;
  c.fillText(text, left + 6, y + 0.5);
}
