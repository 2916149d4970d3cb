import type { CostProfile } from "../profile.js";
import { devicePrices } from "./devices.js";
import { topologyPrices } from "./topology.js";

const GAP = "no figure is published (shootdown.md 3.1, gap)";
const SEQUENCE = "shootdown.md 1.8 [K7]: dsb ishst, tlbi vae1is a page, dsb ish";

/**
 * arm64: a TLB invalidation is broadcast by the interconnect, nobody is interrupted, and the
 * initiator waits in DSB until every CPU has done it. A broadcast flush is one local act here:
 * `flushFixed` has the two DSBs, `flushPage` issuing one TLBI, `flushFull` TLBI ASIDE1IS with its
 * DSBs. Flushing locally, the targets included, is what it costs; the interrupt prices are for
 * policies that send some anyway. Linux flushes the whole ASID from 512 operations on: with this
 * profile, a geometry's `ceiling` should be 512.
 */
export const armBroadcast: CostProfile = {
  name: "arm-broadcast",
  title: "arm64 server, TLBI broadcast",
  source: `${SEQUENCE}; ${GAP}, so prices are assumed`,
  prices: {
    flushFixed: { ns: 250, source: `assumed: two DSBs, one a round trip of all CPUs; ${GAP}` },
    flushPage: { ns: 20, source: `assumed: one TLBI issued, not waited for; ${GAP}` },
    flushFull: { ns: 300, source: `assumed: one TLBI ASIDE1IS and its DSBs; ${GAP}` },
    asidFlush: { ns: 300, source: `assumed: tlbi vmalle1 and a local DSB, as flushFull; ${GAP}` },
    rollover: { ns: 2_000, source: `assumed: a cache line of every CPU, under a lock; ${GAP}` },
    switchFlush: { ns: 300, source: `assumed: as flushFull; ${GAP}` },
    ipi: { ns: 178, source: "assumed: an SGI costs its sender what an ICR write does (T1)" },
    csd: { ns: 82, source: "assumed: as haswell-2019, a cache line or two (T1)" },
    deliver: { ns: 400, source: "assumed: GIC delivery, IPI round trip below 1 us (3.1 [W1])" },
    "csq.take": { ns: 60, source: "assumed: as haswell-2019 (T1)" },
    "csd.unlock": { ns: 22, source: "assumed: as haswell-2019 (T1)" },
    ack: { ns: 60, source: "shootdown.md 3.1 [W5]: cache-line round trip 40 to 80 ns" },
    walk: { ns: 20, source: "assumed: as the x86 dTLB misses of shootdown.md 3.1 [L8]" },
    "mmap.read.lock": { ns: 75, source: "assumed: as haswell-2019 (T1)" },
    "mmap.write.lock": { ns: 75, source: "assumed: as haswell-2019 (T1)" },
    "ptl.lock": { ns: 20, source: "assumed: as haswell-2019 (T1)" },
    "pte.clear": { ns: 15, source: "assumed: as haswell-2019 (T1)" },
    "pte.set": { ns: 15, source: "assumed: as haswell-2019 (T1)" },
    "pte.set.vma": { ns: 15, source: "assumed: as haswell-2019 (T1)" },
    "frame.alloc": { ns: 95, source: "assumed: as haswell-2019 (T1)" },
    freePage: { ns: 55, source: "assumed: as haswell-2019 (T1)" },
    "gather.begin": { ns: 15, source: "assumed: as haswell-2019 (T1)" },
    "gather.end": { ns: 10, source: "assumed: as haswell-2019 (T1)" },
    broadcast: { ns: 20, source: `assumed: one TLBI issued, not waited for; ${GAP}` },
    broadcastSync: { ns: 250, source: `assumed: two DSBs, one a round trip of all CPUs; ${GAP}` },
    park: { ns: 132, source: "assumed: as on x86 (shootdown.md 3.1, LATR)" },
    sweep: { ns: 158, source: "assumed: as on x86 (shootdown.md 3.1, LATR)" },
    tick: { ns: 4_000_000, source: "assumed: CONFIG_HZ 250" },
    ...topologyPrices(60, "within a socket"),
    devZap: { ns: 500, source: "assumed: one SMMU command and CMD_SYNC" },
    ...devicePrices(500, "one SMMU command and CMD_SYNC"),
  },
};
