/**
 * Rows 10 to 12 and 27: huge pages. The machine has one size of them, one level above the last; a
 * row about PUDs stands on the same.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import { allocFrame } from "../deferral.js";
import type { Site } from "../era.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation, operationId } from "../operation.js";
import {
  HUGE_COW_SITE,
  HUGETLB_COW_SITE,
  SPLIT_ANON_SITE,
  SPLIT_FILE_SITE,
  SPLIT_PUD_SITE,
  SPLIT_ZERO_SITE,
} from "../sites.js";
import { ifHuge, splitLocked } from "./split.js";

/** `body` promises to settle the span of the huge page that begins at `vpn`; `next`: its end. */
export function settlingSpan(
  kit: Kit,
  name: string,
  vpn: Reg,
  body: (next: Reg) => Program,
): Program {
  return kit.regs.scope(["next"], (next) => [
    op("span.end", { a: next, b: vpn, imm: 1 }),
    op("mark", { a: vpn, b: next, imm: operationId(name), note: `${name} begins` }),
    body(next),
    op("unmark", { imm: 1, note: `${name} returns` }),
  ]);
}

/** The huge entry of `vpn`, its lock held, is flushed and out of the page table; ctx.pte: it. */
function clearHuge(kit: Kit, site: Site, vpn: Reg, next: Reg): Program {
  return [
    op("pte.clear", { a: vpn, note: "clear huge entry" }),
    kit.flushLocked(site, vpn, next, abi.INFO_HUGE),
  ];
}

/** A copy of the huge page takes its place; ctx.pte is the entry as it was. */
function copyHuge(kit: Kit, site: Site, vpn: Reg, next: Reg): Program {
  const gone: Program = [op("pte.forget")];
  return [
    allocFrame(kit, "allocate huge copy"),
    op("frame.copy", { note: "copy contents" }),
    op("pte.forget"),
    kit.range(site, "CLEAR", vpn, next, [
      ifHuge(vpn, [
        when(op("pte.bits", { imm: abi.PTE_W }), gone, [
          clearHuge(kit, site, vpn, next),
          op("pte.huge", { a: vpn, imm: abi.PTE_W, note: "set huge entry to the copy" }),
        ]),
      ]),
    ]),
    // If somebody was faster, the copy is still here, and nothing was taken out.
    when(
      op("pte.bits", { imm: abi.PTE_P }),
      [op("frame.put", { note: "drop old huge page" })],
      [op("frame.drop")],
    ),
  ];
}

function writeHuge(name: string, site: Site, source: string) {
  return operation(
    name,
    ["vpn"],
    {
      summary: "a write fault of the huge page that begins at `vpn`: reused, or copied",
      source,
      settles: "none",
      needs: NEEDS_DATA,
    },
    (kit, { vpn }) =>
      settlingSpan(kit, name, vpn, (next) =>
        kit.regs.scope(["prot", "copies"], (prot, copies) => [
          op("mmap.read.lock"),
          kit.set(copies, 0),
          op("vma.find", { a: vpn, b: prot }),
          when(op("bits", { a: prot, imm: abi.PROT_WRITE }), [
            ifHuge(vpn, [
              when(
                op("pte.bits", { imm: abi.PTE_W }),
                [],
                [
                  when(
                    op("frame.only"),
                    [op("pte.protect", { a: vpn, b: prot, note: "reuse: make writable" })],
                    [kit.set(copies, 1)],
                  ),
                ],
              ),
            ]),
            when(op("bits", { a: copies, imm: 1 }), copyHuge(kit, site, vpn, next)),
          ]),
          op("pte.forget"),
          op("mmap.read.unlock"),
        ]),
      ),
  );
}

export const writeHugePage = writeHuge(
  "fault.huge.write",
  HUGE_COW_SITE,
  "notifiers.md 2.4 row 10; Linux do_huge_pmd_wp_page before 5.8",
);

export const writeHugetlb = writeHuge(
  "fault.hugetlb.write",
  HUGETLB_COW_SITE,
  "notifiers.md 2.4 row 27; Linux hugetlb_wp",
);

export const faultHugeZero = operation(
  "fault.huge.zero",
  ["vpn"],
  {
    summary:
      "the huge zero page appears at `vpn`, the first page of its span, if no table is there",
    source: "Linux set_huge_zero_page",
    settles: "none",
  },
  (kit, { vpn }) => [
    // For writing: two that find no table must not both map something.
    op("mmap.write.lock"),
    kit.regs.scope(["prot"], (prot) => [
      when(op("vma.find", { a: vpn, b: prot }), [
        when(
          op("ptl.lock", { a: vpn }),
          [op("ptl.unlock")],
          [op("frame.zero"), op("pte.huge", { a: vpn, note: "map huge zero page" })],
        ),
      ]),
    ]),
    op("mmap.write.unlock"),
  ],
);

/** The huge page is dropped as a whole: faults map what is needed. */
function dropHuge(name: string, site: Site, source: string) {
  return operation(
    name,
    ["vpn"],
    {
      summary: "a file's huge page that begins at `vpn` is unmapped, to come back in small ones",
      source,
      settles: "none",
      needs: NEEDS_DATA,
    },
    (kit, { vpn }) =>
      settlingSpan(kit, name, vpn, (next) => [
        op("mmap.read.lock"),
        kit.range(site, "CLEAR", vpn, next, ifHuge(vpn, clearHuge(kit, site, vpn, next))),
        when(op("pte.bits", { imm: abi.PTE_P }), [op("frame.put", { note: "drop huge page" })]),
        op("mmap.read.unlock"),
      ]),
  );
}

export const splitHugeFile = dropHuge(
  "split.huge.file",
  SPLIT_FILE_SITE,
  "notifiers.md 2.4 row 11a; Linux __split_huge_pmd_locked",
);

export const splitHugePud = dropHuge(
  "split.huge.pud",
  SPLIT_PUD_SITE,
  "notifiers.md 2.4 row 12; Linux __split_huge_pud",
);

function splitInPlace(name: string, site: Site, summary: string, source: string) {
  return operation(
    name,
    ["vpn"],
    { summary, source, settles: "none", needs: NEEDS_DATA },
    (kit, { vpn }) =>
      settlingSpan(kit, name, vpn, (next) => [
        op("mmap.read.lock"),
        kit.range(site, "CLEAR", vpn, next, ifHuge(vpn, splitLocked(kit, site, vpn, next))),
        op("mmap.read.unlock"),
      ]),
  );
}

export const splitHugeZero = splitInPlace(
  "split.huge.zero",
  SPLIT_ZERO_SITE,
  "the huge zero page that begins at `vpn` becomes small zero pages",
  "notifiers.md 2.4 row 11b; Linux __split_huge_zero_page_pmd",
);

export const splitHugeAnon = splitInPlace(
  "split.huge.anon",
  SPLIT_ANON_SITE,
  "the anonymous huge page that begins at `vpn` becomes small ones of the same frames",
  "notifiers.md 2.4 row 11c; Linux __split_huge_pmd_locked",
);

/** Operations of this file. */
export const HUGE_OPERATIONS = [
  faultHugeZero,
  writeHugePage,
  writeHugetlb,
  splitHugeFile,
  splitHugeZero,
  splitHugeAnon,
  splitHugePud,
] as const;
