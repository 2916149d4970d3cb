import type { CostProfile } from "../profile.js";
import { devicePrices } from "./devices.js";
import { topologyPrices } from "./topology.js";

/**
 * Calibration (shootdown.md 3.4): S = 260 ns send, D = 302 ns delivery to ack, F = 211 ns flush of
 * one page, around a loop of 663 ns that has one local flush in it. S is ipi + csd;
 * D is deliver + csq.take + csd.unlock + ack; F is flushFixed + flushPage.
 */
const T1 = "shootdown.md 3.3 T1 and 3.4: madvise + touch loop, Haswell 2019";
const SPLIT = "shootdown.md 3.4: a share of what T1 gives only as a sum";

export const haswell2019: CostProfile = {
  name: "haswell-2019",
  title: "Haswell server, bare metal, PTI on",
  source: T1,
  prices: {
    ipi: { ns: 178, source: SPLIT },
    csd: { ns: 82, source: "shootdown.md 3.1: +67 to +98 ns per further target" },
    deliver: { ns: 160, source: SPLIT },
    "csq.take": { ns: 60, source: SPLIT },
    "csd.unlock": { ns: 22, source: SPLIT },
    ack: { ns: 60, source: SPLIT },
    "csd.reach": { ns: 101, source: "shootdown.md 3.4: cost c of the inline copy, from T1" },
    flushFixed: { ns: 2, source: "shootdown.md 3.4: F less the slope" },
    flushPage: { ns: 209, source: "shootdown.md 3.1: INVLPG + INVPCID 544 cycles at 2.6 GHz" },
    flushFull: { ns: 376, source: "shootdown.md 3.1: INVPCID all-contexts" },
    switchFlush: { ns: 376, source: "shootdown.md 3.1: INVPCID all-contexts" },
    walk: { ns: 17, source: "shootdown.md 3.1: dTLB miss 17.1 ns" },
    // The rest of the loop: 663 - 211 - 17 ns of system call, fault, locks and page allocation.
    "mmap.read.lock": { ns: 75, source: SPLIT },
    "mmap.write.lock": { ns: 75, source: SPLIT },
    "ptl.lock": { ns: 20, source: SPLIT },
    "pte.clear": { ns: 15, source: SPLIT },
    "pte.set": { ns: 15, source: SPLIT },
    "pte.set.vma": { ns: 15, source: SPLIT },
    "frame.alloc": { ns: 95, source: SPLIT },
    freePage: { ns: 55, source: SPLIT },
    "gather.begin": { ns: 15, source: SPLIT },
    "gather.end": { ns: 10, source: SPLIT },
    park: { ns: 132, source: "shootdown.md 3.1: LATR, saving a state (recalled)" },
    sweep: { ns: 158, source: "shootdown.md 3.1: LATR, a sweep (recalled)" },
    tick: { ns: 1_000_000, source: "assumed: CONFIG_HZ 1000" },
    poll: { ns: 60, source: "shootdown.md 3.1 [W5]: cache-line round trip 40 to 80 ns" },
    broadcast: { ns: 40, source: "assumed: no figure is published for INVLPGB or TLBI" },
    broadcastSync: { ns: 400, source: "assumed: TLBSYNC or DSB, a few cross-core round trips" },
    ...topologyPrices(60, "within a socket"),
    devZap: { ns: 1000, source: "assumed: one IOTLB invalidation and its wait descriptor" },
    ...devicePrices(1_000, "one IOTLB invalidation"),
  },
};
