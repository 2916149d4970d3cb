/** Pieces that policies are made of. */
import { again, op, type Program, repeat, when, whilst } from "../../program/notation.js";

/** Queue a csd for every target that must know, then one interrupt for those that need it. */
export const send: Program = [
  whilst(op("csd.send", { note: "queue csd for next target" }), []),
  op("ipi.send", { note: "send IPI" }),
];

/** Wait until every target has unlocked its csd. */
export const wait: Program = [op("csd.wait", { note: "wait for all acks" })];

/** This CPU's half. */
export const flushLocal: Program = [op("flush.local", { note: "flush own TLB" })];

/** Drain the queue: flush, then unlock (acknowledge), each entry in turn. */
export const drainFlushThenAck: Program = [
  when(op("csq.take", { note: "IRQ: take call queue" }), [
    repeat([
      op("csd.run", { note: "flush for the initiator" }),
      when(op("csd.unlock", { note: "unlock csd (ack)" }), [again]),
    ]),
  ]),
];
