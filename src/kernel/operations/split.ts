/** A huge page becomes small ones of the same frame, in its place. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Site } from "../era.js";
import type { Kit } from "../kit.js";
import { SPLIT_ANON_SITE } from "../sites.js";
import { MIGRATING } from "./marked.js";

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
 * pmdp_invalidate, of the span [vpn, next): the entry stays, not present, until every TLB has lost
 * the huge translation; then a table of small ones takes its place. Its lock is held.
 */
export function splitLocked(kit: Kit, site: Site, vpn: Reg, next: Reg): Program {
  return [
    op("pte.clear", { a: vpn, imm: MIGRATING, note: "invalidate huge entry" }),
    op("pte.forget"),
    kit.flushLocked(site, vpn, next, abi.INFO_HUGE),
    kit.regs.scope(["inside"], (inside) => [
      op("addi", { a: inside, b: vpn, imm: 1 }),
      op("pte.split", { a: inside, note: "small entries take its place" }),
    ]),
  ];
}

/** A fault has to copy page `vpn` of a huge one: it is split, and the access faults again. */
export function splitForCopy(kit: Kit, vpn: Reg): Program {
  return kit.regs.scope(["start", "end"], (start, end) => [
    // Two ends are as far apart as the span is long.
    op("span.end", { a: end, b: vpn, imm: 1 }),
    op("span.end", { a: start, b: end, imm: 1 }),
    op("sub", { a: start, b: start, c: end }),
    op("sub", { a: start, b: end, c: start }),
    kit.range(
      SPLIT_ANON_SITE,
      "CLEAR",
      start,
      end,
      ifHuge(start, splitLocked(kit, SPLIT_ANON_SITE, start, end)),
    ),
  ]);
}
