// Times as text, and the marks of the axis.

const US = 1e3, MS = 1e6, S = 1e9, MINUTE = 60 * S, HOUR = 60 * MINUTE;

/** Returns a number with digits in groups of three. */
function grouped(n) { return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f"); }

/** Returns a duration for reading, with about three digits. */
function duration(ns) {
  const a = Math.abs(ns);
  if (a === 0) return "0";
  if (a < US) return `${Math.round(ns)} ns`;
  for (const [unit, name] of [[US, "µs"], [MS, "ms"], [S, "s"]]) {
    if (a < unit * 1000 || (unit === S && a < 120 * S)) return `${Number((ns / unit).toPrecision(4))} ${name}`;
  }
  return clock(ns, a < HOUR ? 1 : 0);
}

/** Returns minutes and hours, and seconds to some decimal places. */
function clock(ns, places) {
  const sign = ns < 0 ? "−" : "";
  const unit = 10 ** places, all = Math.round((Math.abs(ns) / S) * unit);
  const whole = Math.floor(all / unit), fraction = places ? "." + String(all % unit).padStart(places, "0") : "";
  const s = String(whole % 60).padStart(2, "0"), m = Math.floor(whole / 60) % 60, h = Math.floor(whole / 3600);
  return `${sign}${h ? `${h}:${String(m).padStart(2, "0")}` : m}:${s}${fraction}`;
}

/** Returns a moment exactly, to the nanosecond. */
function moment(ns) {
  const a = Math.abs(Math.round(ns)), sign = ns < 0 ? "−" : "";
  const seconds = Math.floor(a / S), rest = String(a % S).padStart(9, "0");
  const digits = rest.replace(/(000)+$/, "");
  const text = a >= 120 * S ? clock(seconds * S, 0) : String(seconds);
  return sign + text + (digits ? "." + digits.match(/.{1,3}/g).join("\u202f") : "") + " s";
}

/** Returns the time of day of a moment of a run, or "". */
function timeOfDay(run, ns) {
  if (!run.about.start) return "";
  const t = BigInt(run.about.start) + BigInt(Math.round(ns));
  const seconds = t / 1000000000n;
  const date = new Date(Number(seconds) * 1000);
  return date.toISOString().replace("T", " ").replace(".000Z", "") + "." + String(t % 1000000000n).padStart(9, "0") + " UTC";
}

const STEPS = [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR];

/** Returns a round step that is at least the given one. */
function stepFor(shortest) {
  if (shortest > 30 * S) {
    const step = STEPS.find((s) => s >= shortest);
    if (step) return step;
    const days = shortest / (24 * HOUR), unit = 10 ** Math.floor(Math.log10(days));
    return [1, 2, 5, 10].find((f) => f * unit >= days * 0.999) * unit * 24 * HOUR;
  }
  if (shortest > 10 * S) return shortest > 20 * S ? 30 * S : 20 * S;
  const unit = 10 ** Math.floor(Math.log10(Math.max(shortest, 1)));
  return Math.max(1, [1, 2, 5, 10].find((f) => f * unit >= shortest * 0.999) * unit);
}

/** Returns the text of a mark of the axis; all marks of a step have the same unit. */
function tickText(ns, step, end) {
  if (step >= MINUTE || (end >= 120 * S && step >= S)) return clock(ns, 0);
  if (ns === 0) return "0";
  const [unit, name] = end >= S ? [S, "s"] : end >= MS ? [MS, "ms"] : end >= US ? [US, "µs"] : [1, "ns"];
  const places = Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9));
  if (end >= 120 * S) return clock(ns, Math.min(places, 9));
  return `${(ns / unit).toFixed(Math.min(places, 9))} ${name}`;
}
