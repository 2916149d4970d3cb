// A row of docs/papers.md: what was published, what the machine does, and whether that is close.

/**
 * A number that can be held against a published one.
 * @param row id, table, what, unit, published, simulated, bar (largest relative error), and kind:
 *   "fit" (the price came from this very number), "prediction" or "check"
 */
export function compared(row) {
  const error = row.simulated / row.published - 1;
  return { ...row, error, verdict: Math.abs(error) <= row.bar ? "met" : "not met" };
}

/** Published as a bound: the simulated number must lie within [least, most]. */
export function bounded(row) {
  const inside = row.simulated >= row.least && row.simulated <= row.most;
  return { ...row, error: null, verdict: inside ? "met" : "not met" };
}

/** What cannot be simulated yet, or not at all. */
export function notModelled(row) {
  return { simulated: null, error: null, bar: null, kind: "-", ...row, verdict: "not modelled" };
}
