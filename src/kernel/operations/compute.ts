/** User-mode work between system calls: loads of a working set, with time in between. */
import { op, times, unless, when } from "../../program/notation.js";
import { operation } from "../operation.js";

/**
 * `delay` is not interrupted: an interrupt waits for the load behind it. So `gap` is also how long
 * an acknowledgement may be late, and should be small against a shootdown.
 */
export const compute = operation(
  "compute",
  ["start", "end", "loads", "gap"],
  {
    summary: "`loads` user-mode loads, round and round [start, end), `gap` ns before each",
    source: "the time between two system calls of a thread; faults are not served",
    settles: "none",
    mode: "user",
  },
  (kit, { start, end, loads, gap }) =>
    kit.regs.scope(["at", "none"], (at, none) => [
      kit.set(none, 0),
      op("mov", { a: at, b: start }),
      when(op("cmp.lt", { a: none, b: loads }), [
        times(loads, [
          op("delay", { a: gap, note: "user mode" }),
          op("cpu.access", { a: at }),
          op("addi", { a: at, b: at, imm: 1 }),
          unless(op("cmp.lt", { a: at, b: end }), [op("mov", { a: at, b: start })]),
        ]),
      ]),
    ]),
);
