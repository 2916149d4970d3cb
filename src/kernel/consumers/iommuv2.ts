import { sharingConsumer } from "./family.js";

/** Re-faults that such a GPU allows; the real ones' numbers are not known. */
const RETRIES = 3;

/** AMD IOMMUv2: (~0, ~0) is one page to it, the last. */
export const iommuv2 = sharingConsumer({
  name: "iommuv2",
  title: "AMD IOMMUv2: one page is flushed, or the whole PASID",
  source: "notifiers.md 4.2; Linux drivers/iommu/amd_iommu_v2.c",
  granularity: "page-or-all",
  retriesMost: RETRIES,
});
