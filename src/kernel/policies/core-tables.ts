import * as abi from "../../core/abi.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, send, wait } from "./parts.js";

/**
 * P18: every core has its own page tables, filled by its own faults, and each page's metadata says
 * which cores have faulted on it: those are told, often none. A core that flushes for a page drops
 * it from its own table, too. What it defers: nothing; it leaves CPUs out. Safe if the metadata of
 * a page names every core that may walk there.
 */
export const coreTables: FlushPolicy = {
  name: "core-tables",
  title: "as concurrent; every core has tables of its own, and is told of pages it has faulted on",
  source: "shootdown.md P18; Clements et al., RadixVM, EuroSys 2013",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [send, flushLocal, wait],
  handler: drainFlushThenAck,
  copies: "tracked",
  options: abi.OPT_CORE_TABLES,
};

/** Metadata that has room for one core only, where the region is shared. */
export const coreTablesOwner: FlushPolicy = {
  ...coreTables,
  name: "core-tables-owner",
  title: "as core-tables, but a page's metadata names only the last core that has faulted on it",
  source: "shootdown.md P18: shared-region metadata is precise",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  copies: "alone",
};
