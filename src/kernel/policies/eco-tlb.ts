import * as abi from "../../core/abi.js";
import { op, type Program } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { latr, postOrSend } from "./latr.js";
import { drainFlushThenAck } from "./parts.js";

const sweep = (how: number): Program => [
  op("latr.sweep", { imm: how, note: "sweep, also under ASIDs that are not loaded" }),
];

/**
 * P23, ecoTLB: as latr, for swapping, too. Reclaim leaves an entry for each page under the
 * page-table lock, and the frame is written out and freed when everybody has swept. Who changes or
 * faults in such a page waits for that. CPUs that run something else sweep what they hold under
 * ASIDs that are not loaded, and need no flush when they come back.
 */
export const ecoTlb: FlushPolicy = {
  ...latr,
  name: "eco-tlb",
  title: "as latr; reclaim leaves entries too, and inactive ASIDs are swept",
  source: "shootdown.md P23; Maass et al., ecoTLB, TACO 2020",
  swaps: "swept",
  shootdown: postOrSend(abi.LATR_SWAP),
  handler: [sweep(abi.SWEEP_INACTIVE), drainFlushThenAck],
};

/** What is cached under an ASID that is not loaded counts as flushed. */
export const ecoTlbInactive: FlushPolicy = {
  ...ecoTlb,
  name: "eco-tlb-inactive",
  title: "as eco-tlb, but a sweep flushes the loaded ASID only, and trusts the others",
  source: "shootdown.md P23: as P6 plus inactive PCIDs",
  mutant: true,
  handler: [sweep(abi.SWEEP_INACTIVE | abi.SWEEP_TRUST), drainFlushThenAck],
};

/** A fault maps a fresh page while other CPUs still use the old one. */
export const ecoTlbRefault: FlushPolicy = {
  ...ecoTlb,
  name: "eco-tlb-refault",
  title: "as eco-tlb, but nobody waits before a page is faulted in or changed again",
  source: "shootdown.md P6 and P23: VA and frames withheld",
  mutant: true,
  swaps: "refaulted",
};

/** I5: stores until the sweep go to a page whose content was taken. */
export const ecoTlbWritten: FlushPolicy = {
  ...ecoTlb,
  name: "eco-tlb-written",
  title: "as eco-tlb, but pages are written out before everybody has swept",
  source: "shootdown.md I5 and P23",
  mutant: true,
  swaps: "written",
};
