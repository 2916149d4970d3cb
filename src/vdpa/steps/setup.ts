/** What step files of `system: vdpa` can say of the host before the first step. */
import { z } from "zod";
import { type Amount, type ProcessText, processShape } from "../../step-files/index.js";
import type { VdpaFeature } from "../feature-bits.js";
import { VDPA_FEATURE_NAMES } from "../feature-bits.js";
import type { ModelParentOptions } from "../model-parent.js";
import { VDPA_PARENTS } from "../parents.js";

/** A process, with pages that something else pins already. */
export interface OwnerText extends ProcessText {
  readonly pinnedVm?: Amount | undefined;
}

/** Properties of a parent. */
export interface ParentText {
  readonly preset?: string | undefined;
  readonly mapping?: ModelParentOptions["mapping"] | undefined;
  readonly useVa?: boolean | undefined;
  readonly identity?: "all" | "first" | "none" | undefined;
  readonly resetClears?: "always" | "if-told" | "never" | undefined;
  readonly resetMap?: boolean | undefined;
  readonly failedSetMap?: "keeps" | "empties" | undefined;
  readonly groups?: Amount | undefined;
  readonly addressSpaces?: Amount | undefined;
  readonly virtqueues?: Amount | undefined;
  readonly range?: Amount[] | undefined;
  readonly features?: VdpaFeature[] | undefined;
  readonly suspend?: boolean | undefined;
  readonly resume?: boolean | undefined;
  readonly hasDescriptorGroup?: boolean | undefined;
  readonly setGroupAsid?: boolean | undefined;
}

/** The setup of a file. */
export interface VdpaSetup {
  readonly parent?: string | ParentText | undefined;
  readonly processes?: Record<string, OwnerText> | undefined;
  /** Is the device opened, with the first process as its owner? */
  readonly opened?: boolean | undefined;
  /** Features acknowledged then. */
  readonly acks?: (VdpaFeature | number)[] | undefined;
  /** Is the driver started then (DRIVER_OK)? */
  readonly started?: boolean | undefined;
  readonly failedRun?: "unpinned" | "leaked" | undefined;
  readonly coherentIommu?: boolean | undefined;
  readonly aperture?: Amount[] | undefined;
}

/** Where the memory of a process that says nothing of it begins, bytes, and its size. */
export const MEMORY_AT = 0x7f00_0000_0000;
export const MEMORY_SIZE = 2 ** 40;

/** A file may call parents by name or symbol. */
export const PARENT_NAMES = [...VDPA_PARENTS.values()].flatMap(({ name, symbol }) =>
  symbol === undefined ? [name] : [symbol, name],
);

export const featureList = z.array(z.union([z.enum(VDPA_FEATURE_NAMES), z.int().min(0).max(63)]));

function parentShape(amount: z.ZodType<Amount>): z.ZodType<ParentText> {
  return z.strictObject({
    preset: z.enum(PARENT_NAMES).optional(),
    mapping: z.enum(["platform", "set-map", "dma-map"]).optional(),
    useVa: z.boolean().optional(),
    identity: z.enum(["all", "first", "none"]).optional(),
    resetClears: z.enum(["always", "if-told", "never"]).optional(),
    resetMap: z.boolean().optional(),
    failedSetMap: z.enum(["keeps", "empties"]).optional(),
    groups: amount.optional(),
    addressSpaces: amount.optional(),
    virtqueues: amount.optional(),
    range: z.array(amount).length(2).optional(),
    features: z.array(z.enum(VDPA_FEATURE_NAMES)).optional(),
    suspend: z.boolean().optional(),
    resume: z.boolean().optional(),
    hasDescriptorGroup: z.boolean().optional(),
    setGroupAsid: z.boolean().optional(),
  });
}

/** See the file comment. */
export function setupShape(amount: z.ZodType<Amount>): z.ZodType<VdpaSetup> {
  const process = processShape(amount).extend({ pinnedVm: amount.optional() });
  return z.strictObject({
    parent: z.union([z.enum(PARENT_NAMES), parentShape(amount)]).optional(),
    processes: z.record(z.string(), process).optional(),
    opened: z.boolean().optional(),
    acks: featureList.optional(),
    started: z.boolean().optional(),
    failedRun: z.enum(["unpinned", "leaked"]).optional(),
    coherentIommu: z.boolean().optional(),
    aperture: z.array(amount).length(2).optional(),
  });
}
