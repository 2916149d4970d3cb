/** Backend features of vhost-vdpa: who has them, and what SET_BACKEND_FEATURES takes. */
import { done, failed, type Outcome } from "../uapi/outcome.js";
import type { VdpaEra } from "./eras.js";
import { bitsOf, featureMask, hasBit, VDPA_FEATURES, type VdpaFeature } from "./feature-bits.js";
import { has, type VdpaParent } from "./parent.js";

/**
 * Do mappings survive a reset of the device? Yes where the IOMMU of the platform keeps them, where
 * the parent can put back its default translation by itself (`resetMap`), or where it says so.
 */
export function isPersistentCapable(parent: VdpaParent): boolean {
  const own = featureMask(parent.backendFeatures ?? 0n);
  const isPlatform = !has(parent, "setMap") && !has(parent, "dmaMap");
  return isPlatform || has(parent, "resetMap") || hasBit(own, VDPA_FEATURES.IOTLB_PERSIST);
}

/** What GET_BACKEND_FEATURES gives. */
export function offeredFeatures(parent: VdpaParent, era: VdpaEra): bigint {
  const bits: number[] = [VDPA_FEATURES.IOTLB_MSG_V2, VDPA_FEATURES.IOTLB_BATCH];
  bits.push(VDPA_FEATURES.IOTLB_ASID);
  if (has(parent, "suspend")) bits.push(VDPA_FEATURES.SUSPEND);
  if (has(parent, "resume")) bits.push(VDPA_FEATURES.RESUME);
  if (parent.hasDescriptorGroup === true) bits.push(VDPA_FEATURES.DESC_ASID);
  if (isPersistentCapable(parent)) bits.push(VDPA_FEATURES.IOTLB_PERSIST);
  const mask = featureMask(bits) | featureMask(parent.backendFeatures ?? 0n);
  return mask & featureMask(era.features);
}

/**
 * The checks of SET_BACKEND_FEATURES, in the kernel's order: a bit this kernel does not know, then
 * suspend, resume, descriptors without address spaces, descriptors, persistence. Bits 1, 2, 3 and 6
 * are not looked at, nor is what was set before: a later SET replaces an earlier one.
 */
export function checkFeatures(parent: VdpaParent, era: VdpaEra, mask: bigint): Outcome<void> {
  const wants = (name: VdpaFeature): boolean => hasBit(mask, VDPA_FEATURES[name]);
  const unknown = bitsOf(mask & ~featureMask(era.features));
  if (unknown.length > 0) {
    return failed("EOPNOTSUPP", "unknown-feature", `no such feature: bit ${unknown.join(", ")}`);
  }
  if (wants("SUSPEND") && !has(parent, "suspend")) return refused("SUSPEND");
  if (wants("RESUME") && !has(parent, "resume")) return refused("RESUME");
  if (wants("DESC_ASID") && !wants("IOTLB_ASID")) {
    return failed("EINVAL", "desc-asid-without-asid", "DESC_ASID needs IOTLB_ASID");
  }
  if (wants("DESC_ASID") && parent.hasDescriptorGroup !== true) return refused("DESC_ASID");
  if (wants("IOTLB_PERSIST") && !isPersistentCapable(parent)) return refused("IOTLB_PERSIST");
  return done(undefined);
}

function refused(name: VdpaFeature): Outcome<void> {
  const message = `the parent does not have what ${name} needs (bit ${VDPA_FEATURES[name]})`;
  return failed("EOPNOTSUPP", "unsupported-feature", message);
}
