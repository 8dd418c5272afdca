// Search: in names of hosts and connections, kinds, notes and payloads.

let searching = 0; // the number of the search that runs

/** Searches, in slices that leave the page responsive, and shows the matches. */
async function search(query) {
  const mine = ++searching;
  view.query = query;
  const found = $("found");
  if (!query) {
    view.hits = null;
    view.hit = -1;
    found.textContent = "";
    $("hits").hidden = true;
    refresh();
    return;
  }
  found.textContent = "…";
  const needle = query.toLowerCase(), bytes = latin(new TextEncoder().encode(query)).toLowerCase();
  const hits = [];
  for (const run of view.runs) {
    const match = (list) => list.map((text) => text.toLowerCase().includes(needle));
    const names = match(run.names), notes = match(run.notes), kinds = run.kinds.map((k) => k.toLowerCase().includes(needle) || (NAMES[k] ?? "").includes(needle));
    if (needle === "sent again") kinds.again = true;
    const conns = run.conns.map((_, c) => c > 0 && `${run.connName(c)}\n${run.connID(c)}`.toLowerCase().includes(needle));
    const list = [];
    for (let b = 0; b < run.blocks.length; b++) {
      await pause();
      if (mine !== searching) return;
      const block = run.blocks[b], end = run.blocks[b + 1]?.first ?? run.count;
      const inPayload = payloadHits(run, block, end, bytes);
      for (let i = block.first; i < end; i++) {
        if (names[run.from[i]] || names[run.to[i]] || notes[run.note[i]] || kinds[run.kind[i]] || conns[run.conn[i]] ||
          inPayload.has(i) || (kinds.again && run.flags[i] & RESENT)) list.push(i);
      }
    }
    if (run.byTime) list.sort((a, b) => placeOf(run, a) - placeOf(run, b));
    hits.push({ run, list });
  }
  view.hits = hits;
  view.hit = -1;
  tellHits();
  refresh();
}

/** Returns bytes as a text of as many characters. */
function latin(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode.apply(null, bytes.subarray(at, at + 8192));
  return text;
}

/** Returns the events of a block in whose payload the bytes are. */
function payloadHits(run, block, end, needle) {
  const hits = new Set();
  if (!block.payloads.length) return hits;
  const text = latin(block.payloads).toLowerCase();
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1)) {
    let low = block.first, high = end - 1;
    const place = at + block.payloadStart;
    while (low < high) { // the last event whose payload begins there or before
      const middle = (low + high + 1) >> 1;
      if (run.payloadAt[middle] <= place) low = middle; else high = middle - 1;
    }
    if (place + needle.length <= run.payloadAt[low] + run.payloadLength[low]) hits.add(low);
  }
  return hits;
}

function tellHits() {
  const all = view.hits.reduce((n, h) => n + h.list.length, 0);
  $("hits").hidden = all === 0;
  $("found").textContent = all === 0 ? "nothing found" : view.hit < 0 ? `${grouped(all)} found` : `${grouped(view.hit + 1)} of ${grouped(all)}`;
}

/** Selects the next match, or the previous one. */
function nextHit(forward) {
  if (!view.hits) return;
  const all = view.hits.reduce((n, h) => n + h.list.length, 0);
  if (!all) return;
  view.hit = view.hit < 0 ? (forward ? 0 : all - 1) : (view.hit + (forward ? 1 : all - 1)) % all;
  let n = view.hit;
  for (const { run, list } of view.hits) {
    if (n < list.length) {
      select({ run, i: list[n] }, true);
      break;
    }
    n -= list.length;
  }
  tellHits();
}
