/**
 * Rows 26, 28 and 29: huge pages of hugetlbfs, which have code of their own. Page tables that
 * processes share (PMD sharing) are not modelled, so nothing is widened to their borders, and what
 * i_mmap's lock guards is guarded by page-table locks.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, unless, when, whilst } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, NEEDS_TABLES, operation } from "../operation.js";
import {
  HUGETLB_COPY_SITE,
  HUGETLB_MOVE_SITE,
  HUGETLB_PROTECT_SITE,
  HUGETLB_UNMAP_SITE,
} from "../sites.js";
import { MIGRATING } from "./marked.js";
import { forking } from "./process.js";
import { unmapping, unmapRegion } from "./unmap.js";

export const forkHugetlb = operation(
  "fork.hugetlb",
  ["childTask"],
  {
    summary: "as fork, of an mm whose private VMAs are all of hugetlbfs",
    source: "notifiers.md 2.4 row 26; Linux copy_hugetlb_page_range",
    settles: "all",
    needs: NEEDS_DATA,
  },
  (kit, { childTask }) =>
    forking(kit, childTask, { site: HUGETLB_COPY_SITE, event: "CLEAR", eachNotifies: true }),
);

export const mprotectHugetlb = operation(
  "mprotect.hugetlb",
  ["start", "end", "prot"],
  {
    summary: "changes the protection of the huge pages of [start, end) to `prot`",
    source: "notifiers.md 2.4 row 28; Linux hugetlb_change_protection",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end, prot }) => [
    op("mmap.write.lock"),
    kit.splitEdges(start, end),
    op("vma.set", { a: start, b: end, c: prot }),
    kit.range(HUGETLB_PROTECT_SITE, "PROTECTION_VMA", start, end, [
      kit.forEachTable(start, end, (from, to) => [
        when(op("ptl.lock", { a: from }), [
          kit.settleBatches(),
          kit.forEachKeptEntry(from, to, (vpn) => [
            op("pte.protect", { a: vpn, b: prot, note: "change entry" }),
            op("pte.forget"),
          ]),
          op("ptl.unlock"),
        ]),
      ]),
      kit.flush(start, end),
      kit.notifyLocked(HUGETLB_PROTECT_SITE, start, end),
    ]),
    op("mmap.write.unlock"),
  ],
);

export const munmapHugetlb = operation(
  "munmap.hugetlb",
  ["start", "end"],
  {
    summary: "as munmap, of huge pages of hugetlbfs",
    source: "notifiers.md 2.4 row 29; Linux __unmap_hugepage_range",
    settles: "range",
    needs: NEEDS_TABLES,
  },
  (kit, { start, end }) =>
    unmapping(kit, start, end, (inner, from, to) =>
      unmapRegion(inner, from, to, HUGETLB_UNMAP_SITE),
    ),
);

/**
 * The huge entry of `from` moves: flushed before it can be found, and freed, at its new place.
 * Until then it stays, not present, so that who looks for it finds its lock.
 */
function moveEntry(kit: Kit, from: Reg, to: Reg, dest: Reg): Program {
  const clear = op("pte.clear", { a: from, imm: 1, note: "clear old huge entry" });
  const present: Program = [
    op("pte.clear", { a: from, imm: MIGRATING, note: "invalidate old huge entry" }),
    kit.flush(from, to, abi.INFO_HUGE),
    clear,
    op("pte.put", { a: dest, imm: abi.PTE_P, note: "set new huge entry" }),
  ];
  return [
    when(op("ptl.lock", { a: from }), [
      op("pte.get", { a: from, imm: 1 }),
      when(op("pte.bits", { imm: abi.PTE_HUGE }), [
        when(op("pte.bits", { imm: abi.PTE_P }), present, [clear, op("pte.put", { a: dest })]),
      ]),
      op("pte.forget"),
      op("ptl.unlock"),
    ]),
  ];
}

export const mremapHugetlb = operation(
  "mremap.hugetlb",
  ["start", "end", "target"],
  {
    summary: "moves the huge pages of [start, end) to `target`, where nothing is; all aligned",
    source: "notifiers.md 2.4 row 29; Linux move_hugetlb_page_tables",
    settles: "range",
    needs: NEEDS_TABLES,
  },
  (kit, { start, end, target }) => [
    op("mmap.write.lock"),
    kit.regs.scope(["last", "prot"], (last, prot) => [
      unless(op("vma.find", { a: start, b: prot }), [kit.set(prot, 3)]),
      op("sub", { a: last, b: end, c: start }),
      op("add", { a: last, b: last, c: target }),
      kit.waitForParked(target, last),
      op("vma.set", { a: target, b: last, c: prot }),
    ]),
    kit.range(
      HUGETLB_MOVE_SITE,
      "UNMAP",
      start,
      end,
      kit.regs.scope(["from", "to", "dest"], (from, to, dest) => [
        op("mov", { a: from, b: start }),
        whilst(op("table.next", { a: from, b: end, c: to }), [
          op("sub", { a: dest, b: from, c: start }),
          op("add", { a: dest, b: dest, c: target }),
          moveEntry(kit, from, to, dest),
          op("mov", { a: from, b: to }),
        ]),
      ]),
    ),
    op("vma.clear", { a: start, b: end }),
    kit.gather([kit.unhookTables(start, end)]),
    op("mmap.write.unlock"),
  ],
);

/** Operations of this file. */
export const HUGETLB_OPERATIONS = [
  forkHugetlb,
  mprotectHugetlb,
  munmapHugetlb,
  mremapHugetlb,
] as const;
