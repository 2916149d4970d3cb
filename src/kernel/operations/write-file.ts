/** write(2) to a file that is mapped: the kernel changes the page cache's page. */
import { again, op, repeat, unless, when } from "../../program/notation.js";
import { allocFrame } from "../deferral.js";
import { operation } from "../operation.js";

/**
 * The page is read in and mapped if it is not there: the machine has no page cache apart from
 * mappings. The mapping's own protection says what user mode may do, not what the kernel may.
 */
export const writeFile = operation(
  "write.file",
  ["vpn"],
  {
    summary: "the kernel writes the page of a file that is mapped at `vpn`, reading it in first",
    source: "Linux generic_perform_write",
    settles: "page",
  },
  (kit, { vpn }) =>
    kit.regs.scope(["prot", "next"], (prot, next) => [
      op("addi", { a: next, b: vpn, imm: 1 }),
      op("mmap.read.lock"),
      when(op("vma.find", { a: vpn, b: prot }), [
        allocFrame(kit, "page-cache page"),
        // A huge page may have been there, and dropped before it was locked.
        repeat([op("table.alloc", { a: vpn }), unless(op("ptl.lock", { a: vpn }), [again])]),
        kit.settleSwapped(vpn, next),
        when(
          op("pte.get", { a: vpn, imm: 1 }),
          [op("frame.drop", { note: "it is there" })],
          [op("pte.set.vma", { a: vpn, b: prot, note: "map page-cache page" })],
        ),
        kit.flushDeferred(vpn, next, "written"),
        op("pte.get", { a: vpn }),
        op("frame.write", { a: vpn, note: "the kernel writes" }),
        op("pte.forget"),
        op("ptl.unlock"),
      ]),
      op("mmap.read.unlock"),
    ]),
);
