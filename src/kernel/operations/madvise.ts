/** Row 2: madvise(MADV_DONTNEED), under mmapLock for reading, so several can run at once. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, NEEDS_TABLES, operation } from "../operation.js";
import { FREE_SITE, RECLAIM_SITE, ZAP_SITE } from "../sites.js";

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
    kit.gatherFlushKept(),
    op("gather.end"),
    op("mmap.read.unlock"),
  ],
);

/** The dirty pages of [start, end) are clean, and in the range of the open gather. */
export function cleanPages(kit: Kit, start: Reg, end: Reg): Program {
  return kit.range(FREE_SITE, "CLEAR", start, end, [
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

/** A gather that unmaps nothing, but whose range `widen` may set. */
function quietGather(kit: Kit, widen: Program): Program {
  return [
    op("mmap.read.lock"),
    op("gather.begin"),
    widen,
    op("gather.nested"),
    kit.gatherFlushQuietly(),
    op("gather.end"),
    op("mmap.read.unlock"),
  ];
}

export const madviseAge = operation(
  "madvise.age",
  ["start", "end"],
  {
    summary: "MADV_COLD: pages lose their accessed bit, `start` the first and `end - 1` the last",
    source: "Linux madvise_cold",
    settles: "none",
    needs: { data: "G0" },
  },
  (kit, { start, end }) => quietGather(kit, [op("gather.widen", { a: start, b: end })]),
);

export const madviseNothing = operation(
  "madvise.nothing",
  [],
  {
    summary: "advice that changes no entry: it flushes if another gather is open, like any other",
    source: "Linux madvise_cold, madvise_free_single_vma, madvise_pageout: their gather",
    settles: "none",
    needs: { data: "G0" },
  },
  (kit) => quietGather(kit, []),
);

export const reclaimPage = operation(
  "reclaim.page",
  ["vpn"],
  {
    summary: "page `vpn`, which nobody has used since MADV_FREE, is taken away and flushed alone",
    source: "Linux try_to_unmap_one where no other CPU has the mm: nothing is deferred",
    settles: "page",
    needs: NEEDS_DATA,
  },
  (kit, { vpn }) => [
    when(op("ptl.lock", { a: vpn }), [
      when(
        op("pte.get", { a: vpn }),
        [
          kit.regs.scope(["next"], (next) => [
            op("addi", { a: next, b: vpn, imm: 1 }),
            kit.clearFlush(RECLAIM_SITE, vpn, next),
          ]),
          op("ptl.unlock"),
          op("frame.put", { note: "free page" }),
        ],
        [op("pte.forget"), op("ptl.unlock")],
      ),
    ]),
  ],
);

/** A full flush of this mm, told to lazy CPUs as well if `info` says so. */
function flushAll(kit: Kit, info: number): Program {
  return kit.regs.scope(["zero", "all"], (zero, all) => [
    kit.set(zero, 0),
    kit.set(all, Infinity),
    kit.flush(zero, all, info),
  ]);
}

export const reclaimFlush = operation(
  "reclaim.flush",
  [],
  {
    summary: "one full flush for the pages that reclaim has taken away from this mm",
    source: "Linux try_to_unmap_flush, arch_tlbbatch_flush",
    settles: "none",
    needs: NEEDS_DATA,
  },
  (kit) => flushAll(kit, 0),
);

export const reclaimSettle = operation(
  "reclaim.settle",
  [],
  {
    summary: "reclaim's flush may still be pending for all this caller knows: one of its own",
    source:
      "Linux flush_tlb_batched_pending, which calls flush_tlb_mm: as if tables had been freed",
    settles: "none",
    needs: NEEDS_DATA,
  },
  (kit) => flushAll(kit, abi.INFO_FREED),
);
