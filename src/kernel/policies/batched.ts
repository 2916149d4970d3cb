import * as abi from "../../core/abi.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";

/** P3: reclaim batches its flushes; whoever changes the same page tables looks for them. */
export const batched: FlushPolicy = {
  ...concurrent,
  name: "batched",
  title: "as concurrent; reclaim clears many entries and flushes once",
  source: "shootdown.md P3 and 1.7; Linux 72b252aed506 and 3ea277194daa",
  batching: "checked",
  options: abi.OPT_BATCH,
};

/** I11: nobody looks whether a flush is pending. */
export const batchedUnchecked: FlushPolicy = {
  ...batched,
  name: "batched-unchecked",
  title: "as batched, but mprotect and munmap do not look for deferred flushes",
  source: "shootdown.md I11; Linux before 3ea277194daa",
  mutant: true,
  batching: "unchecked",
};

/** I22: a task that reclaims inside of its own reclaim starts a batch anew. */
export const batchedReset: FlushPolicy = {
  ...batched,
  name: "batched-reset",
  title: "as batched, but a reclaim inside another one forgets what that has deferred",
  source: "shootdown.md I22; Linux before 4.8: init_tlb_ubc",
  mutant: true,
  batching: "reset",
};

/** I5: pages are written out while somebody can still write them. */
export const batchedUnforced: FlushPolicy = {
  ...batched,
  name: "batched-unforced",
  title: "as batched, but pages are written out before the flush",
  source: "shootdown.md I5",
  mutant: true,
  batching: "unforced",
};
