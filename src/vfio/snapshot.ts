/** A container as plain data: for tests, scenario files, and people. */
import { bytesOf } from "./addresses.js";
import { protName, type VfioProt } from "./map.js";
import type { Records } from "./records.js";
import type { Type1, VfioMode } from "./state.js";

/** See `VfioContainer.state`. Addresses and sizes are bytes, charges and counts pages. */
export interface VfioSnapshot extends Omit<Records, "warn" | "hazard"> {
  readonly verdict: Type1["verdict"];
  /** Why it stands still; "" if it does not. */
  readonly why: string;
  readonly mode: VfioMode;
  readonly lockOwner: string | null;
  readonly listenersLockOwner: string | null;
  /** Pages charged by this container, to all processes. */
  readonly lv: number;
  /** By process. */
  readonly charged: Readonly<Record<string, number>>;
  /** References held to frames of the host, by whomever. */
  readonly refs: number;
  /** Ascending by frame. */
  readonly frames: readonly { readonly pfn: number; readonly refs: number }[];
  /** Frames that were given back too often. */
  readonly underflows: readonly number[];
  readonly groups: readonly {
    readonly name: string;
    readonly kind: "real" | "emulated";
    readonly pinnedOnly: boolean;
  }[];
  /** Names of the groups of each domain. */
  readonly domains: readonly (readonly string[])[];
  /** `EMPTY`, `EMU_ONLY`, `REAL_ONLY` or `MIXED`. */
  readonly groupState: string;
  readonly iovaRanges: readonly (readonly [first: bigint, last: bigint])[];
  readonly mappings: readonly {
    readonly id: number;
    readonly iova: bigint;
    readonly size: bigint;
    readonly vaddr: bigint;
    readonly prot: VfioProt;
    readonly owner: string;
    readonly lockCap: boolean;
    readonly iommuMapped: boolean;
    /** Runs of frames one behind the other that are mapped in the IOMMU. */
    readonly runs: number;
    readonly pinned: number;
    readonly lv: number;
    readonly vaddrInvalid: boolean;
  }[];
  /** Ascending by iova. */
  readonly pins: readonly { readonly iova: bigint; readonly pfn: number; readonly count: number }[];
  readonly devices: readonly {
    readonly name: string;
    readonly group: string;
    readonly open: boolean;
    readonly listens: boolean;
    /** Pins it has not given back itself; its ledger. */
    readonly pins: number;
    readonly ledger: readonly { readonly iova: bigint; readonly count: number }[];
  }[];
  readonly dmaAvail: number | null;
  readonly tracking: boolean;
  readonly nonPinnedGroups: number;
  readonly vaddrInvalid: number;
}

function groupState(s: Type1): string {
  if (s.hasReal) return s.hasEmulated ? "MIXED" : "REAL_ONLY";
  return s.hasEmulated ? "EMU_ONLY" : "EMPTY";
}

/** See {@link VfioSnapshot}. */
export function snapshot(s: Type1): VfioSnapshot {
  const { records, frames } = s;
  const { dmaEntryLimit } = s.knobs;
  const { notifications, warnings, leaks, misuses, violations, hazards, counters } = records;
  return {
    verdict: s.verdict,
    why: s.why,
    mode: s.mode,
    lockOwner: s.locks.ownerOf("container"),
    listenersLockOwner: s.locks.ownerOf("listeners"),
    lv: [...s.charges.values()].reduce((sum, pages) => sum + pages, 0),
    charged: Object.fromEntries([...s.charges].map(([mm, pages]) => [mm.name, pages])),
    refs: frames.held,
    frames: Array.from(frames, ([pfn, refs]) => ({ pfn, refs })),
    underflows: [...frames.underflows],
    groups: s.groups.map(({ name, kind, pinnedOnly }) => ({ name, kind, pinnedOnly })),
    domains: s.domains.map(({ groups }) => groups.map(({ name }) => name)),
    groupState: groupState(s),
    iovaRanges: s.allowed.map(([first, last]) => [bytesOf(first), bytesOf(last + 1) - 1n] as const),
    mappings: mappingsOf(s),
    pins: Array.from(s.store, ({ page, pfn, count }) => ({ iova: bytesOf(page), pfn, count })),
    devices: devicesOf(s),
    dmaAvail: dmaEntryLimit === Infinity ? null : Math.max(0, dmaEntryLimit - s.dmas.size),
    tracking: s.tracking,
    nonPinnedGroups: s.nonPinnedGroups,
    vaddrInvalid: s.vaddrInvalid,
    notifications: [...notifications],
    warnings: [...warnings],
    leaks: [...leaks],
    misuses: [...misuses],
    violations: [...violations],
    hazards: [...hazards],
    counters: { ...counters },
  };
}

function mappingsOf(s: Type1): VfioSnapshot["mappings"] {
  return s.dmas.all().map((dma) => {
    let pinned = 0;
    for (const { count } of s.store.walk(dma.first, dma.last)) if (count > 0) pinned++;
    return {
      id: dma.id,
      iova: bytesOf(dma.first),
      size: bytesOf(dma.pages),
      vaddr: bytesOf(dma.vaddr),
      prot: protName(dma.prot),
      owner: dma.mm.name,
      lockCap: dma.lockCap,
      iommuMapped: dma.runs !== undefined,
      runs: dma.runs?.length ?? 0,
      pinned,
      lv: dma.lockedVm,
      vaddrInvalid: dma.vaddrInvalid,
    };
  });
}

function devicesOf(s: Type1): VfioSnapshot["devices"] {
  return s.devices.map((device) => ({
    name: device.name,
    group: device.group,
    open: device.isOpen,
    listens: s.listeners.includes(device),
    pins: device.pins,
    ledger: Array.from(device.ledger ?? [], ({ page, count }) => ({ iova: bytesOf(page), count })),
  }));
}
