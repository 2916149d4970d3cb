import type { CostProfile, Price } from "../profile.js";
import { armBroadcast } from "./arm-broadcast.js";

const GAP = "no figure is published (shootdown.md 3.1, gap)";
const SOURCE = "shootdown.md 1.8 [K8]: local fence, else SBI remote fence or IPI";

/** Everything that is not about fences: guesses for a server of another make. */
const rest: Readonly<Record<string, Price>> = Object.fromEntries(
  Object.entries(armBroadcast.prices).map(([name, price]) => {
    const { ns } = price ?? { ns: 0 };
    return [name, { ns, source: `assumed: as arm-broadcast; ${GAP}` }];
  }),
);

/**
 * RISC-V harts. Under `riscv-sbi` a remote fence is one call into firmware, which interrupts each
 * hart of the mask and returns when all have fenced; the hart loses `firmware` ns. Under
 * `riscv-ipi` the interrupt prices apply. All of it is assumed, but for the order of things.
 */
export const riscvHart: CostProfile = {
  name: "riscv-hart",
  title: "RISC-V harts, SBI remote fences or interrupts",
  source: `${SOURCE}; ${GAP}, so prices are assumed`,
  prices: {
    ...rest,
    flushFixed: { ns: 40, source: `assumed: pipeline and fence set-up; ${GAP}` },
    flushPage: { ns: 20, source: `assumed: one sfence.vma with address and ASID; ${GAP}` },
    flushFull: { ns: 60, source: `assumed: one sfence.vma with an ASID; ${GAP}` },
    broadcast: { ns: 300, source: `assumed: an ecall, and an IPI from machine mode; ${GAP}` },
    broadcastSync: { ns: 700, source: `assumed: delivery, fence, answer to firmware; ${GAP}` },
    firmware: { ns: 300, source: `assumed: trap to machine mode, fence, return; ${GAP}` },
  },
};
