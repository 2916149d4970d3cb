/** Shapes of what step files of `vfio` say: processes, groups, devices, mappings. */
import { z } from "zod";
import { vfioKnobValues, type VfioKnobs } from "../eras.js";
import type { VfioProt } from "../map.js";
import {
  type Amount,
  behaviourShape,
  type BehaviourText,
  type Call,
  callsShape,
  type ProcessText,
  processShape,
} from "../../step-files/index.js";

type AmountShape = z.ZodType<Amount>;

/** A group. */
export interface GroupText {
  readonly name: string;
  readonly kind: "real" | "emulated";
  readonly iommu?: string | undefined;
  readonly coherent?: boolean | undefined;
  readonly aperture?: readonly [Amount, Amount] | undefined;
  readonly reserved?: readonly (readonly [Amount, Amount])[] | undefined;
  readonly pageSize?: Amount | undefined;
  readonly isolated?: boolean | undefined;
  readonly allowUnsafeInterrupts?: boolean | undefined;
}

export function groupShape(amount: AmountShape) {
  return z.strictObject({
    name: z.string(),
    kind: z.enum(["real", "emulated"]),
    iommu: z.string().optional(),
    coherent: z.boolean().optional(),
    aperture: z.tuple([amount, amount]).optional(),
    reserved: z.array(z.tuple([amount, amount])).optional(),
    pageSize: amount.optional(),
    isolated: z.boolean().optional(),
    allowUnsafeInterrupts: z.boolean().optional(),
  });
}

/** A device. */
export interface DeviceText {
  readonly group?: string | undefined;
  readonly onUnmap?: BehaviourText | undefined;
  readonly listens?: boolean | undefined;
  /** Calls that it makes while it is closed. */
  readonly onClose?: readonly Call[] | undefined;
}

export function deviceFields(amount: AmountShape) {
  return {
    group: z.string().optional(),
    onUnmap: behaviourShape(amount).optional(),
    listens: z.boolean().optional(),
    onClose: callsShape.optional(),
  };
}

/** MAP_DMA. Bytes. */
export interface MapText {
  readonly iova: Amount;
  /** As `iova` by default. */
  readonly vaddr?: Amount | undefined;
  readonly size: Amount;
  readonly prot?: VfioProt | undefined;
  readonly updateVaddr?: boolean | undefined;
  readonly process?: string | undefined;
  readonly unknownFlags?: Amount | undefined;
  readonly argsz?: Amount | undefined;
}

export const protShape = z.enum(["", "r", "w", "rw"]);

export function mapShape(amount: AmountShape) {
  return z.strictObject({
    iova: amount,
    vaddr: amount.optional(),
    size: amount,
    prot: protShape.optional(),
    updateVaddr: z.boolean().optional(),
    process: z.string().optional(),
    unknownFlags: amount.optional(),
    argsz: amount.optional(),
  });
}

/** `setup` of a file. */
export interface SetupText {
  readonly driver?: "type1" | "type1v2" | "none" | undefined;
  readonly wordBits?: 32 | 64 | undefined;
  readonly knobs?: Partial<VfioKnobs> | undefined;
  /** One called `qemu` by default. The first maps and unmaps, if a step names nobody else. */
  readonly processes?: Readonly<Record<string, ProcessText>> | undefined;
  /** Closed ranges of reserved frames. */
  readonly reservedFrames?: readonly (readonly [Amount, Amount])[] | undefined;
  /** One emulated group `mdev` by default. */
  readonly groups?: readonly GroupText[] | undefined;
  /** One device `A` in the first group by default, which unpins when it is told. */
  readonly devices?: Readonly<Record<string, DeviceText>> | undefined;
  readonly mappings?: readonly MapText[] | undefined;
  /** Most nodes that pins may take, if they are kept as a tree. */
  readonly maxNodes?: Amount | undefined;
  /** Calls made by others where somebody sleeps. */
  readonly onSleep?: readonly Call[] | undefined;
}

function knobsShape() {
  const shapes = Object.entries(vfioKnobValues()).map(([name, values]) => {
    if (typeof values[0] === "boolean") return [name, z.boolean().optional()];
    if (typeof values[0] === "string") return [name, z.enum(values as string[]).optional()];
    const [least, most] = values as number[];
    return [name, z.number().int().min(least).max(most).optional()];
  });
  return z.strictObject(Object.fromEntries(shapes) as Record<string, z.ZodType>);
}

/** Shape of {@link SetupText}. */
export function setupShape(amount: AmountShape): z.ZodType<SetupText> {
  return z.strictObject({
    driver: z.enum(["type1", "type1v2", "none"]).optional(),
    wordBits: z.union([z.literal(32), z.literal(64)]).optional(),
    knobs: knobsShape().optional(),
    processes: z.record(z.string(), processShape(amount)).optional(),
    reservedFrames: z.array(z.tuple([amount, amount])).optional(),
    groups: z.array(groupShape(amount)).optional(),
    devices: z.record(z.string(), z.strictObject(deviceFields(amount))).optional(),
    mappings: z.array(mapShape(amount)).optional(),
    maxNodes: amount.optional(),
    onSleep: callsShape.optional(),
  });
}
