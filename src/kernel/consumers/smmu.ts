import { sharingConsumer } from "./family.js";

const SOURCE = "notifiers.md 4.3; Linux drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-sva.c";

/** Arm SMMUv3: size 0 reads as "everything". */
export const smmu = sharingConsumer({
  name: "smmu",
  title: "Arm SMMUv3: a range; an empty one stands for everything; a device cache",
  source: SOURCE,
  emptyMeans: "all",
  largeMeansAll: true,
  atc: true,
});

/** The same without what makes up for a lack of notifications on permission upgrades. */
export const smmuArm64 = sharingConsumer({
  name: "smmu-arm64",
  title: "Arm SMMUv3 that caches a lack of permission and does not walk again",
  source: "notifiers.md S19; Linux 6bbd42e2df8f",
  emptyMeans: "all",
  largeMeansAll: true,
  cachesReadOnly: true,
  retriesMost: 3,
});

/** Its IOTLB takes part in the CPUs' broadcasts (BTM); the device's own cache does not. */
export const smmuBtm = sharingConsumer({
  name: "smmu-btm",
  title: "Arm SMMUv3 whose IOTLB hears the CPUs' broadcasts; a device cache that does not",
  source: "notifiers.md 4.3, BTM",
  emptyMeans: "all",
  largeMeansAll: true,
  snoops: true,
  atc: true,
});

/** BTM without a device cache, as above for permissions: what S19 makes an exception of. */
export const smmuBtmArm64 = sharingConsumer({
  name: "smmu-btm-arm64",
  title: "Arm SMMUv3 as smmu-arm64, but its IOTLB hears the CPUs' broadcasts",
  source: "notifiers.md S19, BTM",
  snoops: true,
  cachesReadOnly: true,
  retriesMost: 3,
});

/** Trusts the broadcasts for everything. */
export const smmuBtmSilent = sharingConsumer({
  name: "smmu-btm-silent",
  title: "as smmu-btm, but notifications do not reach the device's own cache",
  source: "notifiers.md 4.3, mutant: the ATC must still be flushed",
  mutant: true,
  snoops: true,
  atc: true,
  tellsAtc: false,
});
