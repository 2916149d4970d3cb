/** Backend features of vhost-vdpa: who has them, and what SET_BACKEND_FEATURES takes. */
import { ArgumentError } from "../errors.js";
import { done, failed, type Outcome } from "../uapi/outcome.js";
import type { VdpaEra } from "./eras.js";
import { has, type VdpaParent } from "./parent.js";

/** Bit numbers of VHOST_BACKEND_F_…, by name. */
export const VDPA_FEATURES = {
  IOTLB_MSG_V2: 1,
  IOTLB_BATCH: 2,
  IOTLB_ASID: 3,
  SUSPEND: 4,
  RESUME: 5,
  ENABLE_AFTER_DRIVER_OK: 6,
  DESC_ASID: 7,
  IOTLB_PERSIST: 8,
} as const;

/** A backend feature's name. */
export type VdpaFeature = keyof typeof VDPA_FEATURES;

/** Names in the order of their bits. */
export const VDPA_FEATURE_NAMES = Object.keys(VDPA_FEATURES) as readonly VdpaFeature[];

/** Features as a mask, names or bit numbers. */
export type FeatureSet = bigint | readonly (VdpaFeature | number)[];

/** The mask of features. @throws ArgumentError E_TYPE, E_LIMIT */
export function featureMask(features: FeatureSet): bigint {
  if (typeof features === "bigint") {
    if (features >= 0n && features < 2n ** 64n) return features;
    throw new ArgumentError("E_LIMIT", `features must be a mask of 64 bits, got ${features}`, {
      argument: "features",
    });
  }
  if (!Array.isArray(features)) failFeature(features);
  let mask = 0n;
  for (const each of features as readonly (VdpaFeature | number)[]) mask |= 1n << bitOf(each);
  return mask;
}

function bitOf(feature: VdpaFeature | number): bigint {
  const bit = typeof feature === "number" ? feature : VDPA_FEATURES[feature];
  if (Number.isInteger(bit) && bit >= 0 && bit < 64) return BigInt(bit);
  failFeature(feature);
}

function failFeature(value: unknown): never {
  const known = VDPA_FEATURE_NAMES.join(", ");
  const message = `features must be a mask (bigint), or a list of bits and of ${known}; `;
  throw new ArgumentError("E_TYPE", `${message}got ${String(value)}`, { argument: "features" });
}

/** Bit numbers in a mask, ascending. */
export function bitsOf(mask: bigint): number[] {
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => hasBit(mask, bit));
}

/** Is a bit in a mask? */
export function hasBit(mask: bigint, bit: number): boolean {
  return ((mask >> BigInt(bit)) & 1n) !== 0n;
}

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
