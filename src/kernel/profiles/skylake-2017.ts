import type { CostProfile } from "../profile.js";
import { devicePrices } from "./devices.js";
import { topologyPrices } from "./topology.js";

/**
 * The flush of a kernel build, traced: 317 + 196.5 cycles a page with INVLPG alone (rows of 27 and
 * 129 pages: 5,622 and 25,663 cycles), 350 + 544 with INVLPG and INVPCID of the user half (15,043
 * and 70,550). The message does not state the clock. 4.0 GHz is assumed, the base clock of that
 * generation's fastest desktop part: it turns cycles into ns here, and cancels out where cycles are
 * compared with cycles.
 */
export const SKYLAKE_GHZ = 4;
const K14 = "shootdown.md 3.2 [K14]: Hansen, INVPCID vs. deferred CR3 write, 2017-12-05";
const CLOCK = "4.0 GHz assumed";
const HASWELL = "assumed: as haswell-2019, whose T1 gives it; nothing published for Skylake";
const FULL = "shootdown.md 3.1 [L19]: INVPCID all-contexts 376 ns, Skylake laptop 2016";

const prices: CostProfile["prices"] = {
  ipi: { ns: 178, source: HASWELL },
  csd: { ns: 82, source: HASWELL },
  deliver: { ns: 160, source: HASWELL },
  "csq.take": { ns: 60, source: HASWELL },
  "csd.unlock": { ns: 22, source: HASWELL },
  ack: { ns: 60, source: "shootdown.md 3.1 [W5]: cache-line round trip 40 to 80 ns" },
  flushFull: { ns: 376, source: FULL },
  switchFlush: { ns: 376, source: FULL },
  walk: { ns: 17, source: "shootdown.md 3.1 [L8]: dTLB miss 17.1 ns, Ivy Bridge" },
  "mmap.read.lock": { ns: 75, source: HASWELL },
  "mmap.write.lock": { ns: 75, source: HASWELL },
  "ptl.lock": { ns: 20, source: HASWELL },
  "pte.clear": { ns: 15, source: HASWELL },
  "pte.set": { ns: 15, source: HASWELL },
  "pte.set.vma": { ns: 15, source: HASWELL },
  "frame.alloc": { ns: 95, source: HASWELL },
  freePage: { ns: 55, source: HASWELL },
  "gather.begin": { ns: 15, source: HASWELL },
  "gather.end": { ns: 10, source: HASWELL },
  poll: { ns: 60, source: "shootdown.md 3.1 [W5]: cache-line round trip 40 to 80 ns" },
  broadcast: { ns: 40, source: "assumed: as haswell-2019; no figure is published" },
  broadcastSync: { ns: 400, source: "assumed: as haswell-2019; no figure is published" },
  park: { ns: 132, source: "shootdown.md 3.1: LATR, saving a state (recalled)" },
  sweep: { ns: 158, source: "shootdown.md 3.1: LATR, a sweep (recalled)" },
  tick: { ns: 1_000_000, source: "assumed: CONFIG_HZ 1000" },
  ...topologyPrices(60, "within a socket"),
  devZap: { ns: 1000, source: "assumed: one IOTLB invalidation and its wait descriptor" },
  ...devicePrices(1_000, "one IOTLB invalidation"),
};

const CR3 = "assumed: a CR3 write that keeps its PCID, 160 cycles; none is published";

/**
 * One INVLPG a page. What the other half costs under policies with page-table isolation is apart:
 * INVPCID, and a CR3 write each way.
 */
export const skylake2017: CostProfile = {
  name: "skylake-2017",
  title: "Skylake desktop, bare metal; the prices of PTI are apart",
  source: K14,
  prices: {
    ...prices,
    flushFixed: { ns: 79, source: `${K14}: 317 cycles, ${CLOCK}` },
    flushPage: { ns: 49, source: `${K14}: 196.5 cycles a page, INVLPG, ${CLOCK}` },
    flushUser: { ns: 87, source: `${K14}: 544 - 196.5 cycles a page, INVPCID, ${CLOCK}` },
    "pti.enter": { ns: 40, source: CR3 },
    "pti.exit": { ns: 40, source: CR3 },
  },
};

/**
 * With it, for policies that know nothing of it: INVPCID for the user half of each page too.
 * Interrupts also pay CR3 writes, for which there is no clean figure: they are in `deliver` as far
 * as haswell-2019, which had PTI, has them.
 */
export const skylake2017Pti: CostProfile = {
  name: "skylake-2017-pti",
  title: "Skylake desktop, bare metal, PTI on",
  source: K14,
  prices: {
    ...prices,
    flushFixed: { ns: 88, source: `${K14}: 350 cycles, ${CLOCK}` },
    flushPage: { ns: 136, source: `${K14}: 544 cycles a page, INVLPG + INVPCID, ${CLOCK}` },
  },
};
