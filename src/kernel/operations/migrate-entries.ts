/**
 * Rows 21 to 24: entries that hold a page but are not present. While a page is migrated faults wait
 * for it; a page that a device has to itself, or in its own memory, is brought back by a fault.
 * mmapLock is held throughout, so what unmaps or forks waits until nothing is on its way.
 */
import * as abi from "../../core/abi.js";
import {
  again,
  op,
  type Program,
  type Reg,
  repeat,
  unless,
  when,
  whilst,
} from "../../program/notation.js";
import { allocFrame } from "../deferral.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { COLLECT_SITE, EXCLUSIVE_SITE, INSERT_SITE, TRY_MIGRATE_SITE } from "../sites.js";
import { exclusiveEntry, ifMovable, mark, OTHERS } from "./exclusive.js";
import { mapInstead, MIGRATING } from "./marked.js";

/** Each page of [start, end) with its VMA's protection, and nothing locked but mmapLock. */
function forEachMapped(
  kit: Kit,
  start: Reg,
  end: Reg,
  body: (vpn: Reg, next: Reg, prot: Reg) => Program,
): Program {
  return kit.forEachTable(start, end, (from, to) =>
    kit.regs.scope(["vpn", "next", "prot"], (vpn, next, prot) => [
      op("mov", { a: vpn, b: from }),
      whilst(op("pte.next", { a: vpn, b: to }), [
        op("pte.forget"),
        op("addi", { a: next, b: vpn, imm: 1 }),
        when(op("vma.find", { a: vpn, b: prot }), body(vpn, next, prot)),
        op("mov", { a: vpn, b: next }),
      ]),
    ]),
  );
}

/** Row 21: one bracket per page; the copy is made when nobody can reach the page. */
function migratePage(kit: Kit, vpn: Reg, next: Reg, prot: Reg): Program {
  return kit.regs.scope(["moves"], (moves) => [
    allocFrame(kit, "allocate new page"),
    kit.set(moves, 0),
    kit.range(TRY_MIGRATE_SITE, "CLEAR", vpn, next, [
      when(op("ptl.lock", { a: vpn }), [
        op("pte.get", { a: vpn }),
        ifMovable([
          op("pte.clear", { a: vpn, imm: 1, note: "clear PTE" }),
          kit.flushLocked(TRY_MIGRATE_SITE, vpn, next),
          mark(vpn, MIGRATING, "set migration entry"),
          kit.set(moves, 1),
        ]),
        op("pte.forget"),
        op("ptl.unlock"),
      ]),
    ]),
    when(op("bits", { a: moves, imm: 1 }), mapInstead(kit, vpn, prot, abi.PTE_MIGRATION), [
      op("frame.drop", { note: "not movable" }),
    ]),
  ]);
}

export const migratePages = operation(
  "migrate.pages",
  ["start", "end"],
  {
    summary: "moves the pages of [start, end) that this mm has alone, by migration entries",
    source: "notifiers.md 2.4 row 21; Linux try_to_migrate_one, remove_migration_pte",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    kit.splitEdges(start, end),
    forEachMapped(kit, start, end, (vpn, next, prot) => migratePage(kit, vpn, next, prot)),
    op("mmap.read.unlock"),
  ],
);

/** Row 22: under one bracket; each table is flushed before it is unlocked. */
function collect(kit: Kit, start: Reg, end: Reg): Program {
  return kit.range(
    COLLECT_SITE,
    "MIGRATE",
    start,
    end,
    kit.forEachTable(start, end, (from, to) =>
      kit.regs.scope(["any"], (any) => [
        kit.set(any, 0),
        when(op("ptl.lock", { a: from }), [
          kit.settleBatches(),
          kit.forEachEntry(from, to, (vpn) => [
            ifMovable([
              op("pte.clear", { a: vpn, imm: 1, note: "clear PTE" }),
              mark(vpn, MIGRATING, "set migration entry"),
              kit.set(any, 1),
            ]),
            op("pte.forget"),
          ]),
          when(op("bits", { a: any, imm: 1 }), kit.flush(from, to)),
          op("ptl.unlock"),
        ]),
      ]),
    ),
  );
}

