/** CPUs that go offline, and initiators that forget what they wait for. */
import { op, type Program } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { ZAP_SITE } from "../sites.js";

/** Interrupts off: from here on nobody is queued any more, then what was queued is done. */
const goOffline = (drain: Program): Program => [
  op("irq.off"),
  op("cpu.offline", { note: "CPU leaves its mm and goes offline" }),
  drain,
  op("irq.on"),
];

export const cpuOffline = operation(
  "cpu-offline",
  [],
  {
    summary: "the CPU goes offline; what is in its call queue is still carried out",
    source: "shootdown.md 1.4 and I27; Linux smpcfd_dying_cpu",
    settles: "none",
  },
  (kit) => goOffline(kit.policy.handler),
);

export const cpuOfflineUndrained = operation(
  "cpu-offline-undrained",
  [],
  {
    summary: "mutant: the CPU goes offline with requests in its queue",
    source: "shootdown.md I27",
    settles: "none",
    mutant: true,
  },
  () => goOffline([]),
);

/** madvise(MADV_DONTNEED) that flushes with interrupts off. */
function dropIrqsOff(kit: Kit, start: Parameters<Kit["zap"]>[0], end: typeof start): Program {
  return [
    op("mmap.read.lock"),
    op("irq.off", { note: "interrupts off (too early)" }),
    kit.gather([kit.range(ZAP_SITE, "CLEAR", start, end, kit.zap(start, end))]),
    op("irq.on"),
    op("mmap.read.unlock"),
  ];
}

export const madviseIrqsOff = operation(
  "madvise-irqs-off",
  ["start", "end"],
  {
    summary: "mutant: as madvise, but it flushes with interrupts off",
    source: "shootdown.md 1.3: the deadlock rule, and I26",
    settles: "range",
    needs: NEEDS_DATA,
    mutant: true,
  },
  (kit, { start, end }) => dropIrqsOff(kit, start, end),
);
