/** Entries whose page is given away: under their lock, inside a bracket. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { EXCLUSIVE_SITE } from "../sites.js";

/** Pages that this mm has not alone, or not in small entries of its own, stay where they are. */
export const OTHERS = abi.PTE_HUGE | abi.PTE_SHARED | abi.PTE_FILE;

/** Under the lock of `vpn`, whose entry is in ctx.pte: `body` if its page is movable. */
export function ifMovable(body: Program): Program {
  return [
    when(op("pte.bits", { imm: abi.PTE_P }), [
      when(op("pte.bits", { imm: OTHERS }), [], [when(op("frame.only"), body)]),
    ]),
  ];
}

/** The present page in ctx.pte becomes one that faults find marked; flushed before, or after. */
export function mark(vpn: Reg, marks: number, note: string): Program {
  return [op("pte.put", { a: vpn, imm: marks, note })];
}

/** Inside the bracket: a page that this mm has alone becomes the device's. */
export function exclusiveEntry(kit: Kit, vpn: Reg, next: Reg): Program {
  return [
    when(op("ptl.lock", { a: vpn }), [
      op("pte.get", { a: vpn }),
      ifMovable([
        op("pte.clear", { a: vpn, imm: 1, note: "clear PTE" }),
        kit.flushLocked(EXCLUSIVE_SITE, vpn, next),
        mark(vpn, abi.PTE_PROTNONE | abi.PTE_EXCLUSIVE, "set exclusive entry"),
      ]),
      op("pte.forget"),
      op("ptl.unlock"),
    ]),
  ];
}
