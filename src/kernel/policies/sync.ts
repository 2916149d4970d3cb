import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, send, wait } from "./parts.js";

/** P0: own TLB first, then the others, then wait (Linux before 5.13). */
export const sync: FlushPolicy = {
  name: "sync",
  title: "sequential: flush locally, send, wait",
  source: "shootdown.md 1.3 and P0; Linux before 4ce94eabac16",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [flushLocal, send, wait],
  handler: drainFlushThenAck,
};
