/** Row 2 through the reverse map: a file page is truncated wherever it is mapped by then. */
import { again, op, repeat, when } from "../../program/notation.js";
import { NEEDS_DATA, operation, operationId } from "../operation.js";
import { ZAP_SITE } from "../sites.js";

export const truncate = operation(
  "truncate",
  ["frame"],
  {
    summary: "unmaps and frees frame `frame` (pfn) at the address its reverse map names",
    source: "notifiers.md S05, step 4",
    settles: "none",
    needs: NEEDS_DATA,
  },
  (kit, { frame }) =>
    kit.regs.scope(["vpn", "next", "pfn"], (vpn, next, pfn) => [
      repeat([
        when(op("rmap.find", { a: vpn, b: frame, note: "where is it mapped?" }), [
          op("addi", { a: next, b: vpn, imm: 1 }),
          op("mark", { a: vpn, b: next, imm: operationId("truncate"), note: "truncate begins" }),
          kit.gather([
            kit.range(ZAP_SITE, "CLEAR", vpn, next, [
              when(op("ptl.lock", { a: vpn, note: "lock page table" }), [
                op("pte.get", { a: vpn }),
                op("pte.frame", { a: pfn }),
                when(op("cmp.eq", { a: pfn, b: frame }), [
                  op("pte.clear", { a: vpn, note: "clear PTE" }),
                  op("gather.add", { a: vpn }),
                ]),
                op("ptl.unlock"),
              ]),
            ]),
          ]),
          op("unmark", { imm: 1, note: "truncate returns" }),
          // It had moved before its page table was locked: look again.
          when(op("rmap.find", { a: vpn, b: frame }), [again]),
        ]),
      ]),
    ]),
);
