import { transport } from "./transport.js";

/**
 * P2, as corrected after its first posting: a target acknowledges when it reaches the csd, with its
 * own copy of the request, and flushes before it runs anything else. NMIs refuse to read user
 * memory meanwhile; requests that free page tables are acknowledged after the flush.
 */
export const earlyAck = transport(
  {
    name: "early-ack",
    title: "as concurrent, acknowledged when the target reaches the request",
    source: "shootdown.md P2 and its exact protocol; RFC v2 10/12 and 11/12, corrected",
    mutant: false,
    completes: { data: "G2", tables: "G4" },
  },
  { ack: "reach", local: "after", payload: "inline", guard: "refuse" },
);

/** The other guard: an NMI flushes everything first, then reads. */
export const earlyAckFlushGuard = transport(
  {
    name: "early-ack-flush-guard",
    title: "as early-ack; an NMI that reads user memory flushes everything first",
    source: "shootdown.md P2: full flush first, then allow",
    mutant: false,
    completes: { data: "G2", tables: "G4" },
  },
  { ack: "reach", local: "after", payload: "inline", guard: "flush" },
);
