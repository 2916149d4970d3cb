/**
 * What a stop and start of a guest's devices costs: the operations are those of the model, which
 * does all of it; their times are a profile's.
 */
import { checkWithin, checkWord } from "../arguments.js";
import { ArgumentError } from "../errors.js";
import { countsSince, noCounts, type VdpaCounts } from "./counts.js";
import { hasBit, VDPA_FEATURES } from "./feature-bits.js";
import { makeGuest, type Guest } from "./guest.js";
import type { ModelParentOptions } from "./model-parent.js";
import { has, RESET_CLEAN_MAP, type VdpaParent } from "./parent.js";
import { parentPreset, VDPA_PARENTS } from "./parents.js";
import { type PageKind, PUBLISHED_PROFILE, type VdpaProfile } from "./profile.js";
import { VdpaUserspace, vdpaStrategy } from "./userspace.js";
import { VhostVdpa } from "./vhost-vdpa.js";

/** What to stop and start. */
export interface DowntimeOptions {
  /** Bytes of the guest, whole pages; 128 GiB by default. */
  readonly guest?: number;
  /** 2 by default. */
  readonly devices?: number;
  /** A parent's name; `mlx5` stands for `mlx5-6.7`, which is the default. */
  readonly parent?: string;
  /** Names of strategies. */
  readonly strategies?: readonly string[];
  /** `thp` by default. */
  readonly pages?: PageKind;
  /** Neighbouring frames, bytes: an entry each; 2 MiB by default. */
  readonly run?: number;
  /** Regions the guest is mapped in; 2 by default, below and above 4 GiB. */
  readonly regions?: number;
  readonly profile?: VdpaProfile;
  readonly onStrategy?: (name: string) => void;
}

/** Milliseconds by what takes them. */
export interface DowntimeMs {
  readonly unpin: number;
  readonly pin: number;
  readonly keys: number;
  readonly clear: number;
  readonly suspend: number;
  readonly total: number;
}

/** One strategy. */
export interface DowntimeRow {
  readonly strategy: string;
  /** Is IOTLB_PERSIST acknowledged? */
  readonly persists: boolean;
  /** Operations of a stop and start of all devices. */
  readonly counts: VdpaCounts;
  readonly ms: DowntimeMs;
  /** Milliseconds of the first start, when no page was touched yet: pages are cleared once. */
  readonly firstStartMs: number;
}

/** A published figure beside the model's. Seconds. */
export interface DowntimeComparison {
  readonly what: string;
  readonly published: readonly [least: number, most: number];
  readonly predicted: number;
  /** `predicted` over the nearer end of what is published; 1 within it. */
  readonly ratio: number;
  readonly source: string;
}

/** The result. */
export interface Downtime {
  readonly guestBytes: number;
  readonly devices: number;
  readonly parent: string;
  readonly pages: PageKind;
  readonly entries: number;
  readonly regions: number;
  readonly profile: VdpaProfile;
  readonly rows: readonly DowntimeRow[];
  /** Of the setup that was published: empty for others. */
  readonly comparisons: readonly DowntimeComparison[];
}

const PAGE = 4096;
const KINDS: readonly PageKind[] = ["small", "thp", "hugetlb"];
const STRATEGIES = ["unmap-map", "acked-unmap-map", "persist"];
const LIU = "Si-Wei Liu, qemu-devel, 7 Dec 2023: 128 GB, 2 mlx5_vdpa devices";

/** A parent that does what is asked and keeps nothing: large guests need no second table. */
function leanParent(options: ModelParentOptions): VdpaParent & { clears: number } {
  const { mapping, resetClears, useVa, groups, addressSpaces, virtqueues } = options;
  const counts = { ...(groups && { groups }), ...(addressSpaces && { addressSpaces }) };
  const ok = (): undefined => undefined;
  const parent = {
    ...counts,
    ...(virtqueues && { virtqueues }),
    name: options.name ?? mapping,
    useVa: useVa ?? false,
    backendFeatures: options.backendFeatures ?? 0n,
    hasDescriptorGroup: options.hasDescriptorGroup ?? false,
    clears: 0,
    ...(mapping === "set-map" && { setMap: ok }),
    ...(mapping === "dma-map" && { dmaMap: ok, dmaUnmap: ok }),
    ...(options.resetMap === true && { resetMap: ok }),
    ...(options.suspend === true && { suspend: ok }),
    ...(options.resume === true && { resume: ok }),
    reset: () => {
      if (resetClears === "always") parent.clears++;
      return undefined;
    },
    ...(resetClears === "if-told" && {
      compatReset: (flags: number) => {
        if ((flags & RESET_CLEAN_MAP) !== 0) parent.clears++;
        return undefined;
      },
    }),
  };
  return parent;
}

