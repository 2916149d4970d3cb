/**
 * What becomes of mappings at a reset, at a close, and over a stop and start, for each kind of
 * parent and with IOTLB_PERSIST acknowledged or not: found by doing it.
 */
import type { Errno } from "../uapi/errno.js";
import type { VdpaCounts } from "./counts.js";
import type { VdpaEraName } from "./eras.js";
import { hasBit, VDPA_FEATURES } from "./feature-bits.js";
import { type Guest, makeGuest } from "./guest.js";
import { ModelParent } from "./model-parent.js";
import { parentPreset, type ParentPreset } from "./parents.js";
import type { VdpaEntry } from "./parent.js";
import { VdpaUserspace, type VdpaStrategy, vdpaStrategy } from "./userspace.js";
import { VhostVdpa } from "./vhost-vdpa.js";

/** The state of a table, compared with what it was before. */
export type TableState = "kept" | "identity" | "empty" | "other";

/** Is bit 8 offered, and acknowledged? */
export type PersistState = "not offered" | "offered" | "acked";

/** One row of a table. */
export interface TruthRow {
  /** Symbol or name of the parent. */
  readonly parent: string;
  readonly era: VdpaEraName;
  readonly persist: PersistState;
  /** The core's table, all address spaces together. */
  readonly core: TableState;
  /** What the device translates. */
  readonly device: TableState;
  readonly consistent: boolean;
  /** Operations, those that happened. */
  readonly ops: Partial<VdpaCounts>;
}

/** What userspace can do about a reset after which the views differ. */
export interface FollowUpRow {
  readonly parent: string;
  /** Errno inside of an UPDATE of a range that was mapped; null: it was taken. */
  readonly updateAgain: Errno | null;
  /** Are the views the same after it was invalidated and updated? And after the other ranges? */
  readonly invalidateUpdate: boolean;
  readonly all: boolean;
  /** Are they after another range is mapped? */
  readonly updateOther: boolean;
  /** Are they after BATCH_BEGIN and BATCH_END with nothing between? */
  readonly emptyBatch: boolean;
}

/** A stop and start. */
export interface CycleRow extends TruthRow {
  readonly strategy: string;
}

/** All of it. */
export interface TruthTable {
  /** Regions, entries, pages and address spaces of the guest that is mapped. */
  readonly guest: { regions: number; entries: number; pages: number; addressSpaces: number };
  readonly reset: readonly TruthRow[];
  readonly followUps: readonly FollowUpRow[];
  readonly close: readonly TruthRow[];
  readonly cycle: readonly CycleRow[];
}

/** Two regions, of which each takes two entries and is behind the other. */
const REGIONS = [6, 4];
const RUNS = [3];

const SYMBOLS = ["P", "S0", "D0", "S1", "D1", "V", "M1", "M0"] as const;

/** A device with a guest mapped. */
export class TruthRig {
  private constructor(
    readonly device: VhostVdpa,
    readonly parent: ModelParent,
    readonly program: VdpaUserspace,
    readonly guest: Guest,
    private readonly before: readonly VdpaEntry[],
  ) {}

  static async create(
    name: string,
    strategy: VdpaStrategy,
    era?: VdpaEraName,
    start = true,
  ): Promise<TruthRig> {
    const preset = parentPreset(name)!;
    const parent = await ModelParent.create(preset);
    const guest = makeGuest({ regions: REGIONS, runs: RUNS });
    const { frames } = guest.mm;
    const device = await VhostVdpa.create({ parent, frames, era: era ?? preset.era });
    const program = new VdpaUserspace(device, strategy, guest.regions);
    program.open(guest.mm);
    if (start) program.start();
    return new TruthRig(device, parent, program, guest, device.table(0));
  }

  dispose(): void {
    this.device.dispose();
    this.parent.dispose();
  }

  get persist(): PersistState {
    const { device } = this;
    if (hasBit(device.ackedFeatures, VDPA_FEATURES.IOTLB_PERSIST)) return "acked";
    const offered = device.getBackendFeatures();
    const isOffered = offered.ok && hasBit(offered.value, VDPA_FEATURES.IOTLB_PERSIST);
    return isOffered ? "offered" : "not offered";
  }

  private state(found: "identity" | readonly VdpaEntry[] | undefined): TableState {
    if (found === "identity") return "identity";
    if (found === undefined || found.length === 0) return "empty";
    return JSON.stringify(found) === JSON.stringify(this.before) ? "kept" : "other";
  }

