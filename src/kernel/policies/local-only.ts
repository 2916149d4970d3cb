import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal } from "./parts.js";

/** Mutant: other CPUs are not told at all. */
export const localOnly: FlushPolicy = {
  name: "local-only",
  title: "only the initiator flushes",
  source: "shootdown.md 4.3 O2",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  shootdown: [flushLocal],
  handler: drainFlushThenAck,
};
