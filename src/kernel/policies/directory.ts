import * as abi from "../../core/abi.js";
import { op } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck } from "./parts.js";

const synchronise = op("bcast.wait", { note: "wait until they have applied it" });

/**
 * P21: hardware keeps a directory of what the TLBs hold, and forwards an invalidation to those that
 * it names; no interrupt, no handler. What it defers: nothing; it leaves CPUs out. Safe if the
 * directory is inclusive: what it does not name is in no TLB. It knows nothing of paging-structure
 * caches, so requests that free page tables go to every CPU.
 */
export const directory: FlushPolicy = {
  name: "directory",
  title: "a TLB directory forwards invalidations to the CPUs that hold the translation",
  source: "shootdown.md P21; Villavieja et al., DiDi, PACT 2011",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [op("dir.send", { note: "ask the directory, forward" }), synchronise],
  handler: drainFlushThenAck,
  directory: "inclusive",
  options: abi.OPT_BROADCAST | abi.OPT_DIRECTORY,
};

/** An entry that has to make room is forgotten, the translation stays in the TLBs. */
export const directorySilent: FlushPolicy = {
  ...directory,
  name: "directory-silent",
  title: "as directory, but an entry makes room without being dropped from the TLBs",
  source: "shootdown.md P21: directory inclusive",
  mutant: true,
  completes: { data: "G0", tables: "G4" },
  directory: "silent",
};

/** What walkers have cached of freed tables is nowhere in the directory. */
export const directoryTables: FlushPolicy = {
  ...directory,
  name: "directory-tables",
  title: "as directory, also for requests that free page tables",
  source: "shootdown.md P21 and 1.1 G4",
  mutant: true,
  completes: { data: "G3", tables: "G3" },
  shootdown: [
    op("dir.send", { imm: abi.DIR_TABLES, note: "ask the directory, forward" }),
    synchronise,
  ],
};