function presetOf(name: string) {
  const found = parentPreset(name === "mlx5" ? "mlx5-6.7" : name);
  if (found !== undefined) return found;
  const message = `no parent "${name}"; there are mlx5, ${[...VDPA_PARENTS.keys()].join(", ")}`;
  throw new ArgumentError("E_NOENT", message, { argument: "parent" });
}

function sumOf(all: readonly VdpaCounts[]): VdpaCounts {
  const sum = noCounts();
  for (const counts of all) {
    for (const key of Object.keys(sum) as (keyof VdpaCounts)[]) sum[key] += counts[key];
  }
  return sum;
}

/** Operations of the first start, and of a stop and start behind it; sums of all devices. */
export interface Cycle {
  readonly first: VdpaCounts;
  readonly cycle: VdpaCounts;
  readonly persists: boolean;
  readonly suspends: boolean;
}

/** Starts all devices, stops them, and starts them again. */
async function runCycle(
  name: string,
  preset: ReturnType<typeof presetOf>,
  guest: Guest,
  devices: number,
): Promise<Cycle> {
  const programs: VdpaUserspace[] = [];
  for (let i = 0; i < devices; i++) {
    const { frames } = guest.mm;
    const parent = leanParent(preset);
    const device = await VhostVdpa.create({ parent, frames, era: preset.era });
    const program = new VdpaUserspace(device, vdpaStrategy(name), guest.regions);
    program.open(guest.mm);
    programs.push(program);
  }
  for (const program of programs) program.start();
  const first = programs.map(({ device }) => device.counts());
  for (const program of programs) program.stop();
  for (const program of programs) program.start();
  const all = programs.map(({ device }) => device.counts());
  const { device, strategy, failures } = programs[0];
  const persists = hasBit(device.ackedFeatures, VDPA_FEATURES.IOTLB_PERSIST);
  if (failures.length > 0) {
    throw new ArgumentError("E_LIMIT", `strategy ${name}: ${failures[0].message}`, {
      argument: "strategies",
    });
  }
  const suspends = strategy.acks.includes("SUSPEND") && has(device.parent, "suspend");
  for (const program of programs) {
    program.device.close();
    program.device.dispose();
  }
  return {
    first: sumOf(first),
    cycle: sumOf(all.map((counts, i) => countsSince(counts, first[i]))),
    persists,
    suspends,
  };
}

function timed(cycle: Cycle, devices: number, pages: PageKind, profile: VdpaProfile): DowntimeMs {
  const counts = cycle.cycle;
  const ms = (ns: number): number => ns / 1e6;
  const { keyCreate, keyDestroy } = profile;
  const parts = {
    unpin: ms(counts.unpins * profile.unpin[pages].ns),
    pin: ms(counts.pins * profile.pin[pages].ns),
    keys: ms(counts.pushedPages * keyCreate.ns + counts.droppedPages * keyDestroy.ns),
    clear: ms(counts.clears * profile.clear.ns),
    suspend: ms(cycle.suspends ? devices * profile.suspend.ns : 0),
  };
  return { ...parts, total: Object.values(parts).reduce((sum, part) => sum + part, 0) };
}

/** Regions of a guest: the first below 4 GiB where it is larger, the rest in equal parts. */
function regionsOf(bytes: number, count: number): number[] {
  const pages = bytes / PAGE;
  if (count === 1) return [pages];
  const low = Math.min(3 * 2 ** 18, Math.floor(pages / count));
  const each = Math.floor((pages - low) / (count - 1));
  const others = Array.from({ length: count - 1 }, () => each);
  others[count - 2] += pages - low - each * (count - 1);
  return [low, ...others];
}

function ratioOf(predicted: number, [least, most]: readonly [number, number]): number {
  if (predicted >= least && predicted <= most) return 1;
  return predicted < least ? predicted / least : predicted / most;
}

