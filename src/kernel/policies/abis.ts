import * as abi from "../../core/abi.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";

/**
 * P9, access tracking: pages that are unmapped are flushed where they were accessed: nowhere, by
 * this CPU alone, on the CPUs that did. Clear must mean that nobody holds it, so bits that are
 * cleared are flushed for afterwards.
 */
export const abis: FlushPolicy = {
  ...concurrent,
  name: "abis",
  title: "as concurrent, only to CPUs that have accessed the pages",
  source: "shootdown.md P9 and I19; Amit, ATC 2017 (abstract)",
  accessed: "flushed",
  options: abi.OPT_BATCH | abi.OPT_ACCESSED,
};

/** I19: the bit is clear, the entry still cached. */
export const abisUnflushed: FlushPolicy = {
  ...abis,
  name: "abis-unflushed",
  title: "as abis, but nobody flushes when accessed bits are cleared",
  source: "shootdown.md I19",
  mutant: true,
  accessed: "unflushed",
};

/** What is cached between the flush and the clearing of the bit is forgotten. */
export const abisFlushedBefore: FlushPolicy = {
  ...abis,
  name: "abis-flushed-before",
  title: "as abis, but flushed before accessed bits are cleared",
  source: "shootdown.md P9: checked atomically",
  mutant: true,
  accessed: "flushed-before",
};
