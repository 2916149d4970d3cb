/**
 * Row 18: dirty pages are written out and stay. Each is made clean and read-only and flushed under
 * its page-table lock, so that the next store faults; only then is its content taken.
 */
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { CLEAN_SITE } from "../sites.js";

function cleanEntry(kit: Kit, vpn: Reg): Program {
  return kit.regs.scope(["next"], (next) => [
    when(op("pte.clean", { a: vpn, imm: 1, note: "clean and write-protect PTE" }), [
      op("addi", { a: next, b: vpn, imm: 1 }),
      kit.flushLocked(CLEAN_SITE, vpn, next),
    ]),
    op("pte.forget"),
  ]);
}

export const writeback = operation(
  "writeback",
  ["start", "end"],
  {
    summary: "writes the pages of [start, end) out; they stay, clean and read-only",
    source: "notifiers.md 2.4 row 18; shootdown.md I5; Linux page_mkclean_one",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    kit.range(CLEAN_SITE, "PROTECTION_PAGE", start, end, [
      kit.forEachTable(start, end, (from, to) => [
        when(op("ptl.lock", { a: from }), [
          kit.forEachEntry(from, to, (vpn) => cleanEntry(kit, vpn)),
          op("ptl.unlock"),
        ]),
      ]),
    ]),
    kit.forEachTable(start, end, (from, to) =>
      kit.forEachEntry(from, to, (vpn) => [
        op("pte.collect", { a: vpn, note: "write page out" }),
        op("pte.forget"),
      ]),
    ),
  ],
);
