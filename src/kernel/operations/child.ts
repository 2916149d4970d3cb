/** The short life of a forked child, on the CPU of the thread that forked it. */
import { op, when } from "../../program/notation.js";
import { NEEDS_TABLES, operation } from "../operation.js";
import { touch } from "./fault.js";
import { exitMmap } from "./process.js";

/**
 * What switches of tasks would do, as one program: nothing of the thread's own is under way when
 * the child starts, and the child is gone when the thread goes on.
 */
export const runChild = operation(
  "run.child",
  ["childTask", "vpn"],
  {
    summary: "the forked child task (index + 1) runs on this CPU: it reads page `vpn` and exits",
    source: "shootdown.md 1.6 F2 and F3, both ways; 1.7 for exit",
    settles: "none",
    needs: NEEDS_TABLES,
  },
  (kit, { childTask, vpn }) =>
    kit.regs.scope(["self"], (self) => [
      op("mm.current", { a: self }),
      kit.regs.scope(["mm", "one"], (mm, one) => [
        // Tasks are named by index + 1 where they are given an mm, by index where it is asked for.
        kit.set(one, 1),
        op("sub", { a: one, b: childTask, c: one }),
        op("task.get", { a: mm, b: one }),
        op("irq.off"),
        kit.switchMm(mm),
        op("irq.on"),
        op("ctx.mm", { a: mm }),
      ]),
      kit.leave,
      touch(kit, vpn, false),
      kit.enter,
      op("sw.lazy", { note: "child exits: keep CR3, lazily" }),
      kit.regs.scope(["none"], (none) => [
        kit.set(none, 0),
        op("task.mm", { a: childTask, b: none }),
      ]),
      when(op("mm.put"), exitMmap(kit)),
      op("ctx.mm", { a: self }),
      op("irq.off"),
      kit.switchMm(self),
      op("irq.on"),
    ]),
);
