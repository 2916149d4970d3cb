/**
 * A kernel thread whose code is the host's: fault handlers of drivers, ioctls. The host says what
 * it does next; locks, faults and migrations are the kernel's own code, and cost what it costs.
 */
import * as abi from "../../core/abi.js";
import { again, leave, op, type Program, repeat, unless, when } from "../../program/notation.js";
import { operation } from "../operation.js";
import { faultLocked } from "./fault.js";
import { deviceInsert, makeExclusive, migrateToDevice } from "./migrate-entries.js";
import type { Kit } from "../kit.js";

/** A whole operation as a part: its parameters are r0 and r1, where the host has put them. */
function whole(kit: Kit, build: (kit: Kit) => Program): Program {
  return build(kit.fresh());
}

export const hostThread = operation(
  "host.thread",
  ["thread", "mm"],
  {
    summary: "kernel thread `thread` of the host works on mm `mm` (index + 1)",
    source: "Linux: a driver's work item, with the mm it has a reference to",
    settles: "none",
  },
  (kit, { thread, mm }) => [
    op("host.call", { imm: abi.HOST_THREAD, note: "host: thread begins" }),
    op("ctx.mm", { a: mm }),
    kit.regs.scope(["next"], (next) => {
      const ask = op("host.next", { a: thread, b: mm, c: next, note: "host: what next?" });
      const doing = (does: number, body: Program) =>
        when(op("bits", { a: next, imm: does }), [body, again]);
      return [
        repeat([
          unless(ask, [leave]),
          doing(abi.HOST_DO_LOCK, [op("mmap.read.lock")]),
          doing(abi.HOST_DO_UNLOCK, [op("mmap.read.unlock")]),
          doing(abi.HOST_DO_AWAIT, [op("pte.await", { a: thread })]),
          doing(
            abi.HOST_DO_READ,
            kit.regs.scope(["prot"], (prot) => faultLocked(kit, thread, prot, false)),
          ),
          doing(
            abi.HOST_DO_WRITE,
            kit.regs.scope(["prot"], (prot) => faultLocked(kit, thread, prot, true)),
          ),
          doing(
            abi.HOST_DO_MIGRATE,
            whole(kit, (k) => migrateToDevice.build(k)),
          ),
          doing(
            abi.HOST_DO_EXCLUSIVE,
            whole(kit, (k) => makeExclusive.build(k)),
          ),
          doing(
            abi.HOST_DO_INSERT,
            whole(kit, (k) => deviceInsert.build(k)),
          ),
          again,
        ]),
      ];
    }),
  ],
);
