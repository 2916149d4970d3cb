import { sharingConsumer } from "./family.js";

/** A GPU behind ATS: what a notification costs is its own TLB invalidation. */
export const gpuAts = sharingConsumer({
  name: "gpu-ats",
  title: "GPU that walks the CPUs' page tables (ATS): TLB invalidations take microseconds",
  source: "notifiers.md 4.3 and 6.2; the price is assumed",
  price: "gpu",
});
