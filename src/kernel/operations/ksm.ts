/**
 * Rows 15 and 16: same-page merging. A page is made read-only, so that it cannot change while it is
 * compared; then the page that was found instead is mapped, and the old one let go of. Whether two
 * pages are equal is the caller's word: the machine knows no contents.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { KSM_PROTECT_SITE, KSM_REPLACE_SITE } from "../sites.js";

/** Only pages of this mm's own count. */
const OTHERS = abi.PTE_HUGE | abi.PTE_SHARED | abi.PTE_FILE;

/** When the scanner lets the old page go: after the bracket, or, in a mutant, inside. */
type Release = "after" | "inside";

/** Row 15. */
function writeProtect(kit: Kit, vpn: Reg, next: Reg): Program {
  return kit.range(KSM_PROTECT_SITE, "CLEAR", vpn, next, [
    when(op("ptl.lock", { a: vpn }), [
      when(op("pte.get", { a: vpn }), [
        when(
          op("pte.bits", { imm: OTHERS }),
          [],
          [
            when(op("pte.clean", { a: vpn, imm: 1, note: "clean and write-protect PTE" }), [
              kit.flushLocked(KSM_PROTECT_SITE, vpn, next),
            ]),
          ],
        ),
      ]),
      op("pte.forget"),
      op("ptl.unlock"),
    ]),
  ]);
}

/** `found`: 1, and ctx.frame: the page at `kept` with a reference, if it is read-only by now. */
function takeKept(kit: Kit, kept: Reg, found: Reg): Program {
  return [
    kit.set(found, 0),
    when(op("ptl.lock", { a: kept }), [
      when(op("pte.get", { a: kept }), [
        when(
          op("pte.bits", { imm: abi.PTE_W | OTHERS }),
          [],
          [op("frame.get", { imm: 1, note: "hold the page that is kept" }), kit.set(found, 1)],
        ),
      ]),
      op("pte.forget"),
      op("ptl.unlock"),
    ]),
  ];
}

/** Row 16; ctx.frame is what is mapped. */
function replace(kit: Kit, vpn: Reg, next: Reg, release: Release): Program {
  const drop = op("frame.put", { note: "drop old page" });
  const giveUp: Program = [op("frame.drop", { note: "it has changed" }), op("pte.forget")];
  return [
    kit.range(KSM_REPLACE_SITE, "CLEAR", vpn, next, [
      when(
        op("ptl.lock", { a: vpn }),
        [
          when(
            op("pte.get", { a: vpn }),
            [
              when(op("pte.bits", { imm: abi.PTE_W | OTHERS }), giveUp, [
                kit.clearFlush(KSM_REPLACE_SITE, vpn, next),
                op("pte.set", { a: vpn, note: "map the shared page, read-only" }),
                release === "inside" ? drop : [],
              ]),
            ],
            giveUp,
          ),
          op("ptl.unlock"),
        ],
        giveUp,
      ),
    ]),
    release === "after" ? when(op("pte.bits", { imm: abi.PTE_P }), [drop]) : [],
  ];
}

export const ksmProtect = operation(
  "ksm.protect",
  ["vpn"],
  {
    summary: "page `vpn` becomes read-only, to be one that others are merged into",
    source: "notifiers.md 2.4 row 15; Linux try_to_merge_one_page without a page to merge into",
    settles: "page",
    needs: NEEDS_DATA,
  },
  (kit, { vpn }) =>
    kit.regs.scope(["next"], (next) => [
      op("addi", { a: next, b: vpn, imm: 1 }),
      op("mmap.read.lock"),
      writeProtect(kit, vpn, next),
      op("mmap.read.unlock"),
    ]),
);

function mergeWith(name: string, summary: string, source: string, release: Release) {
  return operation(
    name,
    ["vpn", "kept"],
    { summary, source, settles: "page", needs: NEEDS_DATA, mutant: release === "inside" },
    (kit, { vpn, kept }) =>
      kit.regs.scope(["next", "found"], (next, found) => [
        op("addi", { a: next, b: vpn, imm: 1 }),
        op("mmap.read.lock"),
        writeProtect(kit, vpn, next),
        takeKept(kit, kept, found),
        when(op("bits", { a: found, imm: 1 }), [
          op("pte.collect", { a: vpn, note: "compare contents" }),
          replace(kit, vpn, next, release),
        ]),
        op("mmap.read.unlock"),
      ]),
  );
}

export const ksmMerge = mergeWith(
  "ksm.merge",
  "page `vpn` is merged into the equal page at `kept`, which ksm.protect has made read-only",
  "notifiers.md 2.4 rows 15 and 16; Linux try_to_merge_one_page",
  "after",
);

/** Since 4.15 the page is notified when the bracket ends: by then it is somebody else's. */
export const ksmMergeEarly = mergeWith(
  "ksm.merge-early",
  "mutant: as ksm.merge, but the old page is let go of before its bracket ends",
  "notifiers.md S02c: scanner's reference dropped",
  "inside",
);

/** Operations of this file. */
export const KSM_OPERATIONS = [ksmProtect, ksmMerge, ksmMergeEarly] as const;
