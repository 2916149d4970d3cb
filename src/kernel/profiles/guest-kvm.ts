import type { CostProfile } from "../profile.js";
import { devicePrices } from "./devices.js";
import { topologyPrices } from "./topology.js";

const T10 = "shootdown.md 3.1 and T10: measured in a 2-vCPU KVM guest on AMD EPYC, Linux 6.18";

const POSTED = `${T10}; docs/profiles.md: who sends within 2 us of another is interrupted first`;

/** A virtual machine: sending an interrupt is an exit, and delivery is dear. */
export const guestKvm: CostProfile = {
  name: "guest-kvm",
  title: "KVM guest, PTI off",
  source: T10,
  prices: {
    ipi: { ns: 12_000, source: `${T10}: enqueue to own flush start, p50 13 us` },
    csd: { ns: 1_000, source: `${T10}: enqueue to ipi_send, p50 1.0 us` },
    post: { ns: 10_000, source: POSTED },
    deliver: { ns: 6_000, source: `${T10}: enqueue to remote csd entry, p50 19 us` },
    "csq.take": { ns: 200, source: `${T10}: remote csd entry to exit, at most 1 us` },
    "csd.unlock": { ns: 100, source: T10 },
    ack: { ns: 100, source: "shootdown.md 3.1: cache-line round trip, 40 to 80 ns" },
    flushFixed: { ns: 120, source: "shootdown.md 3.1: about 317 cycles" },
    // 34 pages are flushed whole, which saves 34 of these but for the 34th entry's own 149 ns:
    // (1522 + 149 + 400) / 34. The 196 cycles of a desktop are as much at 3.2 GHz.
    flushPage: { ns: 61, source: `${T10}: mprotect of 33 pages 7644 ns, of 34 pages 6122 ns` },
    flushFull: { ns: 400, source: "shootdown.md 3.1: INVPCID all-contexts 376 ns" },
    switchFlush: { ns: 400, source: "shootdown.md 3.1: INVPCID all-contexts 376 ns" },
    walk: { ns: 60, source: "assumed: nested walk, several dTLB misses of 17 ns" },
    "mmap.read.lock": { ns: 600, source: `${T10}: madvise of one page takes 1903 ns` },
    "mmap.write.lock": { ns: 900, source: `${T10}: mprotect of one page takes 2885 ns` },
    "ptl.lock": { ns: 60, source: T10 },
    "pte.clear": {
      ns: 120,
      source: `${T10}, recordings: from entry to flush 52 us for 197 pages, 20 us for 512`,
    },
    "pte.set": { ns: 40, source: T10 },
    "pte.set.vma": { ns: 40, source: T10 },
    "pte.copy": { ns: 30, source: T10 },
    "pte.protect": { ns: 88, source: `${T10}: mprotect, 149 ns a page, less its flush` },
    "frame.alloc": {
      ns: 700,
      source: `${T10}, recordings: from a fault that copies to its flush 1 to 2 us`,
    },
    freePage: { ns: 90, source: T10 },
    "gather.begin": { ns: 50, source: T10 },
    "gather.end": { ns: 50, source: T10 },
    park: { ns: 132, source: "shootdown.md 3.1: LATR, saving a state (recalled)" },
    sweep: { ns: 158, source: "shootdown.md 3.1: LATR, a sweep (recalled)" },
    tick: { ns: 1_000_000, source: "assumed: CONFIG_HZ 1000" },
    broadcast: { ns: 40, source: "assumed: no figure is published for INVLPGB or TLBI" },
    broadcastSync: { ns: 600, source: "assumed: TLBSYNC, which a guest executes itself" },
    ...topologyPrices(60, "within a socket"),
    devZap: { ns: 2_000, source: "assumed: one invalidation through a virtual IOMMU queue" },
    ...devicePrices(2_000, "one through a virtual queue"),
  },
};
