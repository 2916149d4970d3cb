/** Backend features by name and bit, and masks of them. */
import { ArgumentError } from "../errors.js";

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
