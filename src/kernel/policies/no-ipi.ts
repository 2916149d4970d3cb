import { op, whilst } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, wait } from "./parts.js";

/** Mutant: csd are queued but nobody is interrupted: the initiator waits for ever. */
export const noIpi: FlushPolicy = {
  name: "no-ipi",
  title: "as sync, but no interrupt is sent",
  source: "shootdown.md 4.3 O5",
  mutant: true,
  completes: { data: "G3", tables: "G4" },
  shootdown: [flushLocal, whilst(op("csd.send"), []), wait],
  handler: drainFlushThenAck,
};
