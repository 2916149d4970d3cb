import * as abi from "../../core/abi.js";
import { op, type Program, when } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, send, wait } from "./parts.js";

/** Targets from which on a broadcast is chosen. */
const LEAST = 2;

const byEitherRoad = (how: number): Program => [
  when(
    op("hybrid.choose", { imm: LEAST | how, note: "count targets: which road?" }),
    [
      op("bcast.send", { note: "broadcast invalidation" }),
      op("bcast.wait", { note: "wait for it everywhere" }),
    ],
    [send, flushLocal, wait],
  ),
];

/**
 * P12: two or more targets are told by a broadcast, one by an interrupt. What it defers: nothing.
 * Safe if each road is, and neither takes the other's requests for done: a broadcast advances a
 * slot's generation only if no earlier request is missing there. The hardware has an erratum, as
 * such hardware has had: its broadcasts leave paging-structure caches alone, so requests that free
 * page tables are sent as interrupts, whatever the number of targets.
 */
export const hybrid: FlushPolicy = {
  name: "hybrid",
  title: "one target is interrupted, several by broadcast; freed tables always by interrupt",
  source: "shootdown.md P12; US patent 12,253,956; the erratum is assumed",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: byEitherRoad(abi.HYBRID_LEAF | abi.HYBRID_TABLES | abi.HYBRID_ORDERED),
  handler: drainFlushThenAck,
  options: abi.OPT_BROADCAST | abi.OPT_ORDERED,
};

/** The erratum is not heeded. */
export const hybridErratum: FlushPolicy = {
  ...hybrid,
  name: "hybrid-erratum",
  title: "as hybrid, but freed tables are broadcast, too, which does not reach walk caches",
  source: "shootdown.md P12: errata; 1.1 G4",
  mutant: true,
  completes: { data: "G3", tables: "G3" },
  shootdown: byEitherRoad(abi.HYBRID_LEAF | abi.HYBRID_ORDERED),
};

/** A broadcast that overtakes an interrupt makes its handler believe that it has flushed. */
export const hybridOvertaken: FlushPolicy = {
  ...hybrid,
  name: "hybrid-overtaken",
  title: "as hybrid, but a broadcast advances generations past interrupts still on their way",
  source: "shootdown.md P12 and 1.5: a request whose generation was reached is skipped",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  shootdown: byEitherRoad(abi.HYBRID_LEAF | abi.HYBRID_TABLES),
};
