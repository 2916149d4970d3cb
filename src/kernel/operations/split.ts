/** A huge page becomes small ones of the same frame, in its place. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Site } from "../era.js";
import type { Kit } from "../kit.js";
import { SPLIT_ANON_SITE } from "../sites.js";

/** Under the lock of `vpn`: `body` if a huge page is mapped there; ctx.pte is its entry. */
export function ifHuge(vpn: Reg, body: Program): Program {
  return [
    when(op("ptl.lock", { a: vpn }), [
      when(
        op("pte.get", { a: vpn }),
        [when(op("pte.bits", { imm: abi.PTE_HUGE }), body, [op("pte.forget")])],
        [op("pte.forget")],
      ),
      op("ptl.unlock"),
    ]),
  ];
}

/**
 * pmdp_invalidate: the entry stays, not present, until every TLB has lost the huge translation;
 * then a table of small ones takes its place. Its lock is held.
 */
export function splitLocked(kit: Kit, site: Site, vpn: Reg, next: Reg, info: number): Program {
  return [
    op("pte.clear", { a: vpn, imm: 1, note: "invalidate huge entry" }),
    op("pte.put", { a: vpn, imm: abi.PTE_PROTNONE | abi.PTE_MIGRATION }),
    kit.flushLocked(site, vpn, next, info),
    kit.regs.scope(["inside"], (inside) => [
      // One of the two is inside of the span, and not its first page.
      op("pte.split", { a: vpn, note: "small entries take its place" }),
      op("addi", { a: inside, b: vpn, imm: 1 }),
      op("pte.split", { a: inside }),
    ]),
  ];
}

/** A fault has to copy page `vpn` of a huge one: that is split first, and the access faults again. */
export function splitForCopy(kit: Kit, vpn: Reg, next: Reg): Program {
  return kit.range(
    SPLIT_ANON_SITE,
    "CLEAR",
    vpn,
    next,
    ifHuge(vpn, splitLocked(kit, SPLIT_ANON_SITE, vpn, next, 0)),
  );
}
