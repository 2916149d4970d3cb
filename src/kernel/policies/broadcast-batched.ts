/** P3 on hardware that broadcasts. */
import * as abi from "../../core/abi.js";
import type { FlushPolicy } from "../policy.js";
import { broadcast } from "./broadcast.js";

const options = abi.OPT_BROADCAST | abi.OPT_BATCH;

/** A batch is one broadcast of everything that is not global, whichever mms it was for. */
export const broadcastBatched: FlushPolicy = {
  ...broadcast,
  name: "broadcast-batched",
  title: "as broadcast; reclaim clears many entries and broadcasts once, for all mms",
  source: "shootdown.md 1.8; Linux 6.15 arch_tlbbatch_flush with INVLPGB",
  batching: "checked",
  options,
};

/** Nothing is deferred but the wait. */
export const broadcastIssued: FlushPolicy = {
  ...broadcast,
  name: "broadcast-issued",
  title: "as broadcast; reclaim broadcasts page by page, and waits once",
  source: "shootdown.md I24; arm64 arch_tlbbatch_add_pending and arch_tlbbatch_flush",
  batching: "issued",
  options,
};

/** I24: a barrier waits for what its own CPU has broadcast; another's may still be on its way. */
export const broadcastBarrier: FlushPolicy = {
  ...broadcastIssued,
  name: "broadcast-barrier",
  title: "as broadcast-issued, but whoever finds one pending waits for its own only",
  source: "shootdown.md I24; arm64 arch_flush_tlb_batched_pending until 2025: a DSB",
  mutant: true,
  batching: "barrier",
};
