// How much is drawn: few enough for a quick frame, with a share for every lane.

const budget = { lines: 16000, marks: 4000 }; // marks that are drawn; sixteen times as many are looked at
const stats = { frames: 0, last: 0, worst: 0, drawn: 0, total: 0 };

/** Divides a budget: returns the limit of each, so that the sum fits. */
function fairShare(counts, all) {
  let low = 1, high = all;
  const sum = (cap) => counts.reduce((s, n) => s + Math.min(n, cap), 0);
  if (sum(high) <= all) return high;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sum(middle) <= all) low = middle; else high = middle - 1;
  }
  return low;
}

/** Returns the stride with which events are drawn: a power of two, so that it stays the same while the view moves. */
function strideFor(count, cap) {
  let stride = 1;
  while (count / stride > cap) stride *= 2;
  return stride;
}

/** Returns the first index at or after a given one that is a multiple of the stride. */
const aligned = (place, start, stride) => place + ((stride - ((place - start) % stride)) % stride);

/** Returns how many pixels two marks of a kind must be apart in a lane, for the given number in view. */
const markRoom = (count, lanes) => Math.max(6, count > budget.marks ? (lanes * view.width) / budget.marks : 0);

/** Draws less after a slow frame, and more again after quick ones. */
function adapt(spent) {
  stats.frames++;
  stats.last = spent;
  stats.worst = Math.max(stats.worst, spent);
  if (spent > 32) {
    budget.lines = Math.max(2000, budget.lines / 2);
    budget.marks = Math.max(500, budget.marks / 2);
  } else if (spent < 10 && budget.lines < 16000) {
    budget.lines *= 2;
    budget.marks *= 2;
  }
}