/** Under the lock of `vpn`: what was collected is copied to a page of the device. */
function toDevice(kit: Kit, vpn: Reg): Program {
  const gone: Program = [op("frame.drop", { note: "it was not collected" }), op("pte.forget")];
  return [
    allocFrame(kit, "allocate device page"),
    when(
      op("ptl.lock", { a: vpn }),
      [
        op("pte.get", { a: vpn, imm: 1 }),
        when(
          op("pte.bits", { imm: abi.PTE_MIGRATION }),
          [
            op("frame.copy", { note: "copy to the device" }),
            op("pte.set", {
              a: vpn,
              imm: abi.PTE_PROTNONE | abi.PTE_DEVICE,
              note: "set device entry",
            }),
          ],
          gone,
        ),
        op("ptl.unlock"),
      ],
      gone,
    ),
    when(op("pte.bits", { imm: abi.PTE_MIGRATION }), [op("frame.put", { note: "free old page" })]),
  ];
}

export const migrateToDevice = operation(
  "migrate.to.device",
  ["start", "end"],
  {
    summary: "moves the pages of [start, end) that this mm has alone to a device's memory",
    source: "notifiers.md 2.4 row 22; Linux migrate_vma_collect since 60bae7370896",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    kit.splitEdges(start, end),
    collect(kit, start, end),
    forEachMapped(kit, start, end, (vpn) => toDevice(kit, vpn)),
    op("mmap.read.unlock"),
  ],
);

/** Row 23, of one page: the zero page, or nothing, was mapped there. */
function insertPage(kit: Kit, vpn: Reg, next: Reg): Program {
  const pages = op("pte.set", {
    a: vpn,
    imm: abi.PTE_PROTNONE | abi.PTE_DEVICE,
    note: "set device entry",
  });
  return kit.regs.scope(["pfn", "zero"], (pfn, zero) => [
    kit.set(zero, 0),
    when(
      op("pte.get", { a: vpn, imm: 1 }),
      [
        op("pte.frame", { a: pfn }),
        when(
          op("cmp.lt", { a: zero, b: pfn }),
          [op("frame.drop", { note: "a page is there" })],
          [
            when(
              op("pte.bits", { imm: OTHERS }),
              [op("frame.drop")],
              [kit.clearFlush(INSERT_SITE, vpn, next), pages],
            ),
          ],
        ),
      ],
      [pages],
    ),
    op("pte.forget"),
  ]);
}

export const deviceInsert = operation(
  "device.insert",
  ["start", "end"],
  {
    summary: "pages of a device's memory appear in [start, end) where no page is, or the zero page",
    source: "notifiers.md 2.4 row 23; Linux migrate_vma_insert_page",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) =>
    kit.regs.scope(["vpn", "next", "prot"], (vpn, next, prot) => [
      op("mmap.read.lock"),
      kit.range(INSERT_SITE, "MIGRATE", start, end, [
        op("mov", { a: vpn, b: start }),
        whilst(op("cmp.lt", { a: vpn, b: end }), [
          op("addi", { a: next, b: vpn, imm: 1 }),
          op("vma.find", { a: vpn, b: prot }),
          when(op("bits", { a: prot, imm: abi.VMA_SHARED | abi.VMA_FILE }), [kit.set(prot, 0)]),
          when(op("bits", { a: prot, imm: abi.PROT_READ | abi.PROT_WRITE }), [
            allocFrame(kit, "allocate device page"),
            // A huge page may have been there, and dropped before it was locked.
            repeat([op("table.alloc", { a: vpn }), unless(op("ptl.lock", { a: vpn }), [again])]),
            kit.settleSwappedPage(vpn),
            insertPage(kit, vpn, next),
            op("ptl.unlock"),
          ]),
          op("mov", { a: vpn, b: next }),
        ]),
      ]),
      op("mmap.read.unlock"),
    ]),
);

export const makeExclusive = operation(
  "make.exclusive",
  ["start", "end"],
  {
    summary: "a device gets the pages of [start, end) that this mm has alone to itself",
    source: "notifiers.md 2.4 row 24; Linux make_device_exclusive",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    kit.splitEdges(start, end),
    forEachMapped(kit, start, end, (vpn, next) =>
      kit.range(EXCLUSIVE_SITE, "EXCLUSIVE", vpn, next, exclusiveEntry(kit, vpn, next)),
    ),
    op("mmap.read.unlock"),
  ],
);

/** Operations of this file. */
export const MIGRATE_ENTRY_OPERATIONS = [
  migratePages,
  migrateToDevice,
  deviceInsert,
  makeExclusive,
] as const;
