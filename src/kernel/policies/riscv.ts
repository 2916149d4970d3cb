/**
 * RISC-V (shootdown.md 1.8): a fence of one's own if no other hart is in the mask, else one on
 * every hart of the mask, by firmware (SBI) or by interrupt. Fences name an ASID, loaded or not:
 * nobody is filtered, and no hart has anything to catch up with. Past 64 entries all are fenced.
 */
import * as abi from "../../core/abi.js";
import { again, op, type Program, repeat, when } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, send, wait } from "./parts.js";

const SOURCE = "shootdown.md 1.8 [K8]; Linux arch/riscv/mm/tlbflush.c";
/** tlb_flush_all_threshold */
const THRESHOLD = 64;

const local: Program = [op("fence", { note: "sfence.vma of the ASID" })];

const drain = (how: number): Program => [
  when(op("csq.take", { note: "IRQ: take call queue" }), [
    repeat([
      op("fence", { imm: how, note: "sfence.vma for the initiator" }),
      when(op("csd.unlock", { note: "unlock csd (ack)" }), [again]),
    ]),
  ]),
];

/** The hart's firmware carries it out, whatever the hart does; the call returns when all have. */
export const riscvSbi: FlushPolicy = {
  name: "riscv-sbi",
  title: "remote fences by firmware on every hart of the mask",
  source: `${SOURCE}: sbi_remote_sfence_vma_asid`,
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [
    op("bcast.send", { imm: 1, note: "SBI remote fence" }),
    op("bcast.wait", { note: "all harts have" }),
  ],
  alone: local,
  handler: drainFlushThenAck,
  ceiling: THRESHOLD,
  options: abi.OPT_BROADCAST,
};

/** With interrupts that the kernel can send itself (AIA). */
export const riscvIpi: FlushPolicy = {
  name: "riscv-ipi",
  title: "an interrupt to every hart of the mask, lazy or away or not, and a fence there",
  source: `${SOURCE}: on_each_cpu_mask`,
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [send, local, wait],
  alone: local,
  handler: drain(abi.FENCE_CSD),
  ceiling: THRESHOLD,
  options: abi.OPT_TELL_ALL,
};

/** A hart that runs something else acknowledges, and keeps what it has of the other ASID. */
export const riscvLoadedOnly: FlushPolicy = {
  ...riscvIpi,
  name: "riscv-loaded-only",
  title: "as riscv-ipi, but a hart that runs another process fences nothing",
  source: `${SOURCE}: fences name an ASID`,
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  handler: drain(abi.FENCE_CSD | abi.FENCE_LOADED),
};