  row(name: string, persist: PersistState): TruthRow {
    const { device } = this;
    const counts = Object.entries(device.counts()) as [keyof VdpaCounts, number][];
    return {
      parent: name,
      era: device.era.name as VdpaEraName,
      persist,
      core: this.state(device.table(0)),
      device: this.state(device.translations(0)),
      consistent: device.consistent().consistent,
      ops: Object.fromEntries(counts.filter(([, count]) => count > 0)),
    };
  }
}

const ACKS = ["unmap-map", "acked-unmap-map"] as const;

/** With the strategy's bits, if bit 8 makes a difference: acknowledged where it is not offered. */
async function each(
  name: string,
  era: VdpaEraName | undefined,
  act: (rig: TruthRig) => void,
): Promise<TruthRow[]> {
  const rows: TruthRow[] = [];
  for (const acks of ACKS) {
    const rig = await TruthRig.create(name, vdpaStrategy(acks), era);
    const { persist } = rig;
    if (acks === "unmap-map" || persist === "acked") {
      rig.device.clearCounts();
      act(rig);
      rows.push(rig.row(name, persist));
    }
    rig.dispose();
  }
  return rows;
}

async function followUps(name: string): Promise<FollowUpRow> {
  const make = async (): Promise<TruthRig> => {
    const rig = await TruthRig.create(name, vdpaStrategy("unmap-map"));
    rig.device.setStatus(0);
    return rig;
  };
  const first = await make();
  const { device, guest } = first;
  const [one, two] = guest.regions;
  const again = device.write({ type: "update", ...one });
  const redo = (region: typeof one): boolean => {
    device.write({ type: "invalidate", iova: region.iova, size: region.size });
    return device.write({ type: "update", ...region }).ok && device.consistent().consistent;
  };
  const invalidateUpdate = redo(one);
  const all = redo(two);
  first.dispose();
  const second = await make();
  second.guest.mm.map({ at: 0x10, pages: 1 });
  second.device.write({ type: "update", iova: 2 ** 40, size: 4096, uaddr: 0x10_000 });
  const updateOther = second.device.consistent().consistent;
  second.dispose();
  const third = await make();
  third.device.write({ type: "batch-begin" });
  third.device.write({ type: "batch-end" });
  const emptyBatch = third.device.consistent().consistent;
  third.dispose();
  const updateAgain = again.ok ? null : again.inner;
  return { parent: name, updateAgain, invalidateUpdate, all, updateOther, emptyBatch };
}

async function cycle(name: string, strategy: string): Promise<CycleRow | undefined> {
  const rig = await TruthRig.create(name, vdpaStrategy(strategy));
  const { persist } = rig;
  rig.device.clearCounts();
  rig.program.stop();
  rig.program.start();
  const row = { ...rig.row(name, persist), strategy };
  rig.dispose();
  const needsAck = vdpaStrategy(strategy).acks.includes("IOTLB_PERSIST");
  return needsAck && persist !== "acked" ? undefined : row;
}

const CLOSED: readonly (readonly [name: string, era?: VdpaEraName])[] = [
  ["P"],
  ["P", "5.15"],
  ["S0"],
  ["D0"],
  ["D0", "5.15"],
  ["S1"],
  ["D1"],
  ["V"],
  ["M1"],
  ["M0"],
];
const STRATEGIES = ["unmap-map", "unbatched", "acked-unmap-map", "persist"];

/** The tables. Takes no time to speak of. */
export async function vdpaTruthTable(): Promise<TruthTable> {
  const reset: TruthRow[] = [];
  const follow: FollowUpRow[] = [];
  const close: TruthRow[] = [];
  const cycles: CycleRow[] = [];
  for (const name of SYMBOLS) {
    const rows = await each(name, undefined, ({ device }) => void device.setStatus(0));
    reset.push(...rows);
    if (rows.some(({ consistent }) => !consistent)) follow.push(await followUps(name));
  }
  for (const [name, era] of CLOSED) {
    close.push(...(await each(name, era, ({ device }) => void device.close())));
  }
  for (const name of SYMBOLS) {
    for (const strategy of STRATEGIES) {
      const row = await cycle(name, strategy);
      if (row !== undefined) cycles.push(row);
    }
  }
  const { regions, entries, pages } = makeGuest({ regions: REGIONS, runs: RUNS });
  const guest = { regions: regions.length, entries, pages, addressSpaces: 1 };
  return { guest, reset, followUps: follow, close, cycle: cycles };
}

/** Parents that are in the tables, in their order. */
export function truthParents(): ParentPreset[] {
  return SYMBOLS.map((symbol) => parentPreset(symbol)!);
}
