/** A device with a process that has memory, and short ways to talk to it. */
import {
  HostFrames,
  ModelParent,
  type ModelParentOptions,
  type Outcome,
  parentPreset,
  UserMm,
  VhostVdpa,
  type VhostVdpaOptions,
} from "../../src/index.js";

export const PAGE = 4096;
/** Where the process has its memory: 4,096 pages of a shared mapping of a file. */
export const UA = 0x4000_0000;

export interface Rig {
  readonly device: VhostVdpa;
  readonly parent: ModelParent;
  readonly mm: UserMm;
  readonly frames: HostFrames;
  update(iova: number | bigint, pages: number, asid?: number, uaddr?: number): Outcome<number>;
  invalidate(iova: number | bigint, size: number | bigint, asid?: number): Outcome<number>;
}

export interface RigOptions extends Partial<Omit<VhostVdpaOptions, "parent">> {
  /** Over the preset's. */
  readonly with?: Partial<ModelParentOptions>;
  readonly acks?: readonly number[];
  readonly runs?: readonly number[];
  readonly rlimit?: number;
  /** False: nobody has opened it. */
  readonly opened?: boolean;
}

/** A device of a preset, opened by a process with 4,096 pages. */
export async function rig(preset: string, options: RigOptions = {}): Promise<Rig> {
  const { with: over, acks = [], runs, rlimit, opened = true, ...rest } = options;
  const parent = await ModelParent.create({ ...parentPreset(preset)!, ...over });
  const frames = new HostFrames();
  const device = await VhostVdpa.create({ parent, frames, trace: true, ...rest });
  const mm = new UserMm(frames, rlimit === undefined ? {} : { rlimitMemlock: rlimit });
  mm.map({
    at: UA / PAGE,
    pages: 4_096,
    kind: "file",
    shared: true,
    ...(runs === undefined ? {} : { runs }),
  });
  if (opened) {
    device.open();
    device.setOwner(mm);
    const set = device.setBackendFeatures(acks);
    if (!set.ok) throw new Error(`${preset}: ${set.message}`);
    device.clearCounts();
    device.clearTrace();
  }
  return {
    device,
    parent,
    mm,
    frames,
    update: (iova, pages, asid = 0, uaddr = UA) =>
      device.write({ type: "update", iova, size: pages * PAGE, uaddr, asid }),
    invalidate: (iova, size, asid = 0) => device.write({ type: "invalidate", iova, size, asid }),
  };
}

/** What an outcome is inside: its errno there, or "ok". */
export function inside(outcome: Outcome<unknown>): string {
  return outcome.ok ? "ok" : outcome.inner;
}
