/** Flush policies that the library does not have, for what its policies do not make targets do. */
import type { FlushPolicy } from "../../src/kernel/policy.js";
import { transport, type TransportKnobs } from "../../src/kernel/policies/transport.js";
import { op, repeat, again, when } from "../../src/program/notation.js";

function described(name: string) {
  return {
    name,
    title: "for tests only",
    source: "for tests only",
    mutant: true,
    completes: { data: "G0", tables: "G0" },
  } as const;
}

function sorted(name: string, knobs: Pick<TransportKnobs, "ack" | "payload">): FlushPolicy {
  return transport(described(name), { ...knobs, local: "before", drain: "sync-first" });
}

/** Acknowledges an entry, then keeps it, lets go of it, and runs it, whatever its kind. */
const oneByOne: FlushPolicy = {
  ...transport(described("test-one-by-one"), {
    ack: "flush",
    local: "after",
    payload: "inline",
    guard: "refuse",
  }),
  handler: [
    when(op("csq.take", { imm: 1 }), [
      repeat([
        op("csd.ack"),
        op("csd.reach"),
        op("csd.unlock"),
        op("csd.run.reached"),
        when(op("csq.more"), [again]),
      ]),
    ]),
  ],
};

/** Acknowledges all at entry, and keeps each before it runs it. */
const allAtOnce: FlushPolicy = {
  ...transport(described("test-all-at-once"), { ack: "entry", local: "after", payload: "pointer" }),
  handler: [
    when(op("csq.take"), [
      op("csd.ack", { imm: 1 }),
      repeat([
        op("csd.reach"),
        op("csd.unlock"),
        op("csd.run.reached"),
        when(op("csq.more"), [again]),
      ]),
    ]),
  ],
};

export const EXTRA_POLICIES = [
  sorted("test-sorted-reach", { ack: "reach", payload: "inline" }),
  sorted("test-sorted-entry", { ack: "entry", payload: "pointer" }),
  sorted("test-sorted-flush", { ack: "flush", payload: "inline" }),
  oneByOne,
  allAtOnce,
];
