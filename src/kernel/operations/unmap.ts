/** Row 1: munmap, and brk when it shrinks. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Site } from "../era.js";
import type { Kit } from "../kit.js";
import { NEEDS_TABLES, operation } from "../operation.js";
import { UNMAP_SITE } from "../sites.js";

/** The unmapping itself; the caller holds mmapLock for writing and has cleared the VMA. */
export function unmapRegion(
  kit: Kit,
  start: Reg,
  end: Reg,
  site: Site = UNMAP_SITE,
  mode: number = abi.UNHOOK_BY_VMAS,
): Program {
  return kit.gather([
    kit.range(site, "UNMAP", start, end, kit.zap(start, end)),
    kit.unhookTables(start, end, mode),
  ]);
}

/**
 * As `kit.zap`. Where a table held a written page of a shared mapping, its writers must have lost
 * it before the page is let go of: that table is flushed under its lock.
 */
export function zapShared(kit: Kit, start: Reg, end: Reg): Program {
  return kit.regs.scope(["dirty", "none"], (dirty, none) =>
    kit.forEachTable(start, end, (from, to) => [
      when(op("ptl.lock", { a: from }), [
        kit.set(dirty, 0),
        kit.forEachEntry(from, to, (vpn) => [
          when(op("gather.full"), [
            op("ptl.unlock"),
            kit.gatherFlush(),
            op("gather.free", { note: "batch full: free it" }),
            op("ptl.lock", { a: from }),
          ]),
          op("pte.clear", { a: vpn, note: "clear PTE" }),
          when(op("pte.bits", { imm: abi.PTE_SHARED }), [
            when(op("pte.bits", { imm: abi.PTE_W }), [kit.set(dirty, 1, "a written shared page")]),
          ]),
          op("gather.add", { a: vpn, note: "gather page" }),
        ]),
        kit.set(none, 0),
        when(op("cmp.lt", { a: none, b: dirty }), [
          kit.gatherFlush(),
          op("gather.free", { note: "written shared pages: free at once" }),
        ]),
        op("ptl.unlock"),
      ]),
    ]),
  );
}

/** The mutant's order: page tables are freed before the flush, so walkers may still enter them. */
function unmapRegionTablesFirst(kit: Kit, start: Reg, end: Reg): Program {
  return kit.gather([
    kit.range(UNMAP_SITE, "UNMAP", start, end, kit.zap(start, end)),
    kit.unhookTables(start, end),
    op("table.free", { note: "free page tables (too early)" }),
  ]);
}

/** A whole call: the VMA is cleared, and `unmap` does the rest. */
export function unmapping(kit: Kit, start: Reg, end: Reg, unmap = unmapRegion): Program {
  return [
    op("mmap.write.lock"),
    kit.splitEdges(start, end),
    op("vma.clear", { a: start, b: end }),
    unmap(kit, start, end),
    op("mmap.write.unlock"),
  ];
}

export const munmap = operation(
  "munmap",
  ["start", "end"],
  {
    summary: "unmaps [start, end): zap, free page tables, flush, free pages",
    source: "notifiers.md 2.4 row 1",
    settles: "range",
    needs: NEEDS_TABLES,
  },
  (kit, { start, end }) => unmapping(kit, start, end),
);

export const munmapShared = operation(
  "munmap.shared",
  ["start", "end"],
  {
    summary: "as munmap; tables with written shared pages are flushed one by one",
    source: "Linux zap_pte_range: delayed rmap removal forces a flush before the lock drops",
    settles: "range",
    needs: NEEDS_TABLES,
  },
  (kit, { start, end }) =>
    unmapping(kit, start, end, (inner, from, to) =>
      inner.gather([
        inner.range(UNMAP_SITE, "UNMAP", from, to, zapShared(inner, from, to)),
        inner.unhookTables(from, to),
      ]),
    ),
);

export const munmapTablesFirst = operation(
  "munmap-tables-first",
  ["start", "end"],
  {
    summary: "mutant: frees page tables before the flush",
    source: "shootdown.md 1.1 G4 and I4; notifiers.md 0.5 PT-UAF",
    settles: "range",
    needs: NEEDS_TABLES,
    mutant: true,
  },
  (kit, { start, end }) => unmapping(kit, start, end, unmapRegionTablesFirst),
);

export const brk = operation(
  "brk",
  ["start", "end"],
  {
    summary: "the heap shrinks: [start, end) is unmapped",
    source: "notifiers.md 2.4 row 1; shootdown.md 5.2 (6)",
    settles: "range",
    needs: NEEDS_TABLES,
  },
  (kit, { start, end }) => unmapping(kit, start, end),
);

export const mmapFixed = operation(
  "mmap.fixed",
  ["start", "end"],
  {
    summary: "MAP_FIXED makes room: as munmap, but only tables inside [start, end) are freed",
    source: "Linux vms_clear_ptes: the new mapping's own range bounds free_pgtables",
    settles: "range",
    needs: NEEDS_TABLES,
  },
  (kit, { start, end }) =>
    unmapping(kit, start, end, (inner, from, to) =>
      unmapRegion(inner, from, to, UNMAP_SITE, abi.UNHOOK_INSIDE),
    ),
);
