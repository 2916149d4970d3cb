import { sharingConsumer } from "./family.js";

/** Intel SVA: (~0, ~0) has no page in it. */
export const svaIntel = sharingConsumer({
  name: "sva-intel",
  title: "Intel SVA: blocks of 2^n pages; an empty range is nothing; a device cache",
  source: "notifiers.md 4.3; Linux drivers/iommu/intel/svm.c",
  granularity: "blocks",
  atc: true,
});

/** The IOTLB is flushed, the device is not told. */
export const svaIntelSilent = sharingConsumer({
  name: "sva-intel-silent",
  title: "Intel SVA whose notifications do not reach the device's own cache",
  source: "notifiers.md 4.3, mutant: the ATC is forgotten",
  mutant: true,
  granularity: "blocks",
  atc: true,
  tellsAtc: false,
});
