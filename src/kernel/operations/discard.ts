/**
 * A system call that drops many pages and would like to flush once (shootdown.md I9, the general
 * form of EuroSys'20's argument). Between clearing an entry and flushing it, others must not map
 * anything else there: the page-table lock is kept until the flush, or mmapLock is, or what is
 * pending is marked and whoever maps a page looks for the mark. Each costs what batching saved.
 *
 * These open no gather, and do not look for others': they are not for ranges that something else
 * drops at the same time.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, unless, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation, operationId } from "../operation.js";
import { ZAP_SITE } from "../sites.js";

/** What keeps others from mapping a page before the flush; `nothing` is the mutant. */
type Guard = "ptl" | "mark" | "mmapLock" | "nothing";

/** Pages that do not fit into the batch stay mapped. */
function clearEntry(kit: Kit, vpn: Reg, guard: Guard): Program {
  return kit.regs.scope(["next"], (next) => [
    unless(op("gather.full"), [
      op("pte.clear", { a: vpn, note: "clear PTE" }),
      op("addi", { a: next, b: vpn, imm: 1 }),
      guard === "mark" ? op("batch.mark", { note: "mark: a flush is pending" }) : [],
      guard === "ptl" ? kit.flush(vpn, next) : [],
      op("gather.add", { a: vpn, note: "isolate page" }),
    ]),
  ]);
}

function discardWith(name: string, summary: string, guard: Guard) {
  const lock = guard === "mmapLock" ? "write" : "read";
  return operation(
    name,
    ["start", "end"],
    {
      summary,
      source: "shootdown.md I9",
      settles: "range",
      needs: NEEDS_DATA,
      mutant: guard === "nothing",
    },
    (kit, { start, end }) => [
      op(`mmap.${lock}.lock`),
      kit.range(ZAP_SITE, "CLEAR", start, end, [
        kit.forEachTable(start, end, (from, to) => [
          when(op("ptl.lock", { a: from }), [
            kit.forEachEntry(from, to, (vpn) => clearEntry(kit, vpn, guard)),
            op("ptl.unlock"),
          ]),
        ]),
        guard === "ptl" ? [] : kit.flush(start, end),
      ]),
      op("gather.free", { note: "free pages" }),
      op(`mmap.${lock}.unlock`),
    ],
  );
}

export const discard = discardWith(
  "discard",
  "drops the pages of [start, end), each flushed before its page-table lock is",
  "ptl",
);

export const discardHeld = discardWith(
  "discard.held",
  "as discard, flushed once, with mmapLock held for writing until then",
  "mmapLock",
);

export const discardMarked = discardWith(
  "discard.marked",
  "as discard, flushed once; until then a mark says so to those that look (fault.checked)",
  "mark",
);

export const discardLate = discardWith(
  "discard-late",
  "mutant: as discard, flushed once, when others may have mapped pages there",
  "nothing",
);

/**
 * A fault that promises something only if it has mapped a page: from its return on the address
 * means that page, on every CPU.
 */
function freshFault(name: string, summary: string, source: string, looks: boolean) {
  return operation(
    name,
    ["vpn"],
    { summary, source, settles: "none", ...(looks ? { needs: NEEDS_DATA } : {}) },
    (kit, { vpn }) =>
      kit.regs.scope(["prot", "fresh"], (prot, fresh) => [
        op("addi", { a: fresh, b: vpn, imm: 1 }),
        op("mark", { a: vpn, b: fresh, imm: operationId(name), note: `${name} begins` }),
        kit.set(fresh, 0),
        op("mmap.read.lock"),
        op("vma.find", { a: vpn, b: prot }),
        when(op("bits", { a: prot, imm: abi.PROT_WRITE }), [
          op("table.alloc", { a: vpn }),
          op("frame.alloc", { note: "allocate frame" }),
          when(op("ptl.lock", { a: vpn }), [
            looks ? kit.settlePending() : [],
            kit.settleSwappedPage(vpn),
            op("pte.get", { a: vpn }),
            when(
              op("pte.bits", { imm: abi.PTE_P | abi.PTE_PROTNONE }),
              [op("frame.drop", { note: "somebody was faster" })],
              [op("pte.set.vma", { a: vpn, b: prot, note: "set PTE" }), kit.set(fresh, 1)],
            ),
            op("pte.forget"),
            op("ptl.unlock"),
          ]),
        ]),
        op("mmap.read.unlock"),
        when(
          op("bits", { a: fresh, imm: 1 }),
          [op("unmark", { imm: 1, note: `${name} returns` })],
          [op("unmark", { note: `${name} returns` })],
        ),
      ]),
  );
}

export const faultFresh = freshFault(
  "fault.fresh",
  "a fault maps a fresh page at `vpn`, if none is mapped there",
  "Linux do_anonymous_page",
  false,
);

/** In Linux the lock of a page that is being reclaimed keeps a fault from mapping another one. */
export const faultChecked = freshFault(
  "fault.checked",
  "as fault.fresh, after it has flushed what is marked as pending",
  "shootdown.md I9: every observer checks; as flush_tlb_batched_pending",
  true,
);
