/** Row 1: munmap, and brk when it shrinks. */
import { op, type Program, type Reg } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { operation } from "../operation.js";
import { UNMAP_SITE } from "../sites.js";

/** The unmapping itself; the caller holds mmapLock for writing and has cleared the VMA. */
export function unmapRegion(kit: Kit, start: Reg, end: Reg): Program {
  return kit.gather([
    kit.range(UNMAP_SITE, "UNMAP", start, end, kit.zap(start, end)),
    kit.unhookTables(start, end),
  ]);
}

function body(kit: Kit, start: Reg, end: Reg): Program {
  return [
    op("mmap.write.lock"),
    kit.splitEdges(start, end),
    op("vma.clear", { a: start, b: end }),
    unmapRegion(kit, start, end),
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
  },
  (kit, { start, end }) => body(kit, start, end),
);

export const brk = operation(
  "brk",
  ["start", "end"],
  {
    summary: "the heap shrinks: [start, end) is unmapped",
    source: "notifiers.md 2.4 row 1; shootdown.md 5.2 (6)",
    settles: "range",
  },
  (kit, { start, end }) => body(kit, start, end),
);
