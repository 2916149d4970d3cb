/**
 * The reduced search: every verdict of the exploring driver from far fewer states, because a step
 * that commutes with all that others can still do is taken at once. See docs/exploring.md.
 */
import * as abi from "../core/abi.js";
import { BASE } from "../core/core.js";
import type { Machine } from "../machine.js";
import type { Geometry } from "../core/geometry.js";

const EXPANSIONS_A_CALL = 50_000;

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
  const actors = geometry.cpus + geometry.devices;
  const map = 16 * Math.ceil((stateBytes / 4 + geometry.mms + geometry.tasks + 2 * actors) / 128 + 1);
  const maps = 8192 * 5 + 64 + 4 * geometry.cpus + geometry.tasks + 2 * actors * 24 + actors;
  return maps * map + 2 ** 20 + stateBytes;
}

/** Random schedules that are learned from before the first run. */
const WALKS = 100;
/** States that the first runs have room for; they mostly learn. */
const FIRST_STATES = 2 ** 12;

/** What a search works with. */
export interface ReducedSearch {
  readonly machine: Machine;
  /** Where the tables of `maxStates` states have room. */
  readonly tables: number;
  /** Where {@link reductionBytes} have. */
  readonly knowledge: number;
  readonly maxStates: number;
  /** Zeroes and fills the header of tables for so many states, and reads it. */
  readonly prepare: (maxStates: number) => (index: number) => number;
  readonly onProgress?: ((states: number) => void) | undefined;
}

/** One run, from the machine's first state. Ends early once it is worth nothing. */
function runOnce(search: ReducedSearch, word: (index: number) => number): number {
  const { machine, tables, knowledge, onProgress } = search;
  const { x } = machine.core;
  let status = x.reduceBegin(knowledge, tables, BASE);
  if (status === abi.ST_OK) status = abi.ST_BUDGET;
  while (status === abi.ST_BUDGET) {
    status = x.reduceRun(knowledge, tables, BASE, EXPANSIONS_A_CALL);
    onProgress?.(word(abi.X_NODES));
  }
  return status;
}

/**
 * Searches from the machine's present state, where it is left. Null: this machine does what a
 * reduction knows nothing about, or there is too much to know.
 */
export function searchReduced(search: ReducedSearch): ReducedResult | null {
  const { machine, tables, knowledge, maxStates, prepare } = search;
  const { core } = machine;
  const { x } = core;
  const start = core.saveState();
  let room = Math.min(maxStates, FIRST_STATES);
  for (let runs = 1; ; runs++) {
    const word = prepare(room);
    if (runs === 1) {
      x.reduceInit(knowledge, BASE, word(abi.X_CHOICES));
      x.reduceWalks(knowledge, BASE, WALKS, 1);
    }
    const status = runOnce(search, word);
    core.restoreState(start);
    const grew = x.reduceGrew(knowledge);
    if (process.env.POR_DEBUG) console.log("  run", runs, "status", status, "grew", grew, "states", word(abi.X_NODES), "room", room);
    if (grew === 2) return null;
    if (status === abi.ST_FULL && room < maxStates) {
      room = Math.min(maxStates, room * 16);
      continue;
    }
    if (grew === 1) continue;
    return {
      status,
      hazard: status === abi.ST_HAZARD ? word(abi.X_HIT_KIND) : word(abi.X_SOFT_KIND),
      states: word(abi.X_NODES),
      transitions: core.readU64(tables + abi.X_TRANSITIONS_LO * 4) + x.reduceChained(knowledge),
      depth: word(abi.X_DEPTH),
      runs,
    };
  }
}
