/**
 * Rows 13 and 14: khugepaged puts a huge page in the place of a page table of small ones. The old
 * entries and their table leave in one flush; the place stays empty until the copy is complete.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import { allocFrame } from "../deferral.js";
import type { Site } from "../era.js";
import type { Kit } from "../kit.js";
import { NEEDS_TABLES, operation } from "../operation.js";
import { COLLAPSE_FILE_SITE, COLLAPSE_SITE } from "../sites.js";
import { settlingSpan } from "./huge.js";

/**
 * With mmapLock for writing: `prot` is that of the one VMA that covers [vpn, next) and has a table
 * of small entries there, else 0.
 */
function protIfEligible(kit: Kit, vpn: Reg, next: Reg, prot: Reg): Program {
  return kit.regs.scope(["from", "to", "seen"], (from, to, seen) => [
    kit.set(prot, 0),
    op("mov", { a: from, b: vpn }),
    when(op("vma.next", { a: from, b: to, c: seen }), [
      when(op("cmp.eq", { a: from, b: vpn }), [
        when(op("cmp.lt", { a: to, b: next }), [], [op("mov", { a: prot, b: seen })]),
      ]),
    ]),
    when(
      op("ptl.lock", { a: vpn }),
      [
        op("pte.get", { a: vpn, imm: 1 }),
        when(op("pte.bits", { imm: abi.PTE_HUGE }), [kit.set(prot, 0)]),
        op("pte.forget"),
        op("ptl.unlock"),
      ],
      [kit.set(prot, 0)],
    ),
  ]);
}

/** Entries and table of [vpn, next) leave the tree; `done`: 1, if the table did. */
function isolate(kit: Kit, vpn: Reg, next: Reg, done: Reg): Program {
  return [
    kit.zap(vpn, next),
    kit.set(done, 0),
    when(
      op("table.unhook", {
        a: vpn,
        b: next,
        imm: abi.UNHOOK_LEAVES_INSIDE,
        note: "clear PMD: table is out",
      }),
      [kit.set(done, 1)],
    ),
    kit.flush(vpn, next, abi.INFO_FREED),
  ];
}

/** The body, in a gather: `bracketed` is how the isolation is told to secondary MMUs. */
function collapsing(
  kit: Kit,
  name: string,
  vpn: Reg,
  bracketed: (next: Reg, body: Program) => Program,
  mapped: (prot: Reg) => Program,
): Program {
  return settlingSpan(kit, name, vpn, (next) =>
    kit.regs.scope(["prot", "done"], (prot, done) => [
      op("mmap.write.lock"),
      protIfEligible(kit, vpn, next, prot),
      when(op("bits", { a: prot, imm: abi.PROT_READ | abi.PROT_WRITE }), [
        op("gather.begin"),
        bracketed(next, isolate(kit, vpn, next, done)),
        when(op("bits", { a: done, imm: 1 }), mapped(prot)),
        op("gather.free", { note: "free table and small pages" }),
        op("gather.end"),
      ]),
      op("mmap.write.unlock"),
    ]),
  );
}

function inBracket(kit: Kit, site: Site, vpn: Reg) {
  return (next: Reg, body: Program): Program => kit.range(site, "CLEAR", vpn, next, body);
}

/** What the pages held is not followed: the huge page is a fresh one. */
export const collapse = operation(
  "collapse",
  ["vpn"],
  {
    summary: "the small pages of the span that begins at `vpn` become one huge page",
    source: "notifiers.md 2.4 row 13; Linux collapse_huge_page",
    settles: "none",
    needs: NEEDS_TABLES,
  },
  (kit, { vpn }) =>
    collapsing(kit, "collapse", vpn, inBracket(kit, COLLAPSE_SITE, vpn), (prot) => [
      allocFrame(kit, "allocate huge page"),
      when(
        op("bits", { a: prot, imm: abi.PROT_WRITE }),
        [op("pte.huge", { a: vpn, imm: abi.PTE_W, note: "set huge entry" })],
        [op("pte.huge", { a: vpn, note: "set huge entry" })],
      ),
    ]),
);

export const collapseFile = operation(
  "collapse.file",
  ["vpn"],
  {
    summary: "the table of a file's small pages at `vpn` is freed: a fault maps the huge page",
    source: "notifiers.md 2.4 row 14; Linux collapse_and_free_pmd since 2022-12",
    settles: "none",
    needs: NEEDS_TABLES,
  },
  (kit, { vpn }) =>
    collapsing(kit, "collapse.file", vpn, inBracket(kit, COLLAPSE_FILE_SITE, vpn), () => []),
);

export const collapseFileUnbracketed = operation(
  "collapse.file-unbracketed",
  ["vpn"],
  {
    summary: "mutant: as collapse.file, but nobody opens a bracket",
    source: "notifiers.md S21; Linux collapse_and_free_pmd before 2022-12",
    settles: "none",
    needs: NEEDS_TABLES,
    mutant: true,
  },
  (kit, { vpn }) =>
    collapsing(
      kit,
      "collapse.file-unbracketed",
      vpn,
      (_next, body) => body,
      () => [],
    ),
);

/** Operations of this file. */
export const COLLAPSE_OPERATIONS = [collapse, collapseFile, collapseFileUnbracketed] as const;
