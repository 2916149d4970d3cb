import * as abi from "../../core/abi.js";
import { op, type Program, when } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, send, wait } from "./parts.js";

const sweep = op("latr.sweep", { note: "sweep: flush what others have unmapped" });

/**
 * Leave an entry for everybody's next tick; if that cannot be, interrupt them. The own flush comes
 * first: once the entry is there, the last sweeper frees the frames.
 */
export const postOrSend = (how: number): Program => [
  when(
    op("latr.post", { imm: how | abi.LATR_TEST, note: "may it wait?" }),
    [
      flushLocal,
      when(op("latr.post", { imm: how, note: "leave an entry, park frames" }), [], [send, wait]),
    ],
    [send, flushLocal, wait],
  ),
];

/**
 * P6, lazy translation coherence: munmap leaves an entry that every CPU flushes for at its next
 * tick. Frames and address range are withheld until all have. Everything else is as concurrent.
 */
export const latr: FlushPolicy = {
  name: "latr",
  title: "munmap leaves an entry that every CPU flushes for at its next tick",
  source: "shootdown.md P6; Kumar et al., LATR, ASPLOS 2018, and its source",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  parks: "withheld",
  shootdown: postOrSend(0),
  handler: [sweep, drainFlushThenAck],
  options: abi.OPT_LATR,
};

/** I18 b: the address range is given out again before everybody has swept. */
export const latrReused: FlushPolicy = {
  ...latr,
  name: "latr-reused",
  title: "as latr, but addresses are given out again at once",
  source: "shootdown.md I18 (b)",
  mutant: true,
  parks: "reused",
};

/** I18 a, I10: permission changes and moves are put off, too. */
export const latrEverything: FlushPolicy = {
  ...latr,
  name: "latr-everything",
  title: "as latr, but every flush that frees no table is put off",
  source: "shootdown.md I18 (a) and I10",
  mutant: true,
  completes: { data: "G0", tables: "G4" },
  shootdown: postOrSend(abi.LATR_ANY),
};

/** I18 c: a CPU without ticks never sweeps. */
export const latrTickless: FlushPolicy = {
  ...latr,
  name: "latr-tickless",
  title: "as latr, but no CPU ever sweeps",
  source: "shootdown.md I18 (c)",
  mutant: true,
  handler: drainFlushThenAck,
};

/** The initiator flushes itself after it has left its entry: others may have freed the frames. */
export const latrOwnLate: FlushPolicy = {
  ...latr,
  name: "latr-own-late",
  title: "as latr, but the own flush comes after the entry",
  source: "shootdown.md P6: the initiator flushes itself and records",
  mutant: true,
  completes: { data: "G0", tables: "G4" },
  shootdown: [
    when(
      op("latr.post", { note: "leave an entry, park frames" }),
      [flushLocal],
      [send, flushLocal, wait],
    ),
  ],
};
