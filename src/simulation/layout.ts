/**
 * Where the threads of a workload work, and how large a machine they need.
 *
 *   shared regions, one an area      [2^20, 2^25)   parts of all threads side by side
 *   own regions, one a thread, area  from 2^25      2,048 pages apart: no two share a page table
 *
 * The seed shifts own regions by up to 63 pages, so that sets of the TLBs and entries of page
 * tables differ from seed to seed.
 */
import type { Geometry } from "../core/geometry.js";
import { ArgumentError } from "../errors.js";
import type { Random } from "../seed.js";
import type { WorkloadGenerator, WorkloadParameters } from "../workloads/generator.js";

/** Areas of a thread; the last is its working set. */
const AREAS = 16;
const WORKING_SET_AREA = AREAS - 1;
const OWN_STRIDE = 2048;
const SHARED_STRIDE = 1 << 20;
const SHARED_BASE = 1 << 20;
const OWN_BASE = 1 << 25;
const SHIFT_PAGES = 64;
/** Pages of a leaf table, of its parent. */
const LEAF = 512;
const UPPER = LEAF * LEAF;

/** Most pages of a region, so that it fits its stride when shifted. */
export const REGION_MOST = OWN_STRIDE - SHIFT_PAGES;
/** Pages a thread loads from while it thinks. */
export const WORKING_SET_PAGES = 8;

/** Where everybody works, under one seed. */
export class Layout {
  private readonly shifts: readonly number[];
  private readonly part: number;

  /** @throws ArgumentError E_LIMIT if the generator's regions do not fit */
  constructor(generator: WorkloadGenerator, parameters: WorkloadParameters, random: Random) {
    this.part = generator.regionPages(parameters.pages);
    const areas = generator.areas ?? 1;
    if (this.part > REGION_MOST || areas > WORKING_SET_AREA) {
      const message = `${generator.name}: a region of ${this.part} pages, ${areas} areas`;
      throw new ArgumentError("E_LIMIT", `${message}; at most ${REGION_MOST} and ${AREAS - 1}`, {
        argument: "pages",
        most: REGION_MOST,
      });
    }
    this.shifts = Array.from({ length: parameters.threads }, () => random.below(SHIFT_PAGES));
  }

  own(thread: number, area = 0): number {
    return OWN_BASE + (thread * AREAS + area) * OWN_STRIDE + this.shifts[thread];
  }

  shared(thread: number, area = 0): number {
    return SHARED_BASE + area * SHARED_STRIDE + thread * this.part;
  }

  /** First page of what the thread loads while it thinks. */
  workingSet(thread: number): number {
    return this.own(thread, WORKING_SET_AREA);
  }
}

/** log2 of all job slots of a machine, and the bounds of one CPU's share. */
const JOBS_LOG2 = 17;
const JOBS_LEAST = 64;
const JOBS_MOST = 4096;
/** No operation of a workload gathers more pages: eight times 64. */
const GATHER_PAGES = 512;
const LOG_RECORDS = 8192;
/** VMAs of a thread in an area: its region in pieces, and gaps. */
const VMAS_AN_AREA = 8;
const VMAS_MOST = 65_530;

/** A machine large enough for the workload under any seed. */
export function geometryFor(
  generator: WorkloadGenerator,
  parameters: WorkloadParameters,
): Partial<Geometry> {
  const { cpus, threads, pages } = parameters;
  const areas = generator.areas ?? 1;
  const part = generator.regionPages(pages);
  // Own and shared pages of every area, and the working set; twice, for a child's copies.
  const plenty = threads * 2 * areas * part + cpus * GATHER_PAGES;
  const frames = threads * WORKING_SET_PAGES + (generator.frames?.(parameters) ?? plenty);
  const leaves = (count: number): number => Math.ceil(count / LEAF) + 1;
  const ownTables = threads * (areas * leaves(part) + leaves(WORKING_SET_PAGES));
  const sharedTables = areas * leaves(threads * part);
  const spans = Math.ceil((threads * AREAS * OWN_STRIDE + OWN_BASE) / UPPER);
  const tables = ownTables + sharedTables + spans + 64;
  const processes = generator.forks === true ? 2 : 1;
  return {
    cpus,
    tasks: cpus + 1,
    mms: processes,
    devices: 0,
    frames: Math.min(1 << 22, processes * frames + 1),
    tables: processes * tables,
    vmas: Math.min(VMAS_MOST, 64 + threads * (areas + 1) * VMAS_AN_AREA),
    gatherPages: GATHER_PAGES,
    logRecords: LOG_RECORDS,
    jobs: Math.min(JOBS_MOST, Math.max(JOBS_LEAST, Math.floor(2 ** JOBS_LOG2 / cpus))),
  };
}
