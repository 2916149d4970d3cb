import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, send, wait } from "./parts.js";

/** P1: the local flush overlaps the delivery (Linux 5.13 and newer). */
export const concurrent: FlushPolicy = {
  name: "concurrent",
  title: "send, flush locally meanwhile, wait",
  source: "shootdown.md 1.3 and P1; Linux 4ce94eabac16",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [send, flushLocal, wait],
  handler: drainFlushThenAck,
};
