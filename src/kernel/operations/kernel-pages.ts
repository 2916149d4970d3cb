/**
 * Pages of the kernel's own (vmalloc): the tables of an mm of their own map them, at addresses that
 * no process uses. Every CPU may have them cached, whatever it runs.
 */
import { op, unless, when } from "../../program/notation.js";
import { NEEDS_DATA, operation } from "../operation.js";

const SOURCE = "shootdown.md 1.2 invalidateOther; Linux flush_tlb_kernel_range";

export const kernelRead = operation(
  "kernel.read",
  ["vpn", "mm"],
  {
    summary: "the kernel reads its page `vpn`, which mm `mm` (index + 1) maps, if it is there",
    source: SOURCE,
    settles: "none",
  },
  (_kit, { vpn, mm }) => [
    unless(op("kernel.access", { a: vpn, b: mm, note: "kernel reads its page" }), [op("nop")]),
  ],
);

export const kernelUnmap = operation(
  "kernel.unmap",
  ["start", "end"],
  {
    summary: "the kernel frees its pages [start, end), which this thread's mm maps",
    source: SOURCE,
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("mmap.write.lock"),
    op("vma.clear", { a: start, b: end }),
    op("gather.begin"),
    kit.forEachTable(start, end, (from, to) => [
      when(op("ptl.lock", { a: from }), [
        kit.forEachEntry(from, to, (vpn) => [
          op("pte.clear", { a: vpn, note: "clear PTE" }),
          op("gather.add", { a: vpn, note: "gather page" }),
          when(op("gather.full"), [
            op("ptl.unlock"),
            kit.flushKernel(start, end),
            op("gather.free", { note: "batch full: free it" }),
            op("ptl.lock", { a: from }),
          ]),
        ]),
        op("ptl.unlock"),
      ]),
    ]),
    kit.flushKernel(start, end),
    op("gather.free", { note: "free pages" }),
    op("gather.end"),
    op("mmap.write.unlock"),
  ],
);
