/** Mutants of early acknowledgement, each without one of the things that make it safe. */
import { transport } from "./transport.js";

/** I1: an NMI reads user memory through what is about to be flushed. */
export const earlyAckUnguarded = transport(
  {
    name: "early-ack-unguarded",
    title: "as early-ack, but NMIs read user memory while a flush is pending",
    source: "shootdown.md I1 and I6",
    mutant: true,
    completes: { data: "G1", tables: "G4" },
  },
  { ack: "reach", local: "after", payload: "inline", guard: "none" },
);

/** I7: the initiator's one info is used for the next request before the target has read it. */
export const earlyAckPointer = transport(
  {
    name: "early-ack-pointer",
    title: "as early-ack, but the csd points to the initiator's info",
    source: "shootdown.md I7",
    mutant: true,
    completes: { data: "G1", tables: "G4" },
  },
  { ack: "reach", local: "after", payload: "pointer", guard: "refuse" },
);

/** I3: what comes before the flush in the queue still touches user memory. */
export const ackAtEntry = transport(
  {
    name: "ack-at-entry",
    title: "as early-ack, but acknowledged when the handler starts",
    source: "shootdown.md I3: batch ack",
    mutant: true,
    completes: { data: "G1", tables: "G1" },
  },
  { ack: "entry", local: "after", payload: "inline", guard: "refuse" },
);

/** I4: a freed table is used again while the target may still walk it. */
export const earlyAckTables = transport(
  {
    name: "early-ack-tables",
    title: "as early-ack, also for requests that free page tables",
    source: "shootdown.md I4",
    mutant: true,
    completes: { data: "G2", tables: "G2" },
  },
  { ack: "reach", local: "after", payload: "inline", guard: "refuse", early: "all" },
);
