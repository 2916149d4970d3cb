/** mmap, and brk when it grows: a VMA, no page tables yet. */
import { op } from "../../program/notation.js";
import { operation } from "../operation.js";

export const mmap = operation(
  "mmap",
  ["start", "end", "prot"],
  {
    summary: "maps [start, end) with `prot` (PROT_* and VMA_* bits); pages come with faults",
    source: "Linux do_mmap; the range must not be mapped (MAP_FIXED: munmap it first)",
    settles: "range",
  },
  (kit, { start, end, prot }) => [
    op("mmap.write.lock"),
    kit.waitForParked(start, end),
    op("vma.set", { a: start, b: end, c: prot }),
    op("mmap.write.unlock"),
  ],
);
