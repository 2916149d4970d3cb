/** Shapes of what step files of `iommufd` say: processes, address spaces, drivers, devices. */
import { z } from "zod";
import {
  type Amount,
  behaviourShape,
  type BehaviourText,
  type ProcessText,
  processShape,
} from "../../step-files/index.js";
import type { IommufdPolicy } from "../era.js";

type AmountShape = z.ZodType<Amount>;

/** A driver's access. */
export interface AccessText {
  /** Its address space; the first by default; null: it is attached to none. */
  readonly ioas?: string | null | undefined;
  readonly pins?: boolean | undefined;
  readonly internal?: boolean | undefined;
  readonly onUnmap?: BehaviourText | undefined;
}

/** A device behind an IOMMU. */
export interface DeviceText {
  /** What it is attached to, an address space or a page table; none by default. */
  readonly attach?: string | undefined;
  readonly pageSizes?: readonly Amount[] | undefined;
  readonly aperture?: readonly [Amount, Amount] | undefined;
  readonly reserved?: readonly (readonly [Amount, Amount])[] | undefined;
  readonly dirtyTracking?: boolean | undefined;
  readonly ownDomain?: boolean | undefined;
}

/** A process: as in step files of vfio, and whose it is. */
export interface TaskText extends ProcessText {
  /** User whose locked pages it is charged to; one called `user` by default. */
  readonly user?: string | undefined;
  readonly capSysResource?: boolean | undefined;
}

/** IOMMU_IOAS_MAP. Bytes. */
export interface MapText {
  readonly ioas?: string | undefined;
  /** Without it the kernel finds a place. */
  readonly iova?: Amount | undefined;
  /** As `iova` by default. */
  readonly vaddr?: Amount | undefined;
  readonly size: Amount;
  readonly prot?: "" | "r" | "w" | "rw" | undefined;
  readonly process?: string | undefined;
}

/** `setup` of a file. */
export interface SetupText {
  readonly openedAs?: "iommu" | "vfio" | undefined;
  readonly knobs?: Partial<IommufdPolicy> | undefined;
  readonly tempMemoryLimit?: Amount | undefined;
  /** One called `qemu` by default. The first opens iommufd, and calls if no step names another. */
  readonly processes?: Readonly<Record<string, TaskText>> | undefined;
  /** Files by name: how many pages each has. */
  readonly files?: Readonly<Record<string, Amount>> | undefined;
  /** Address spaces; one called `ioas` by default. */
  readonly ioases?: readonly string[] | undefined;
  /** Drivers; one called `A` by default, which unpins when it is told. */
  readonly accesses?: Readonly<Record<string, AccessText>> | undefined;
  /** Devices; none by default. */
  readonly devices?: Readonly<Record<string, DeviceText>> | undefined;
  readonly mappings?: readonly MapText[] | undefined;
}

export function accessFields(amount: AmountShape) {
  return {
    ioas: z.string().nullable().optional(),
    pins: z.boolean().optional(),
    internal: z.boolean().optional(),
    onUnmap: behaviourShape(amount).optional(),
  };
}

export function deviceFields(amount: AmountShape) {
  return {
    attach: z.string().optional(),
    pageSizes: z.array(amount).optional(),
    aperture: z.tuple([amount, amount]).optional(),
    reserved: z.array(z.tuple([amount, amount])).optional(),
    dirtyTracking: z.boolean().optional(),
    ownDomain: z.boolean().optional(),
  };
}

export function mapFields(amount: AmountShape) {
  return {
    ioas: z.string().optional(),
    iova: amount.optional(),
    vaddr: amount.optional(),
    size: amount,
    prot: z.enum(["", "r", "w", "rw"]).optional(),
    process: z.string().optional(),
  };
}

/** Shape of {@link SetupText}. */
export function setupShape(amount: AmountShape): z.ZodType<SetupText> {
  const task = processShape(amount).extend({
    user: z.string().optional(),
    capSysResource: z.boolean().optional(),
  });
  const knobs = z.strictObject({
    rounds: z.number().int().min(1).optional(),
    emptyCompatUnmap: z.enum(["ENOENT", "success"]).optional(),
    needsAccess: z.boolean().optional(),
    files: z.boolean().optional(),
  });
  return z.strictObject({
    openedAs: z.enum(["iommu", "vfio"]).optional(),
    knobs: knobs.optional(),
    tempMemoryLimit: amount.optional(),
    processes: z.record(z.string(), task).optional(),
    files: z.record(z.string(), amount).optional(),
    ioases: z.array(z.string()).optional(),
    accesses: z.record(z.string(), z.strictObject(accessFields(amount))).optional(),
    devices: z.record(z.string(), z.strictObject(deviceFields(amount))).optional(),
    mappings: z.array(z.strictObject(mapFields(amount))).optional(),
  });
}
