/**
 * What a replay needs beside the kernel's own operations: state that was there before the recording
 * began, or that it does not show, is put in place without a flush. No kernel path runs these.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import { allocFrame } from "../deferral.js";
import type { Kit } from "../kit.js";
import { operation } from "../operation.js";

/** The entry of `vpn` from ctx.frame, unless there is one already. */
function install(vpn: Reg, prot: Reg, flags: number, drop: Program): Program {
  return [
    when(op("ptl.lock", { a: vpn }), [
      op("pte.get", { a: vpn }),
      when(
        op("pte.bits", { imm: abi.PTE_P | abi.PTE_PROTNONE }),
        [drop],
        [op("pte.set.vma", { a: vpn, b: prot, imm: flags, note: "set PTE" })],
      ),
      op("pte.forget"),
      op("ptl.unlock"),
    ]),
  ];
}

function inferred(name: string, summary: string, body: (kit: Kit, vpn: Reg, prot: Reg) => Program) {
  return operation(
    name,
    ["vpn", "prot"],
    { summary, source: "replay: a page that was present before its first event", settles: "none" },
    (kit, { vpn, prot }) => [op("table.alloc", { a: vpn }), body(kit, vpn, prot)],
  );
}

export const inferAnon = inferred(
  "infer.anon",
  "page `vpn` was there: private memory, with the rights in `prot`",
  (kit, vpn, prot) => [allocFrame(kit), install(vpn, prot, 0, [op("frame.drop")])],
);

export const inferZero = inferred(
  "infer.zero",
  "page `vpn` was there: the zero page",
  (_kit, vpn, prot) => [op("frame.zero"), install(vpn, prot, 0, [])],
);

export const inferFile = inferred(
  "infer.file",
  "page `vpn` was there: a page of a file, mapped privately",
  (kit, vpn, prot) => [allocFrame(kit), install(vpn, prot, abi.PTE_FILE, [op("frame.drop")])],
);

export const inferShare = operation(
  "infer.share",
  ["vpn", "mm"],
  {
    summary: "page `vpn` was there in mm `mm` (index + 1) too, since a fork nobody saw",
    source: "replay: of parent and child, the first to write copies",
    settles: "none",
  },
  (_kit, { vpn, mm }) => [op("pte.copy", { a: vpn, b: mm }), op("pte.forget")],
);

export const inferAbsent = operation(
  "infer.absent",
  ["start", "end"],
  {
    summary: "the pages of [start, end) were not there; secondary TLBs forget them too",
    source: "replay: a fault says `not present` where the machine has a page",
    settles: "none",
  },
  (kit, { start, end }) => [
    kit.forEachTable(start, end, (from, to) => [
      when(op("ptl.lock", { a: from }), [
        kit.forEachEntry(from, to, (vpn) => [
          op("pte.clear", { a: vpn, note: "clear PTE" }),
          kit.regs.scope(["next"], (next) => [
            op("addi", { a: next, b: vpn, imm: 1 }),
            kit.notifyAll(vpn, next),
          ]),
          op("frame.put", { note: "drop page" }),
        ]),
        op("ptl.unlock"),
      ]),
    ]),
  ],
);

export const inferTables = operation(
  "infer.tables",
  ["start", "end"],
  {
    summary: "the leaf tables that lie wholly inside [start, end), empty now, have moved elsewhere",
    source: "replay: Linux move_normal_pmd moves a whole table, not its entries",
    settles: "none",
    // Who flushed for them is the recording's business.
    needs: { tables: "G0" },
  },
  (kit, { start, end }) => [
    op("gather.begin"),
    kit.unhookTables(start, end, abi.UNHOOK_LEAVES_INSIDE),
    op("table.free"),
    op("gather.end"),
  ],
);

export const switchAway = operation(
  "switch.away",
  [],
  {
    summary: "the task of this CPU runs elsewhere by now; nobody saw it leave",
    source: "replay: a task cannot run on two CPUs",
    settles: "none",
    onCpu: true,
  },
  (kit) =>
    kit.regs.scope(["none"], (none) => [kit.set(none, Infinity), op("sw.task", { a: none })]),
);
