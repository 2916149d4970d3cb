/** Page aging: accessed bits are cleared, and whoever uses a page afterwards sets its bit again. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { operation } from "../operation.js";

function clearBits(kit: Kit, start: Reg, end: Reg): Program {
  return kit.forEachTable(start, end, (from, to) => [
    when(op("ptl.lock", { a: from }), [
      kit.forEachEntry(from, to, (_vpn) => [
        op("access.forget", { note: "clear accessed bit" }),
        op("pte.forget"),
      ]),
      op("ptl.unlock"),
    ]),
  ]);
}

/**
 * Nobody else relies on accessed bits, so without access tracking nothing is flushed. With it the
 * flush comes after: what is cached while bits are cleared sets them again, or is flushed.
 */
export const age = operation(
  "age",
  ["start", "end"],
  {
    summary: "clears the accessed bits of [start, end)",
    source: "shootdown.md P9; Linux ptep_clear_flush_young, which does not flush on x86",
    settles: "none",
  },
  (kit, { start, end }) => {
    const { accessed } = kit.policy;
    const flush = () => kit.flush(start, end, abi.INFO_FULL);
    return [
      op("mmap.read.lock"),
      accessed === "flushed-before" ? flush() : [],
      clearBits(kit, start, end),
      accessed === "flushed" ? flush() : [],
      op("mmap.read.unlock"),
    ];
  },
);
