/** Kernel code that runs with interrupts off: it touches user memory (I2), or waits (I26). */
import { op } from "../../program/notation.js";
import { NEEDS_TABLES, operation } from "../operation.js";
import { unmapRegion } from "./unmap.js";

export const storeIrqsOff = operation(
  "store.irqs-off",
  ["vpn"],
  {
    summary: "the kernel stores to user page `vpn` with interrupts off; a fault is not served",
    source: "shootdown.md I2, the variant: such places exist, and iopl lets user code do it",
    settles: "none",
  },
  (_kit, { vpn }) => [
    op("irq.off"),
    op("cpu.access", { a: vpn, imm: 1, note: "store to user memory" }),
    op("cpu.access", { a: vpn, imm: 1, note: "and once more" }),
    op("irq.on"),
  ],
);

export const munmapIrqsOff = operation(
  "munmap-irqs-off",
  ["start", "end"],
  {
    summary: "mutant: as munmap, but with interrupts off",
    source: "shootdown.md I26: whoever waits for an acknowledgement must be able to give one",
    settles: "range",
    needs: NEEDS_TABLES,
    mutant: true,
  },
  (kit, { start, end }) => [
    op("irq.off", { note: "interrupts off (too early)" }),
    op("mmap.write.lock"),
    op("vma.clear", { a: start, b: end }),
    unmapRegion(kit, start, end),
    op("mmap.write.unlock"),
    op("irq.on"),
  ],
);
