import { again, op, type Program, repeat, when, whilst } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { flushLocal, wait } from "./parts.js";

const send: Program = [
  whilst(op("msg.send", { note: "message to the next target, or leader of a node" }), []),
  op("msg.post", { note: "they will see it when they poll" }),
];

const run = op("csd.run", { note: "flush for the initiator" });
const forward = whilst(op("msg.forward", { note: "tell the next CPU of this node" }), []);

/**
 * P19: CPUs send each other messages, along a tree that crosses to another node only once, and poll
 * for them; nobody is interrupted. What it defers: nothing. Safe if a CPU that has told others
 * answers after they have; it is slow if a CPU does not poll. Nodes are the profile's sockets;
 * without them two CPUs are one.
 */
export const messages: FlushPolicy = {
  name: "messages",
  title: "messages along a tree of nodes, no interrupts; every CPU polls",
  source: "shootdown.md P19; Baumann et al., Barrelfish, SOSP 2009",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [send, flushLocal, wait],
  handler: [
    when(op("csq.take", { note: "poll: take messages" }), [
      repeat([
        when(op("msg.fresh"), [run, forward]),
        when(op("msg.reply", { note: "answer, if all it has told have" }), [again]),
      ]),
    ]),
  ],
  nodeCpus: 2,
};

/** A leader speaks for CPUs that have not flushed. */
export const messagesEarly: FlushPolicy = {
  ...messages,
  name: "messages-early",
  title: "as messages, but a leader answers before those it has told",
  source: "shootdown.md P19",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  handler: [
    when(op("csq.take", { note: "poll: take messages" }), [
      repeat([run, forward, when(op("msg.reply", { imm: 1, note: "answer at once" }), [again])]),
    ]),
  ],
};
