import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";
import { earlyAck } from "./early-ack.js";

/**
 * P14: the mark that a CPU is lazy lies beside the head of its queue, and a csd beside its flush
 * info, so a sender and a target fetch one cache line less each. What it defers: nothing; it is as
 * safe as what it is combined with, because only prices change.
 */
export const consolidated: FlushPolicy = {
  ...concurrent,
  name: "consolidated",
  title: "as concurrent; lazy mark and queue, csd and flush info share cache lines",
  source: "shootdown.md P14; Amit et al., EuroSys 2020; US patent 11,341,051",
  consolidates: true,
};

/** The same for early acknowledgement. */
export const earlyAckConsolidated: FlushPolicy = {
  ...earlyAck,
  name: "early-ack-consolidated",
  title: "as early-ack; lazy mark and queue, csd and flush info share cache lines",
  source: "shootdown.md P14 and P2; Amit et al., EuroSys 2020",
  consolidates: true,
};
