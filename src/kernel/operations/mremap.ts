/**
 * Row 7: mremap moves a mapping. Per extent both page-table locks are held while the entries move
 * and the old addresses are flushed: the moved frame is guarded by the destination lock from then
 * on (CVE-2018-18281).
 */
import { op, type Program, type Reg, unless, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, NEEDS_TABLES, operation } from "../operation.js";
import { MOVE_SITE } from "../sites.js";

/** Where the CPU flush stands: before the locks drop, or, in a mutant, after. */
type FlushPlace = "locked" | "unlocked";

/** `to` = min(`to`, the source address whose destination starts the next table). */
function clipToDestination(from: Reg, to: Reg, dest: Reg, temp: Reg): Program {
  return [
    op("span.end", { a: temp, b: dest, imm: 1 }),
    op("sub", { a: temp, b: temp, c: dest }),
    op("add", { a: temp, b: from, c: temp }),
    when(op("cmp.lt", { a: temp, b: to }), [op("mov", { a: to, b: temp })]),
  ];
}

function moveEntries(kit: Kit, start: Reg, target: Reg, from: Reg, to: Reg, dest: Reg): Program {
  return kit.forEachEntry(from, to, (vpn) => [
    op("pte.clear", { a: vpn, imm: 1, note: "clear old PTE" }),
    op("sub", { a: dest, b: vpn, c: start }),
    op("add", { a: dest, b: dest, c: target }),
    op("pte.put", { a: dest, note: "set new PTE" }),
  ]);
}

/** Everything under the bracket. */
function moveTables(kit: Kit, start: Reg, end: Reg, target: Reg, place: FlushPlace): Program {
  return kit.forEachTable(start, end, (from, to) =>
    kit.regs.scope(["dest"], (dest) => [
      op("sub", { a: dest, b: from, c: start }),
      op("add", { a: dest, b: dest, c: target }),
      kit.regs.scope(["temp"], (temp) => clipToDestination(from, to, dest, temp)),
      op("table.alloc", { a: dest }),
      op("ptl.lock", { a: from, note: "lock old page table" }),
      op("ptl.lock", { a: dest, slot: 1, note: "lock new page table" }),
      kit.settleBatches(),
      kit.settleSwapped(from, to),
      kit.flushDeferred(from, to, "unmapped"),
      op("mov", { a: dest, b: from }),
      when(
        op("pte.next", { a: dest, b: to }),
        [
          moveEntries(kit, start, target, from, to, dest),
          place === "locked" ? kit.flush(from, to) : [],
          op("ptl.unlock", { slot: 1, note: "unlock new page table" }),
          op("ptl.unlock", { note: "unlock old page table" }),
          place === "unlocked" ? kit.flush(from, to) : [],
        ],
        [op("ptl.unlock", { slot: 1 }), op("ptl.unlock")],
      ),
    ]),
  );
}

interface Variant {
  readonly name: string;
  readonly summary: string;
  readonly source: string;
  readonly place: FlushPlace;
  /** MREMAP_DONTUNMAP: the old mapping stays, empty, and with it its page tables. */
  readonly keeps?: boolean;
}

function mremapWith({ name, summary, source, place, keeps }: Variant) {
  return operation(
    name,
    ["start", "end", "target"],
    {
      summary,
      source,
      settles: "range",
      needs: keeps === true ? NEEDS_DATA : NEEDS_TABLES,
      mutant: place === "unlocked",
    },
    (kit, { start, end, target }) => [
      op("mmap.write.lock"),
      kit.splitEdges(start, end),
      kit.regs.scope(["last", "prot"], (last, prot) => [
        unless(op("vma.find", { a: start, b: prot }), [kit.set(prot, 3)]),
        op("sub", { a: last, b: end, c: start }),
        op("add", { a: last, b: last, c: target }),
        kit.waitForParked(target, last),
        op("vma.set", { a: target, b: last, c: prot }),
      ]),
      kit.range(MOVE_SITE, "UNMAP", start, end, moveTables(kit, start, end, target, place)),
      keeps === true
        ? []
        : [op("vma.clear", { a: start, b: end }), kit.gather([kit.unhookTables(start, end)])],
      op("mmap.write.unlock"),
    ],
  );
}

export const mremap = mremapWith({
  name: "mremap",
  summary: "moves [start, end) to `target`; both places must not overlap",
  source: "notifiers.md 2.4 row 7; Linux since eb66ae030829",
  place: "locked",
});

export const mremapKeep = mremapWith({
  name: "mremap.keep",
  summary: "as mremap, but the old mapping stays, without its pages",
  source: "Linux MREMAP_DONTUNMAP, 5.7 and newer",
  place: "locked",
  keeps: true,
});

/** The order before eb66ae030829. */
export const mremapLateFlush = mremapWith({
  name: "mremap-late-flush",
  summary: "mutant: flushes the old place after both page-table locks dropped",
  source: "notifiers.md S05c; CVE-2018-18281",
  place: "unlocked",
});