function comparisonsOf(rows: readonly DowntimeRow[]): DowntimeComparison[] {
  const before = rows.find(({ strategy }) => strategy === "unmap-map");
  const after = rows.find(({ strategy }) => strategy === "persist");
  if (before === undefined || after === undefined) return [];
  const compared = (
    what: string,
    predicted: number,
    published: readonly [number, number],
  ): DowntimeComparison => ({
    ...{ what, published, predicted, ratio: ratioOf(predicted, published) },
    source: LIU,
  });
  return [
    compared(
      "saved at stop-and-copy by keeping the mappings (5 s to 2 s)",
      (before.ms.total - after.ms.total) / 1000,
      [3, 3],
    ),
    compared(
      "saved by mapping at the destination ahead of time (20-30 s to 5 s)",
      before.firstStartMs / 1000,
      [15, 25],
    ),
  ];
}

/** What was run, without its times. */
export interface DowntimeCycles {
  readonly guestBytes: number;
  readonly devices: number;
  readonly parent: ReturnType<typeof presetOf>;
  readonly regions: number;
  readonly guest: Guest;
  readonly cycles: readonly (readonly [strategy: string, cycle: Cycle])[];
}

/** Runs the cycles: see {@link vdpaDowntime}. */
export async function downtimeCycles(options: DowntimeOptions = {}): Promise<DowntimeCycles> {
  const guestBytes = checkWithin("guest", options.guest ?? 2 ** 37, 2 ** 21, 2 ** 42);
  if (guestBytes % PAGE !== 0) {
    throw new ArgumentError("E_ALIGN", `guest must be whole pages, got ${guestBytes}`, {
      argument: "guest",
    });
  }
  const devices = checkWithin("devices", options.devices ?? 2, 1, 64);
  const run = checkWithin("run", options.run ?? 2 ** 21, PAGE, 2 ** 42);
  const regions = checkWithin("regions", options.regions ?? 2, 1, 512);
  const parent = presetOf(options.parent ?? "mlx5");
  const strategies = options.strategies ?? STRATEGIES;
  for (const strategy of strategies) vdpaStrategy(strategy);
  const sizes = regionsOf(guestBytes, regions);
  const guest = makeGuest({ regions: sizes, runs: [Math.floor(run / PAGE)] });
  const cycles: [string, Cycle][] = [];
  for (const strategy of strategies) {
    options.onStrategy?.(strategy);
    cycles.push([strategy, await runCycle(strategy, parent, guest, devices)]);
  }
  return { guestBytes, devices, parent, regions, guest, cycles };
}

/** Times of cycles that were run. @throws ArgumentError E_TYPE */
export function downtimeOf(
  ran: DowntimeCycles,
  pages: PageKind,
  profile: VdpaProfile = PUBLISHED_PROFILE,
): Downtime {
  checkWord("pages", pages, KINDS);
  const { guestBytes, devices, parent, regions, guest } = ran;
  const rows = ran.cycles.map(([strategy, cycle]): DowntimeRow => {
    const { first, persists, cycle: counts } = cycle;
    const pinned = first.pins * profile.pin[pages].ns;
    const keys = first.pushedPages * profile.keyCreate.ns;
    const cleared = parent.useVa === true ? 0 : guest.pages * profile.zero.ns;
    const firstStartMs = (pinned + keys + cleared) / 1e6;
    return { strategy, persists, counts, ms: timed(cycle, devices, pages, profile), firstStartMs };
  });
  const isPublished = guestBytes === 2 ** 37 && devices === 2 && parent.name.startsWith("mlx5");
  return {
    ...{ guestBytes, devices, parent: parent.name, pages, entries: guest.entries },
    ...{ regions, profile, rows, comparisons: isPublished ? comparisonsOf(rows) : [] },
  };
}

/**
 * The costs of a stop and start, by strategy. Large guests take seconds to run.
 * @throws ArgumentError E_TYPE, E_LIMIT, E_ALIGN, E_NOENT for names that nothing has
 */
export async function vdpaDowntime(options: DowntimeOptions = {}): Promise<Downtime> {
  const pages = options.pages ?? "thp";
  checkWord("pages", pages, KINDS);
  return downtimeOf(await downtimeCycles(options), pages, options.profile);
}
