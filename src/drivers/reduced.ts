/**
 * The reduced search: every verdict of the exploring driver from far fewer states, because a step
 * that commutes with all that others can still do is taken at once. See docs/exploring.md.
 */
import * as abi from "../core/abi.js";
import { BASE } from "../core/core.js";
import { errorOf } from "../core/status.js";
import type { Machine } from "../machine.js";
import type { Geometry } from "../core/geometry.js";

/** What a reduced search found; the way there is not kept. */
export interface ReducedResult {
  /** ST_DONE, ST_HAZARD or ST_FULL. */
  readonly status: number;
  /** HZ_* of the gravest hazard, 0: none. */
  readonly hazard: number;
  /** States that were kept, in the last run. */
  readonly states: number;
  /** Steps of the last run, those that were taken alone included. */
  readonly transitions: number;
  readonly depth: number;
  /** Runs it took until one saw nothing new. */
  readonly runs: number;
}

/** Room for what is known of steps; as assembly/reduce/memory.ts, rounded up. */
export function reductionBytes(stateBytes: number, geometry: Geometry): number {
  const map = 16 * Math.ceil((stateBytes / 4 + geometry.mms) / 128 + 1);
  const actors = geometry.cpus + geometry.devices;
  const maps = 8192 * 5 + 64 + 4 * geometry.cpus + geometry.tasks + 2 * actors * 24 + actors;
  return maps * map + 2 ** 20 + stateBytes;
}

/**
 * Searches from the machine's present state; the tables at `x` are as for the plain search. Null:
 * this machine does what a reduction knows nothing about, or it has too many positions.
 */
export function searchReduced(
  machine: Machine,
  x: number,
  r: number,
  prepare: () => (index: number) => number,
  onProgress?: (states: number) => void,
): ReducedResult | null {
  const { core } = machine;
  const start = core.saveState();
  let initialised = false;
  for (let runs = 1; ; runs++) {
    core.restoreState(start);
    const word = prepare();
    if (!initialised) core.x.reduceInit(r, BASE, word(abi.X_CHOICES));
    initialised = true;
    let status = core.x.reduceBegin(r, x, BASE);
    if (status === abi.ST_OK) status = abi.ST_BUDGET;
    let grew = 0;
    while (status === abi.ST_BUDGET && grew !== 2) {
      const before = word(abi.X_HEAD);
      status = core.x.reduceRun(r, x, BASE, 20_000);
      onProgress?.(word(abi.X_NODES));
      grew = core.x.reduceGrew(r);
      if (grew === 1 && word(abi.X_HEAD) - before < 20_000) break;
    }
    grew = core.x.reduceGrew(r);
    if (grew === 2) return null;
    if (grew === 1) continue;
    core.restoreState(start);
    if (status < 0) throw errorOf(status, { ...machine.geometry });
    return {
      status,
      hazard: status === abi.ST_HAZARD ? word(abi.X_HIT_KIND) : word(abi.X_SOFT_KIND),
      states: word(abi.X_NODES),
      transitions: core.readU64(x + abi.X_TRANSITIONS_LO * 4) + core.x.reduceChained(r),
      depth: word(abi.X_DEPTH),
      runs,
    };
  }
}
