/**
 * Rows 6, 19, 25, 30, 32 and 34: rights and bits change, frames stay. Who relies on a downgrade
 * does so after the flush: the next fault, the write-back, the caller in user mode.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { DAX_SITE, DIRTY_HELPER_SITE, NUMA_SITE, SOFT_DIRTY_SITE } from "../sites.js";
import { protectSpans } from "./mprotect.js";

export const numaProtect = operation(
  "numa.protect",
  ["start", "end"],
  {
    summary: "pages of [start, end) lose all rights until a fault shows who uses them",
    source: "notifiers.md 2.4 row 6; Linux change_prot_numa",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    kit.splitEdges(start, end),
    op("gather.begin", { note: "flush pending" }),
    kit.regs.scope(["none", "first"], (none, first) => [
      kit.set(none, 0),
      op("mov", { a: first, b: start }),
      protectSpans(kit, NUMA_SITE, first, end, none),
    ]),
    op("gather.nested"),
    kit.gatherFlushQuietly(),
    op("gather.end"),
    op("mmap.read.unlock"),
  ],
);

/** Each entry of [start, end) is clean and read-only; those that were not join the open gather. */
function cleanInto(kit: Kit, start: Reg, end: Reg): Program {
  return kit.forEachTable(start, end, (from, to) => [
    when(op("ptl.lock", { a: from }), [
      kit.settleBatches(),
      kit.forEachKeptEntry(from, to, (vpn, next) => [
        when(op("pte.clean", { a: vpn, imm: 1, note: "clean and write-protect PTE" }), [
          op("gather.widen", { a: vpn, b: next }),
        ]),
        op("pte.forget"),
      ]),
      op("ptl.unlock"),
    ]),
  ]);
}

export const clearRefs = operation(
  "clear.refs",
  [],
  {
    summary: "soft-dirty bits of the mm are cleared: every page is read-only until it is written",
    source: "notifiers.md 2.4 row 25; Linux clear_refs_write",
    settles: "all",
    needs: NEEDS_DATA,
  },
  (kit) =>
    kit.regs.scope(["zero", "all"], (zero, all) => [
      op("mmap.write.lock"),
      op("gather.begin", { note: "flush pending" }),
      kit.set(zero, 0),
      kit.set(all, Infinity),
      kit.range(SOFT_DIRTY_SITE, "SOFT_DIRTY", zero, all, cleanInto(kit, zero, all)),
      kit.flush(zero, all),
      op("gather.end"),
      op("mmap.write.unlock"),
    ]),
);

export const wpShared = operation(
  "wp.shared",
  ["start", "end"],
  {
    summary: "dirty tracking: pages of [start, end) are clean and read-only",
    source: "notifiers.md 2.4 row 30; Linux wp_shared_mapping_range",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("gather.begin", { note: "flush pending" }),
    kit.range(DIRTY_HELPER_SITE, "PROTECTION_PAGE", start, end, [
      cleanInto(kit, start, end),
      op("gather.nested"),
      kit.gatherFlushQuietly(),
    ]),
    op("gather.end"),
  ],
);

/** One bracket per page: it is opened where the entry is looked up. */
function cleanMapped(kit: Kit, vpn: Reg, next: Reg): Program {
  return kit.range(DAX_SITE, "CLEAR", vpn, next, [
    when(op("ptl.lock", { a: vpn }), [
      when(op("pte.get", { a: vpn }), [
        when(op("pte.clean", { a: vpn, imm: 1, note: "clean and write-protect PTE" }), [
          kit.flushLocked(DAX_SITE, vpn, next),
        ]),
      ]),
      op("pte.forget"),
      op("ptl.unlock"),
    ]),
  ]);
}

export const daxWriteback = operation(
  "dax.writeback",
  ["start", "end"],
  {
    summary: "writes a file's own memory in [start, end) out of the caches; pages are read-only",
    source: "notifiers.md 2.4 row 19; Linux dax_mapping_entry_mkclean",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    kit.forEachTable(start, end, (from, to) =>
      kit.forEachKeptEntry(from, to, (vpn, next) => [
        op("pte.forget"),
        cleanMapped(kit, vpn, next),
        op("pte.collect", { a: vpn, note: "write page out" }),
      ]),
    ),
  ],
);

/** x86 needs no flush: a TLB that has less than the entry allows walks again. */
export function upgradeFlushed(kit: Kit, vpn: Reg): Program {
  return kit.regs.scope(["prot", "next"], (prot, next) => [
    op("addi", { a: next, b: vpn, imm: 1 }),
    op("mmap.read.lock"),
    op("vma.find", { a: vpn, b: prot }),
    when(op("bits", { a: prot, imm: abi.PROT_WRITE }), [
      when(op("ptl.lock", { a: vpn }), [
        when(op("pte.get", { a: vpn }), [
          when(op("pte.bits", { imm: abi.PTE_SHARED }), upgrade(kit, vpn, next, prot), [
            when(op("frame.only"), upgrade(kit, vpn, next, prot)),
          ]),
        ]),
        op("pte.forget"),
        op("ptl.unlock"),
      ]),
    ]),
    op("mmap.read.unlock"),
  ]);
}

export const faultUpgrade = operation(
  "fault.upgrade",
  ["vpn"],
  {
    summary: "page `vpn` becomes writable where it is, flushed as arm64 does",
    source: "notifiers.md 2.4 row 32; Linux ptep_set_access_flags",
    settles: "none",
    // Whoever still has the old right faults once more.
    needs: { data: "G0" },
  },
  (kit, { vpn }) => upgradeFlushed(kit, vpn),
);

function upgrade(kit: Kit, vpn: Reg, next: Reg, prot: Reg): Program {
  return [
    kit.flushDeferred(vpn, next, "writable"),
    op("pte.protect", { a: vpn, b: prot, note: "make writable" }),
    kit.flush(vpn, next),
  ];
}

/**
 * The callback of IOMMUv2 for young entries flushes its TLB, which is what the secondary hook of a
 * sharing consumer does; a mirroring one only ages what it has.
 */
export const ageYoung = operation(
  "age.young",
  ["start", "end"],
  {
    summary: "clears the accessed bits of [start, end) and asks secondary MMUs, page by page",
    source: "notifiers.md 2.4 row 34; Linux ptep_clear_flush_young_notify",
    settles: "none",
  },
  (kit, { start, end }) => [
    kit.forEachTable(start, end, (from, to) => [
      when(op("ptl.lock", { a: from }), [
        kit.forEachKeptEntry(from, to, (vpn, next) => [
          op("access.forget", { note: "clear accessed bit" }),
          op("pte.forget"),
          kit.notifySecondary(vpn, next),
        ]),
        op("ptl.unlock"),
      ]),
    ]),
  ],
);

/** Operations of this file. */
export const DOWNGRADE_OPERATIONS = [
  numaProtect,
  clearRefs,
  wpShared,
  daxWriteback,
  faultUpgrade,
  ageYoung,
] as const;
