import * as abi from "../../core/abi.js";
import { op } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck } from "./parts.js";

const send = op("bcast.send", { note: "broadcast invalidation" });

/**
 * P11: hardware tells every CPU (TLBI IS, INVLPGB) and the initiator waits until all have applied
 * it (DSB, TLBSYNC). No interrupt, no handler, no cpumask to be right about.
 */
export const broadcast: FlushPolicy = {
  name: "broadcast",
  title: "broadcast by hardware, then wait until it is applied everywhere",
  source: "shootdown.md P11 and 1.8; arm64 dsb ishst, tlbi vae1is, dsb ish",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [send, op("bcast.wait", { note: "wait for it everywhere" })],
  handler: drainFlushThenAck,
  options: abi.OPT_BROADCAST,
};

/** I20: the completion instruction is left out. */
export const broadcastNoSync: FlushPolicy = {
  ...broadcast,
  name: "broadcast-no-sync",
  title: "as broadcast, but nobody waits until it is applied",
  source: "shootdown.md P11: completion instruction executed",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  shootdown: [send],
};
