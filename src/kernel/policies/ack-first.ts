import { again, op, repeat, when } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { flushLocal, send, wait } from "./parts.js";

/** Mutant: the target unlocks before it flushes, and other CPUs may look in between. */
export const ackFirst: FlushPolicy = {
  name: "ack-first",
  title: "as concurrent, but the target acknowledges before it flushes",
  source: "shootdown.md I7: pointer payload with an early ack",
  mutant: true,
  completes: { data: "G1", tables: "G1" },
  shootdown: [send, flushLocal, wait],
  handler: [
    when(op("csq.take", { note: "IRQ: take call queue" }), [
      repeat([
        when(op("csd.unlock", { note: "unlock csd (ack)" }), [again]),
        op("nop", { note: "flush is lost: its csd is gone" }),
      ]),
    ]),
  ],
};
