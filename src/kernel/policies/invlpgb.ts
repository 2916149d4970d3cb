/**
 * P11's hybrid form, as on AMD: processes that are active on many CPUs have global ASIDs and are
 * flushed by broadcast, all others by interrupt (shootdown.md 1.8).
 */
import * as abi from "../../core/abi.js";
import { op, type Program, when } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, send, wait } from "./parts.js";

const have = op("global.have", { note: "a global ASID?" });
const sent = op("bcast.send", { note: "INVLPGB" });
const synced = op("bcast.wait", { note: "TLBSYNC" });
const interrupts: Program = [send, flushLocal, wait];

/** CPUs that still run under a dynamic ASID are interrupted as well: they change over. */
const broadcasts: Program = [
  sent,
  when(op("global.moving", { note: "all CPUs use it?" }), interrupts),
  synced,
];

/** `how`: imm of global.assign. */
function hybrid(how: number, byBroadcast = broadcasts): Pick<FlushPolicy, "shootdown" | "alone"> {
  const assign = op("global.assign", { imm: how, note: "active on many CPUs: a global ASID" });
  return {
    shootdown: [when(have, byBroadcast, [interrupts, assign])],
    alone: [when(have, byBroadcast, [op("flush.local", { imm: 1, note: "flush own TLB" })])],
  };
}

export const invlpgb: FlushPolicy = {
  ...hybrid(0),
  name: "invlpgb",
  title: "processes on many CPUs are flushed by broadcast, others by interrupt",
  source: "shootdown.md 1.8 and P11; Linux 6.15 broadcast_tlb_flush",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  handler: drainFlushThenAck,
  options: abi.OPT_BROADCAST | abi.OPT_GLOBAL_ASIDS,
};

/**
 * What the rule for reusing an ASID allows: the last flush of a process only makes the CPUs leave
 * that hold it; its entries are left to the flush before its ASID is used again.
 */
export const invlpgbQuiet: FlushPolicy = {
  ...invlpgb,
  name: "invlpgb-quiet-exit",
  title: "as invlpgb; what an exiting process has cached waits until its ASID is used again",
  source: "shootdown.md 1.8: freed ASIDs are reused only after a full flush; arm64 tlb_flush",
  last: interrupts,
};

/** I20: the ASID is used again before that flush. */
export const invlpgbReuse: FlushPolicy = {
  ...invlpgbQuiet,
  ...hybrid(1),
  name: "invlpgb-reuse",
  title: "as invlpgb-quiet-exit, but a freed ASID is used again at once",
  source: "shootdown.md I20 and P11: ASID reuse only after flush",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
};

/** The broadcast misses what CPUs have cached under dynamic ASIDs. */
export const invlpgbNoTransition: FlushPolicy = {
  ...invlpgb,
  ...hybrid(0, [sent, synced]),
  name: "invlpgb-no-transition",
  title: "as invlpgb, but nobody interrupts CPUs that still use a dynamic ASID",
  source: "shootdown.md 1.8: asidTransition",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
};
