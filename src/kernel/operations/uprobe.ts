/** Row 17: a breakpoint is set: a copy of a page of code takes its place. */
import * as abi from "../../core/abi.js";
import { op, type Program, when } from "../../program/notation.js";
import { allocFrame } from "../deferral.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { UPROBE_SITE } from "../sites.js";

export const uprobe = operation(
  "uprobe",
  ["vpn"],
  {
    summary: "page `vpn`, which must be read-only, is replaced by a copy with a breakpoint in it",
    source: "notifiers.md 2.4 row 17; Linux __replace_page",
    settles: "page",
    needs: NEEDS_DATA,
  },
  (kit, { vpn }) =>
    kit.regs.scope(["next"], (next) => {
      const giveUp: Program = [op("frame.drop", { note: "it has changed" }), op("pte.forget")];
      return [
        op("addi", { a: next, b: vpn, imm: 1 }),
        op("mmap.write.lock"),
        op("pte.get", { a: vpn }),
        allocFrame(kit, "allocate copy"),
        op("frame.copy", { note: "copy code, set breakpoint" }),
        kit.range(UPROBE_SITE, "CLEAR", vpn, next, [
          when(
            op("ptl.lock", { a: vpn }),
            [
              when(
                op("pte.get", { a: vpn }),
                [
                  when(op("pte.bits", { imm: abi.PTE_W | abi.PTE_HUGE | abi.PTE_SHARED }), giveUp, [
                    kit.clearFlush(UPROBE_SITE, vpn, next),
                    op("pte.set", { a: vpn, imm: abi.PTE_EXEC, note: "map the copy" }),
                  ]),
                ],
                giveUp,
              ),
              op("ptl.unlock"),
            ],
            giveUp,
          ),
        ]),
        when(op("pte.bits", { imm: abi.PTE_P }), [op("frame.put", { note: "drop old page" })]),
        op("mmap.write.unlock"),
      ];
    }),
);
