/**
 * Row 20: reclaim of mapped pages. Entries are cleared under the page-table lock; the flush is done
 * for each page, or, where the policy batches, once for all of them, before the frames are written
 * out and freed.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, unless, when } from "../../program/notation.js";
import { closeDeferral, deferOrFlush } from "../deferral.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { RECLAIM_FILE_SITE, RECLAIM_SITE } from "../sites.js";

function flushOrDefer(kit: Kit, vpn: Reg, next: Reg): Program {
  const flush = kit.flush(vpn, next);
  if (kit.policy.batching === undefined) return flush;
  const defer = op("batch.add", { note: "defer the flush" });
  if (kit.issuesAtOnce) {
    return [defer, op("bcast.add", { a: vpn, b: next, note: "broadcast, wait later" })];
  }
  return [when(op("batch.should"), [defer], flush)];
}

/** The entry is in ctx.pte. A file's page is locked: in some eras it can wait for the bracket. */
function notifyUnmapped(kit: Kit, vpn: Reg, next: Reg): Program {
  const swapped = kit.notifyLocked(RECLAIM_SITE, vpn, next);
  const filed = kit.notifyLocked(RECLAIM_FILE_SITE, vpn, next);
  if (swapped.length === filed.length) return swapped;
  return [when(op("pte.bits", { imm: abi.PTE_FILE | abi.PTE_SHARED }), filed, swapped)];
}

/** The page is isolated first, so that a flush that is put off can park it. */
function parkOrFlush(kit: Kit, vpn: Reg, next: Reg): Program {
  return [
    op("gather.add", { a: vpn, note: "isolate page" }),
    kit.policy.swaps === "written" ? op("frame.collect", { note: "write it out (too early)" }) : [],
    kit.flush(vpn, next, abi.INFO_PARKS),
    kit.notifyLocked(RECLAIM_SITE, vpn, next),
  ];
}

function unmapEntry(kit: Kit, vpn: Reg): Program {
  if (kit.policy.swaps !== undefined) {
    return kit.regs.scope(["next"], (next) => [
      unless(op("gather.full"), [
        op("pte.clear", { a: vpn, note: "clear PTE" }),
        op("addi", { a: next, b: vpn, imm: 1 }),
        parkOrFlush(kit, vpn, next),
      ]),
    ]);
  }
  return kit.regs.scope(["next"], (next) => [
    unless(op("gather.full"), [
      op("pte.clear", { a: vpn, note: "clear PTE" }),
      op("addi", { a: next, b: vpn, imm: 1 }),
      deferOrFlush(kit, vpn, next, flushOrDefer(kit, vpn, next)),
      notifyUnmapped(kit, vpn, next),
      op("gather.add", { a: vpn, note: "isolate page" }),
    ]),
  ]);
}

/** Pages that do not fit into the batch stay mapped. */
function unmapPages(kit: Kit, start: Reg, end: Reg): Program {
  return kit.range(RECLAIM_SITE, "CLEAR", start, end, [
    kit.forEachTable(start, end, (from, to) => [
      when(op("ptl.lock", { a: from }), [
        kit.forEachEntry(from, to, (vpn) => unmapEntry(kit, vpn)),
        op("ptl.unlock"),
      ]),
    ]),
  ]);
}

function flushBatched(kit: Kit): Program {
  return kit.policy.batching === undefined ? [] : kit.flushBatch();
}

function writeOutAndFree(kit: Kit): Program {
  const writeOut = op("frame.collect", { note: "write pages out" });
  const flush = flushBatched(kit);
  return [
    kit.policy.batching === "unforced" ? [writeOut, flush] : [flush, writeOut],
    op("gather.free", { note: "free pages" }),
  ];
}

export const reclaim = operation(
  "reclaim",
  ["start", "end"],
  {
    summary: "reclaims the pages of [start, end) of the caller's mm: unmap, write out, free",
    source: "notifiers.md 2.4 row 20; shootdown.md 1.7",
    settles: "range",
    silent: true,
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [unmapPages(kit, start, end), closeDeferral(kit), writeOutAndFree(kit)],
);

/**
 * Memory runs short while pages are being unmapped, so the task reclaims inside of its own reclaim.
 * What it has deferred by then must stay deferred, or be flushed: not forgotten.
 */
export const reclaimNested = operation(
  "reclaim.nested",
  ["start", "inner", "end"],
  {
    summary: "reclaims [start, inner), and in the midst of that [inner, end)",
    source: "shootdown.md I22; Linux before 4.8: init_tlb_ubc",
    settles: "all",
    silent: true,
    needs: NEEDS_DATA,
  },
  (kit, { start, inner, end }) => [
    unmapPages(kit, start, inner),
    kit.policy.batching === "reset"
      ? op("batch.done", { note: "nothing is deferred (wrong)" })
      : [],
    unmapPages(kit, inner, end),
    closeDeferral(kit),
    flushBatched(kit),
    writeOutAndFree(kit),
  ],
);
