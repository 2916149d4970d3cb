/**
 * The reduced search: every verdict of the exploring driver from far fewer states, because a step
 * that commutes with all that others can still do is taken at once. See docs/exploring.md.
 */
import * as abi from "../core/abi.js";
import { BASE } from "../core/core.js";
import type { Geometry } from "../core/geometry.js";
import type { Machine } from "../machine.js";
import {
  clearTables,
  type ExploreOptions,
  type ExploreResult,
  fillHeader,
  foundBy,
  planSearch,
  type SearchPlan,
  type ScheduleStep,
  trail,
} from "./explore.js";

/** Expansions between two looks at how it goes. */
const EXPANSIONS_A_CALL = 50_000;
/** Random schedules that are learned from before the first run. */
const WALKS = 100;
/** Words that one step and those taken alone after it can have. */
const FOLLOW_WORDS = 512;
/** As in assembly/reduce/memory.ts. */
const POSITIONS = 8192;
const FUTURES = 8192;
const WAITING_BYTES = 2 ** 20;

/** Room for what is known of steps: what reduceInit of the core says, rounded up. */
export function reductionBytes(stateBytes: number, geometry: Geometry): number {
  const actors = geometry.cpus + geometry.devices;
  const contexts = geometry.tasks + actors;
  const map = 16 * Math.ceil((stateBytes / 4 + geometry.mms + contexts) / 128 + 1);
  const choices = 2 * geometry.watch + 4;
  const maps = POSITIONS * 2 + FUTURES * 3 + 16 + 3 * geometry.cpus + contexts;
  return (
    (maps + 2 * actors * choices) * map +
    2 ** 20 +
    WAITING_BYTES +
    3 * stateBytes +
    FOLLOW_WORDS * 4
  );
}

/** What a search works with. */
interface Search extends SearchPlan {
  readonly machine: Machine;
  /** Address of what is known of steps. */
  readonly r: number;
  readonly onProgress?: ((states: number) => void) | undefined;
}

/** Zeroes the tables of a run. */
function prepareRun(search: Search): (index: number) => number {
  const { machine, x, sizes, exact, seed } = search;
  clearTables(machine, x, sizes, exact);
  return fillHeader(machine, x, sizes, exact, seed);
}

/** One run, from the machine's first state. ST_IDLE: it ended early, as it was worth nothing. */
function runOnce(search: Search, word: (index: number) => number): number {
  const { machine, x, r, onProgress } = search;
  const core = machine.core.x;
  let status = core.reduceBegin(r, x, BASE);
  if (status === abi.ST_OK) status = abi.ST_BUDGET;
  while (status === abi.ST_BUDGET) {
    status = core.reduceRun(r, x, BASE, EXPANSIONS_A_CALL);
    onProgress?.(word(abi.X_NODES));
  }
  return status;
}

/** The steps between the states that were kept, put back in. The machine ends at the last one. */
function followed(search: Search, kept: readonly ScheduleStep[]): ScheduleStep[] {
  const { machine, r } = search;
  const { core } = machine;
  const out = core.memory.buffer.byteLength - FOLLOW_WORDS * 4;
  return kept.flatMap(({ actor, choice }) => {
    const n = core.x.reduceFollow(r, BASE, actor, choice, out);
    return Array.from(core.u32.subarray(out >> 2, (out >> 2) + n), (packed) => ({
      actor: packed >>> 8,
      choice: packed & 0xff,
    }));
  });
}

/**
 * Searches from the machine's present state, which must run the tracked core and have room for
 * {@link reductionBytes} behind the tables of the plain search. Its schedule need not be the
 * shortest. Null: the plain search has to decide, because the machine does what a reduction knows
 * nothing about, or a program failed, or there was too much to know.
 * @throws ArgumentError E_LIMIT
 */
export function exploreReduced(
  machine: Machine,
  options: ExploreOptions = {},
): ExploreResult | null {
  const { core } = machine;
  const plan = planSearch(machine, options);
  const { sizes, x } = plan;
  const r = Math.ceil((x + sizes.bytes) / 64) * 64;
  const { onProgress } = options;
  const search: Search = { ...plan, machine, r, onProgress };
  const start = core.saveState();
  // Fresh memory is zero; only a second search of the same machine has to clear it.
  if (core.u32[r >> 2] !== 0 || core.u32[(r >> 2) + 2] !== 0) core.u8.fill(0, r);
  for (let runs = 1; ; runs++) {
    const word = prepareRun(search);
    if (runs === 1) {
      core.x.reduceInit(r, BASE, word(abi.X_CHOICES));
      core.x.reduceWalks(r, BASE, WALKS, 1);
    }
    const status = runOnce(search, word);
    core.restoreState(start);
    const grew = core.x.reduceGrew(r);
    if (grew === 2 || (status < 0 && grew === 0)) return null;
    if (grew === 0) return { ...resultOf(search, word, status), ...stats(search, word, runs) };
  }
}

function resultOf(
  search: Search,
  word: (index: number) => number,
  status: number,
): Pick<ExploreResult, "verdict" | "also" | "schedule" | "isShortest"> {
  const { machine, x } = search;
  const hit = foundBy(word, status);
  if (hit === null) {
    const verdict = status === abi.ST_DONE ? "SAFE" : "INCONCLUSIVE";
    return { verdict, also: [], schedule: [], isShortest: true };
  }
  return {
    verdict: hit.kind,
    also: hit.also,
    schedule: followed(search, trail(machine, x, word, hit.node, hit.step)),
    isShortest: false,
  };
}

function stats(
  search: Search,
  word: (index: number) => number,
  runs: number,
): Pick<ExploreResult, "states" | "transitions" | "depth" | "collisionBound" | "reduction"> {
  const { machine, x, r, exact } = search;
  const states = word(abi.X_NODES);
  const kept = machine.core.readU64(x + abi.X_TRANSITIONS_LO * 4);
  const transitions = kept + machine.core.x.reduceChained(r);
  return {
    states,
    transitions,
    depth: word(abi.X_DEPTH),
    collisionBound: exact ? 0 : states ** 2 / 2 ** 65,
    reduction: { states, transitions, runs },
  };
}
