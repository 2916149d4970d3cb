/** Row 2: madvise(MADV_DONTNEED), under mmapLock for reading, so several can run at once. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, NEEDS_TABLES, operation } from "../operation.js";
import { ZAP_SITE } from "../sites.js";

export const madvise = operation(
  "madvise",
  ["start", "end"],
  {
    summary: "MADV_DONTNEED: drops the pages of [start, end), the mapping stays",
    source: "notifiers.md 2.4 row 2",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    kit.splitEdges(start, end),
    kit.gather(dropPages(kit, start, end)),
    op("mmap.read.unlock"),
  ],
);

/** The pages of [start, end) go into the open gather. */
export function dropPages(kit: Kit, start: Reg, end: Reg): Program {
  return kit.range(ZAP_SITE, "CLEAR", start, end, kit.zap(start, end));
}

export const madviseReclaim = operation(
  "madvise.reclaim",
  ["start", "end"],
  {
    summary: "as madvise; the page tables that lie wholly inside [start, end) are freed too",
    source: "Linux CONFIG_PT_RECLAIM, 6.14 and newer",
    settles: "range",
    needs: NEEDS_TABLES,
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    kit.splitEdges(start, end),
    kit.gather([
      kit.range(ZAP_SITE, "CLEAR", start, end, kit.zap(start, end)),
      kit.unhookTables(start, end, abi.UNHOOK_LEAVES_INSIDE),
    ]),
    op("mmap.read.unlock"),
  ],
);

export const madviseFree = operation(
  "madvise.free",
  ["start", "end"],
  {
    summary: "MADV_FREE: private pages of [start, end) are marked clean, and stay",
    source: "Linux madvise_free_single_vma",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    op("gather.begin"),
    cleanPages(kit, start, end),
    op("gather.nested"),
    kit.gatherFlushQuietly(),
    op("gather.end"),
    op("mmap.read.unlock"),
  ],
);

/** The dirty pages of [start, end) are clean, and in the range of the open gather. */
export function cleanPages(kit: Kit, start: Reg, end: Reg): Program {
  return kit.range(ZAP_SITE, "CLEAR", start, end, [
    kit.forEachTable(start, end, (from, to) => [
      when(op("ptl.lock", { a: from }), [
        kit.forEachEntry(from, to, (vpn) => [freePage(kit, vpn)]),
        op("ptl.unlock"),
      ]),
    ]),
  ]);
}

/** Only pages of this mm's own count: not the zero page, a file's, a shared mapping's. */
function freePage(kit: Kit, vpn: Reg): Program {
  return kit.regs.scope(["pfn", "zero"], (pfn, zero) => [
    kit.set(zero, 0),
    op("pte.frame", { a: pfn }),
    when(
      op("pte.bits", { imm: abi.PTE_FILE | abi.PTE_SHARED | abi.PTE_PROTNONE }),
      [],
      [
        when(
          op("cmp.lt", { a: zero, b: pfn }),
          [
            when(op("pte.clean", { a: vpn, note: "clean PTE" }), [
              op("addi", { a: pfn, b: vpn, imm: 1 }),
              op("gather.widen", { a: vpn, b: pfn }),
            ]),
          ],
          [],
        ),
      ],
    ),
    op("pte.forget"),
  ]);
}
