/**
 * What a recording says happened without saying how: pages that must have been there, or are gone.
 * None of these flushes or notifies: the kernel's own deed lies outside the recording.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, unless, when, whilst } from "../../program/notation.js";
import { operation } from "../operation.js";

const POPULATED = abi.PTE_P | abi.PTE_PROTNONE;
const SOURCE = "shootdown.md 5.2 (8): recordings show no residency, it is inferred";

/** Maps page-cache or zero page at `vpn`, read-only, unless something is there. */
function mapCached(vpn: Reg): Program {
  return [
    op("table.alloc", { a: vpn }),
    op("ptl.lock", { a: vpn }),
    op("pte.get", { a: vpn }),
    unless(op("pte.bits", { imm: POPULATED }), [op("frame.zero"), op("pte.set", { a: vpn })]),
    op("ptl.unlock"),
  ];
}

export const inferPresent = operation(
  "infer.present",
  ["vpn", "cached"],
  {
    summary: "page `vpn` was there before, read-only; `cached`: as part of the page cache",
    source: SOURCE,
    settles: "none",
  },
  (kit, { vpn, cached }) =>
    kit.regs.scope(["none"], (none) => [
      kit.set(none, 0),
      when(
        op("cmp.eq", { a: cached, b: none }),
        [
          op("table.alloc", { a: vpn }),
          op("frame.alloc"),
          op("ptl.lock", { a: vpn }),
          op("pte.get", { a: vpn }),
          when(op("pte.bits", { imm: POPULATED }), [op("frame.drop")], [op("pte.set", { a: vpn })]),
          op("ptl.unlock"),
        ],
        mapCached(vpn),
      ),
    ]),
);

export const inferShare = operation(
  "infer.share",
  ["vpn", "mm"],
  {
    summary: "page `vpn` is shared, read-only, with mm `mm` (index + 1) since an earlier fork",
    source: SOURCE,
    settles: "none",
  },
  (_kit, { vpn, mm }) => [
    when(op("ptl.lock", { a: vpn }), [op("pte.copy", { a: vpn, b: mm }), op("ptl.unlock")]),
  ],
);

export const inferAbsent = operation(
  "infer.absent",
  ["vpn"],
  { summary: "page `vpn` is gone, nobody saw how", source: SOURCE, settles: "none" },
  (_kit, { vpn }) => [
    when(op("ptl.lock", { a: vpn }), [
      op("pte.get", { a: vpn }),
      when(op("pte.bits", { imm: POPULATED }), [op("pte.clear", { a: vpn }), op("frame.put")]),
      op("ptl.unlock"),
    ]),
  ],
);

export const mapAround = operation(
  "map.around",
  ["start", "end"],
  {
    summary: "fault-around: page-cache pages of [start, end) are mapped read-only",
    source: "Linux do_fault_around",
    settles: "none",
  },
  (kit, { start, end }) =>
    kit.regs.scope(["vpn"], (vpn) => [
      op("mov", { a: vpn, b: start }),
      whilst(op("cmp.lt", { a: vpn, b: end }), [
        mapCached(vpn),
        op("addi", { a: vpn, b: vpn, imm: 1 }),
      ]),
    ]),
);

export const madviseFree = operation(
  "madvise.free",
  ["start", "end"],
  {
    summary: "MADV_FREE: the pages of [start, end) become clean, and are flushed",
    source: "notifiers.md 2.4 row 3",
    settles: "range",
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    op("gather.begin"),
    kit.forEachTable(start, end, (from, to) => [
      when(op("ptl.lock", { a: from }), [
        kit.forEachEntry(from, to, (vpn) =>
          kit.regs.scope(["next"], (next) => [
            op("addi", { a: next, b: vpn, imm: 1 }),
            op("gather.widen", { a: vpn, b: next }),
          ]),
        ),
        op("ptl.unlock"),
      ]),
    ]),
    op("gather.nested"),
    kit.gatherFlushQuietly(),
    op("gather.end"),
    op("mmap.read.unlock"),
  ],
);
