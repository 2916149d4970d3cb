/** Kernels that differ in vhost-vdpa, by name. */
import type { VdpaFeature } from "./feature-bits.js";

/** What one kernel does. */
export interface VdpaEra {
  readonly name: string;
  /** Backend features it knows of. */
  readonly features: readonly VdpaFeature[];
  /** Are there address spaces other than 0 (since 5.19)? */
  readonly asids: boolean;
  /**
   * What an unmapping asks of a dma_map parent or the IOMMU: `entry`, one call an entry (since
   * 6.4); `request`, one call for the message's range, and none when the file is closed.
   */
  readonly unmaps: "entry" | "request";
  /** Does it know reset_map and compat_reset (since 6.7)? */
  readonly resetOps: boolean;
}

const V515: readonly VdpaFeature[] = ["IOTLB_MSG_V2", "IOTLB_BATCH"];
const V66: readonly VdpaFeature[] = [
  ...V515,
  "IOTLB_ASID",
  "SUSPEND",
  "RESUME",
  "ENABLE_AFTER_DRIVER_OK",
];
const V67: readonly VdpaFeature[] = [...V66, "DESC_ASID", "IOTLB_PERSIST"];

/** Kernels by name; vfio-vdpa.md 3 describes 7.0, which is as 6.7. */
export const VDPA_ERAS = {
  "5.15": { name: "5.15", features: V515, asids: false, unmaps: "request", resetOps: false },
  "6.6": { name: "6.6", features: V66, asids: true, unmaps: "entry", resetOps: false },
  "6.7": { name: "6.7", features: V67, asids: true, unmaps: "entry", resetOps: true },
  "7.0": { name: "7.0", features: V67, asids: true, unmaps: "entry", resetOps: true },
} as const satisfies Record<string, VdpaEra>;

/** One of {@link VDPA_ERAS}. */
export type VdpaEraName = keyof typeof VDPA_ERAS;

export const VDPA_ERA_NAMES = Object.keys(VDPA_ERAS) as readonly VdpaEraName[];
