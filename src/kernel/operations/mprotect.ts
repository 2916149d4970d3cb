/**
 * Row 5: mprotect. One bracket per populated PUD span, from its first populated address to its end;
 * one flush of the changed entries after all spans.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, unless, when, whilst } from "../../program/notation.js";
import type { Site } from "../era.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { PROTECT_SITE } from "../sites.js";

/** Levels a PUD span covers: leaf tables and the tables above them. */
const PUD_LEVEL = 2;

function whenToFlush({ policy }: Kit): number {
  if (policy.filter === undefined) return abi.PROTECT_CHANGED;
  return policy.filter === "lost" ? abi.PROTECT_LOST : abi.PROTECT_GONE;
}

/**
 * change_pmd_range: a bracket per span that has a table, in which its entries get `prot`; what
 * needs a flush joins the open gather. `start` is used up.
 */
export function protectSpans(kit: Kit, site: Site, start: Reg, end: Reg, prot: Reg): Program {
  return kit.regs.scope(["at", "stop"], (at, stop) => [
    op("mov", { a: at, b: start }),
    whilst(op("table.next", { a: at, b: end, c: stop }), [
      op("span.end", { a: stop, b: at, imm: PUD_LEVEL }),
      unless(op("cmp.lt", { a: stop, b: end }), [op("mov", { a: stop, b: end })]),
      // `start` served its purpose when the walk began; from here on it is the extent's end.
      kit.range(site, "PROTECTION_VMA", at, stop, [
        kit.regs.scope(["vpn", "next"], (vpn, next) => [
          op("mov", { a: vpn, b: at }),
          whilst(op("table.next", { a: vpn, b: stop, c: start }), [
            when(op("ptl.lock", { a: vpn }), [
              kit.settleBatches(),
              kit.settleSwapped(vpn, start),
              whilst(op("pte.next", { a: vpn, b: start }), [
                op("addi", { a: next, b: vpn, imm: 1 }),
                when(
                  op("pte.protect", {
                    a: vpn,
                    b: prot,
                    imm: whenToFlush(kit),
                    note: "change PTE",
                  }),
                  [op("gather.widen", { a: vpn, b: next })],
                ),
                op("mov", { a: vpn, b: next }),
              ]),
              op("ptl.unlock"),
            ]),
            op("mov", { a: vpn, b: start }),
          ]),
        ]),
      ]),
      op("mov", { a: at, b: stop }),
    ]),
  ]);
}

export const mprotect = operation(
  "mprotect",
  ["start", "end", "prot"],
  {
    summary: "changes the protection of [start, end) to `prot`",
    source: "notifiers.md 2.4 row 5",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end, prot }) => [
    op("mmap.write.lock"),
    kit.splitEdges(start, end),
    op("vma.set", { a: start, b: end, c: prot }),
    op("gather.begin", { note: "flush pending" }),
    protectSpans(kit, PROTECT_SITE, start, end, prot),
    kit.gatherFlushQuietly(),
    op("gather.end"),
    op("mmap.write.unlock"),
  ],
);
