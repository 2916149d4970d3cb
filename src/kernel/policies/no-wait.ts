import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, send } from "./parts.js";

/** Mutant: nobody waits, as in the first posting of the asynchronous series (P2'). */
export const noWait: FlushPolicy = {
  name: "no-wait",
  title: "send, flush locally, return without waiting",
  source: "shootdown.md P2' and I2",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  shootdown: [send, flushLocal],
  handler: drainFlushThenAck,
};
