/**
 * Prices of notifications, for consumers that say which they are made of (docs/consumers.md). The
 * book has orders of magnitude only: an IOMMU's queue is about a microsecond with its wait, a GPU's
 * invalidation several, a register write a part of one.
 */
import type { CostProfile } from "../profile.js";

/** `zapNs`: what an IOMMU's command and the wait for it take together. */
export function devicePrices(zapNs: number, what: string): CostProfile["prices"] {
  const command = Math.round(zapNs / 5);
  return {
    iommuCommand: { ns: command, source: `assumed: a fifth of ${what}, to write the command` },
    iommuSync: { ns: zapNs - command, source: `assumed: the rest of ${what}, to wait for it` },
    gpuInvalidate: { ns: 5_000, source: "assumed: a request to a GPU's MMU, polled for: some us" },
    mmioPage: { ns: 300, source: "assumed: one uncached register write over a link, per page" },
    atcInvalidate: { ns: 1_500, source: "assumed: a message over PCIe and its completion" },
  };
}
