// An event in words.

const NAMES = {
  connect: "connected", accept: "waits for Accept", data: "bytes arrived", close: "end of the stream arrived", reset: "reset", drop: "lost",
  fault: "fault", host: "host", send: "bytes accepted", delay: "delayed", packet: "packet left", arrive: "packet arrived",
};

const kindName = (run, i) => run.kinds[run.kind[i]] || `kind ${run.kind[i]}`;
const isStream = (run, i) => [K.data, K.drop, K.send, K.delay, K.packet, K.arrive].includes(run.kind[i]);

/** Returns the description of an event, as pairs of a name and a text. */
function facts(run, i) {
  const list = [];
  const add = (name, text) => { if (text) list.push([name, text]); };
  const from = run.names[run.from[i]], to = run.names[run.to[i]];
  add("Time", moment(run.at[i]));
  add("Time of day", timeOfDay(run, run.at[i]));
  if (run.at[i] > run.left[i]) add("Left at", `${moment(run.left[i])}, ${duration(run.at[i] - run.left[i])} before`);
  if (run.kind[i] === K.delay) add("Later by", duration(run.took[i]));
  add("From", from);
  add("To", to);
  const called = run.connName(run.conn[i]), id = run.connID(run.conn[i]);
  add("Connection", called === id ? id : `${called} (${id})`);
  if (run.length[i] > 0 || run.kind[i] === K.data) {
    add("Bytes", grouped(run.length[i]));
    add("Offset", grouped(run.offset[i]));
  } else if (run.offset[i] > 0) add("Offset", grouped(run.offset[i]));
  add("Note", run.notes[run.note[i]]);
  if (i === run.mark) add("Comparison", "the first event that differs");
  const p = run.packet(i);
  if (!p) return list;
  add("Packet", grouped(p.number));
  if (p.from || p.to) add("Addresses", `${run.names[p.from]} → ${run.names[p.to]}`);
  const bits = ["FIN", "SYN", "RST", "PSH", "ACK"].filter((_, b) => p.flags & (1 << b)).join(" ");
  add("Flags", bits);
  if (bits) {
    add("Sequence number", grouped(p.seq));
    if (p.flags & 16) add("Acknowledges", grouped(p.ack));
    add("Window", `${grouped(p.window)} bytes`);
  }
  if (p.sack.length) add("SACK", p.sack.map(([a, b]) => `${grouped(a)}–${grouped(b)}`).join(", "));
  if (p.size) add("Size", `${grouped(p.size)} bytes with headers`);
  if (p.congestion) add("Congestion window", `${grouped(p.congestion)} bytes`);
  if (p.resent) add("Sent again", "yes");
  if (run.flags[i] & LOST) add("Arrives", "never");
  return list;
}

/** Returns the kind of an event in a word or two. */
function heading(run, i) {
  const name = kindName(run, i);
  if (run.kind[i] === K.host || run.kind[i] === K.fault) return run.notes[run.note[i]] || NAMES[name];
  return NAMES[name] ?? name;
}

/** Returns an event in one line, with the result of a comparison. */
function sentence(run, i) {
  return plain(run, i) + (i === run.mark ? ", first difference" : "");
}

/** Returns an event in one line. */
function plain(run, i) {
  const words = [moment(run.at[i]), heading(run, i)];
  const from = run.names[run.from[i]], to = run.names[run.to[i]];
  if (from && to) words.push(`${from} → ${to}`); else if (from || to) words.push(from || to);
  if (run.length[i] > 0) words.push(run.length[i] === 1 ? "1 byte" : `${grouped(run.length[i])} bytes`, `offset ${grouped(run.offset[i])}`);
  if (run.at[i] > run.left[i]) words.push(`${duration(run.at[i] - run.left[i])} under way`);
  const note = run.notes[run.note[i]];
  if (note && run.kind[i] !== K.host && run.kind[i] !== K.fault) words.push(note);
  return words.join(", ");
}

/** Returns bytes as text, with a dot for each unprintable one. */
function asText(bytes) {
  return new TextDecoder().decode(bytes).replaceAll("\r\n", "\n").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]/g, "·");
}

/** Returns bytes as a hex dump. */
function asHex(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = Array.from(bytes.subarray(at, at + 16));
    const hex = row.map((b) => b.toString(16).padStart(2, "0"));
    const left = hex.slice(0, 8).join(" ").padEnd(23), right = hex.slice(8).join(" ").padEnd(23);
    lines.push(`${at.toString(16).padStart(4, "0")}  ${left}  ${right}  ${row.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : ".")).join("")}`);
  }
  return lines.join("\n");
}

/** Makes an element with a text. Data becomes text here and never markup. */
function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}
