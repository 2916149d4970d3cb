/**
 * Row 31: a page moves to another node under its page-table lock: unmap, flush, copy, map the copy.
 * Linux puts a migration entry there and drops the lock; whoever faults then waits for the entry as
 * here for the lock. The copy comes after the flush: a store through an old entry would be lost.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when, whilst } from "../../program/notation.js";
import { allocFrame, closeDeferral, deferOrFlush } from "../deferral.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { MIGRATE_SITE } from "../sites.js";

/** Where the copy stands: behind the flush, or, in a mutant, before it. */
type CopyPlace = "flushed" | "mapped";

/** A copy that stays read-only is like the page: then the flush may be put off. */
function flushOrDefer(kit: Kit, vpn: Reg, next: Reg, prot: Reg): Program {
  if (kit.policy.defers === undefined) return kit.clearFlush(MIGRATE_SITE, vpn, next);
  const flush = kit.flush(vpn, next);
  return [
    op("pte.clear", { a: vpn, note: "clear PTE" }),
    when(op("bits", { a: prot, imm: abi.PROT_WRITE }), flush, [
      deferOrFlush(kit, vpn, next, flush),
      closeDeferral(kit),
    ]),
    kit.era.lockedNotifies(MIGRATE_SITE) ? kit.notifySecondary(vpn, next) : [],
  ];
}

/** The entry is present and the page table locked; ctx.frame is the new page. */
function moveLocked(kit: Kit, vpn: Reg, next: Reg, prot: Reg, place: CopyPlace): Program {
  const copy = op("frame.copy", { note: "copy to the other node" });
  return [
    place === "mapped" ? copy : [],
    flushOrDefer(kit, vpn, next, prot),
    place === "flushed" ? copy : [],
    op("pte.set.vma", { a: vpn, b: prot, note: "map the copy" }),
  ];
}

function migratePage(kit: Kit, vpn: Reg, next: Reg, prot: Reg, place: CopyPlace): Program {
  const giveUp: Program = [op("frame.drop", { note: "not movable" }), op("pte.forget")];
  return [
    allocFrame(kit, "allocate on the other node"),
    kit.range(MIGRATE_SITE, "CLEAR", vpn, next, [
      when(
        op("ptl.lock", { a: vpn }),
        [
          when(
            op("pte.get", { a: vpn }),
            [
              // Shared pages have more places than this one, and a huge page is one frame.
              when(op("pte.bits", { imm: abi.PTE_HUGE }), giveUp, [
                when(op("frame.only"), moveLocked(kit, vpn, next, prot, place), giveUp),
              ]),
            ],
            giveUp,
          ),
          op("ptl.unlock"),
        ],
        giveUp,
      ),
    ]),
    when(op("pte.bits", { imm: abi.PTE_P }), [op("frame.put", { note: "free the old page" })]),
  ];
}

function migrateWith(name: string, summary: string, source: string, place: CopyPlace) {
  return operation(
    name,
    ["start", "end"],
    { summary, source, settles: "range", needs: NEEDS_DATA, mutant: place === "mapped" },
    (kit, { start, end }) => [
      op("mmap.read.lock"),
      kit.splitEdges(start, end),
      kit.forEachTable(start, end, (from, to) =>
        kit.regs.scope(["vpn", "next", "prot"], (vpn, next, prot) => [
          op("mov", { a: vpn, b: from }),
          whilst(op("pte.next", { a: vpn, b: to }), [
            op("pte.forget"),
            op("addi", { a: next, b: vpn, imm: 1 }),
            when(op("vma.find", { a: vpn, b: prot }), migratePage(kit, vpn, next, prot, place)),
            op("mov", { a: vpn, b: next }),
          ]),
        ]),
      ),
      op("mmap.read.unlock"),
    ],
  );
}

export const migrate = migrateWith(
  "migrate",
  "moves the pages of [start, end) that this mm has alone to other frames, one by one",
  "notifiers.md 2.4 row 31; Linux migrate_misplaced_folio",
  "flushed",
);

/** A store between copy and flush goes to the old page and is lost. */
export const migrateCopyFirst = migrateWith(
  "migrate-copy-first",
  "mutant: copies before the old entry is cleared and flushed",
  "shootdown.md I5: data collected before the flush",
  "mapped",
);
