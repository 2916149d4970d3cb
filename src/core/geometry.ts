/**
 * Geometry: how many rows of each kind a machine has, checked once, before anything is allocated.
 */
import { ArgumentError } from "../errors.js";

/** Sizes of a machine. Every field is fixed when the machine is created. */
export interface Geometry {
  /** CPUs, 1 to 1,024. */
  readonly cpus: number;
  /** Task rows (threads), 1 to 4,096. */
  readonly tasks: number;
  /** Address spaces, 1 to 1,024. */
  readonly mms: number;
  /** Devices behind a secondary MMU, 0 to 64. */
  readonly devices: number;
  /** Physical frames, the zero page included, 2 to 2^22. */
  readonly frames: number;
  /** Page-table pages, 1 to 2^18. */
  readonly tables: number;
  /** Page-table levels, 1 to 5. */
  readonly levels: number;
  /** log2 of the entries of a page table, 1 to 9. */
  readonly indexBits: number;
  /** Sets of a CPU TLB, a power of two, 1 to 4,096. */
  readonly tlbSets: number;
  /** Ways of a CPU TLB, 1 to 16. */
  readonly tlbWays: number;
  /** Paging-structure cache entries per CPU and device, 0 to 64. */
  readonly pwcEntries: number;
  /**
   * Dynamic ASIDs per CPU, 1 to 64 (Linux: 6). Under `asids`: those that a CPU's TLB holds at a
   * time, and in explored machines, if they are more than CPUs, how many there are.
   */
  readonly asids: number;
  /** VMAs an mm can have, 1 to 65,530. */
  readonly vmas: number;
  /** Sets of a device's cache, a power of two, 1 to 65,536. */
  readonly iotlbSets: number;
  /** Ways of a device's cache, 1 to 16. */
  readonly iotlbWays: number;
  /** Watched pages of the ORDER oracle, 0 to 8. */
  readonly watch: number;
  /** Frames one gather batch can hold, 1 to 16,384 (Linux: 9,698). */
  readonly gatherPages: number;
  /** Flush ceiling in pages: larger ranges are flushed whole, 0 to 2^20 (Linux: 33). */
  readonly ceiling: number;
  /** Event log records, 0 (no log, no timed driver) or 256 to 2^22. */
  readonly logRecords: number;
  /** Jobs an actor can have queued, 0 to 4,096. */
  readonly jobs: number;
}

/** A machine of the size of a real one. */
export const TIMED_GEOMETRY: Geometry = {
  cpus: 2,
  tasks: 64,
  mms: 32,
  devices: 1,
  frames: 1 << 18,
  tables: 4096,
  levels: 4,
  indexBits: 9,
  tlbSets: 128,
  tlbWays: 12,
  pwcEntries: 16,
  asids: 6,
  vmas: 4096,
  iotlbSets: 64,
  iotlbWays: 4,
  watch: 0,
  gatherPages: 9698,
  ceiling: 33,
  logRecords: 1 << 16,
  jobs: 64,
};

/** A machine small enough to copy and hash in a microsecond. */
export const EXPLORED_GEOMETRY: Geometry = {
  cpus: 2,
  tasks: 2,
  mms: 1,
  devices: 1,
  frames: 4,
  tables: 3,
  levels: 2,
  indexBits: 2,
  tlbSets: 1,
  tlbWays: 2,
  pwcEntries: 0,
  asids: 1,
  vmas: 4,
  iotlbSets: 1,
  iotlbWays: 2,
  watch: 0,
  gatherPages: 4,
  ceiling: 33,
  logRecords: 0,
  jobs: 0,
};

const LIMITS: Record<keyof Geometry, readonly [number, number]> = {
  cpus: [1, 1024],
  tasks: [1, 4096],
  mms: [1, 1024],
  devices: [0, 64],
  frames: [2, 1 << 22],
  tables: [1, 1 << 18],
  levels: [1, 5],
  indexBits: [1, 9],
  tlbSets: [1, 4096],
  tlbWays: [1, 16],
  pwcEntries: [0, 64],
  asids: [1, 64],
  vmas: [1, 65530],
  iotlbSets: [1, 65536],
  iotlbWays: [1, 16],
  watch: [0, 8],
  gatherPages: [1, 16384],
  ceiling: [0, 1 << 20],
  logRecords: [0, 1 << 22],
  jobs: [0, 4096],
};

function isPowerOfTwo(n: number): boolean {
  return Number.isInteger(Math.log2(n));
}

/**
 * Checks a geometry.
 * @throws ArgumentError E_TYPE for what is not a whole number, E_LIMIT outside the limits above.
 */
export function checkGeometry(given: Partial<Geometry>, base: Geometry): Geometry {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(LIMITS, name)) {
      throw new ArgumentError("E_TYPE", `geometry.${name}: unknown field`, { argument: name });
    }
  }
  const geometry: Geometry = { ...base, ...given };
  for (const name of Object.keys(LIMITS) as (keyof Geometry)[]) {
    const value: unknown = geometry[name];
    const [least, most] = LIMITS[name];
    if (typeof value !== "number" || !Number.isInteger(value)) {
      const message = `geometry.${name} must be a whole number, got ${String(value)}`;
      throw new ArgumentError("E_TYPE", message, { argument: name });
    }
    if (value < least || value > most) {
      const message = `geometry.${name} must be ${least} to ${most}, got ${value}`;
      throw new ArgumentError("E_LIMIT", message, { argument: name, least, most });
    }
  }
  for (const name of ["tlbSets", "iotlbSets"] as const) {
    if (!isPowerOfTwo(geometry[name])) {
      const message = `geometry.${name} must be a power of two, got ${geometry[name]}`;
      throw new ArgumentError("E_LIMIT", message, { argument: name });
    }
  }
  if (geometry.tables < geometry.mms) {
    const message = `geometry.tables must be at least geometry.mms (${geometry.mms})`;
    throw new ArgumentError("E_LIMIT", message, { argument: "tables", least: geometry.mms });
  }
  if (geometry.logRecords !== 0 && geometry.logRecords < 256) {
    throw new ArgumentError("E_LIMIT", "geometry.logRecords must be 0 or at least 256", {
      argument: "logRecords",
      least: 256,
    });
  }
  return geometry;
}

/** Pages of virtual address space the page table can map; vpns are below it. */
export function pagesOf(geometry: Geometry): number {
  // Asked for with every operand: a power takes longer than the rest of the check.
  let pages = 1;
  for (let level = 0; level < geometry.levels; level++) pages *= 1 << geometry.indexBits;
  return pages;
}
