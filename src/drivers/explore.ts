/**
 * The exploring driver: every interleaving, breadth first, until the space is exhausted, a hazard
 * is committed, or the bounds are reached (which is never called safe).
 */
import { checkWithin } from "../arguments.js";
import * as abi from "../core/abi.js";
import { BASE } from "../core/core.js";
import { errorOf } from "../core/status.js";
import { ArgumentError } from "../errors.js";
import type { Machine } from "../machine.js";
import type { Verdict } from "../scenarios/scenario.js";
import { canonicalSeed } from "../seed.js";
import { tableSizes, type TableSizes } from "./explored-machine.js";

/** Bounds and modes. */
export interface ExploreOptions {
  /** Most states to look at, 1 to 2^27; 4 million by default. */
  readonly maxStates?: number;
  /** Keep and compare whole states instead of 64-bit fingerprints. */
  readonly exact?: boolean;
  /** Seed of the fingerprints. */
  readonly seed?: string | number | bigint;
  /** Called now and then. */
  readonly onProgress?: (states: number) => void;
}

/** One step of a schedule. */
export interface ScheduleStep {
  readonly actor: number;
  /** As in assembly/step.ts. */
  readonly choice: number;
}

/** What exploration found. The same for the same input, on any machine. */
export interface ExploreResult {
  readonly verdict: Verdict;
  readonly states: number;
  readonly transitions: number;
  /** Longest shortest path from the start, in steps. */
  readonly depth: number;
  /** Less grave hazards met on the way; their interleavings may be shorter. */
  readonly also: readonly Verdict[];
  /** Probability that two states shared a fingerprint; 0 in exact mode. */
  readonly collisionBound: number;
  /** The shortest way to the hazard; empty when there is none. */
  readonly schedule: readonly ScheduleStep[];
  /** No shorter one leads to this hazard; true when there is none. */
  readonly isShortest: boolean;
  /** What the reduced search did, if there was one; null: every state was looked at. */
  readonly reduction: ReductionResult | null;
}

/** Of a reduced search: see docs/exploring.md. */
export interface ReductionResult {
  /** States that were kept. */
  readonly states: number;
  /** Steps that were taken, those that were taken alone included. */
  readonly transitions: number;
  /** Runs it took until one of them saw nothing new. */
  readonly runs: number;
}

export const DEFAULT_MAX_STATES = 4_000_000;
const MAX_STATES = 2 ** 27;
const EXPANSIONS_A_CALL = 50_000;
/** States are whole lines. */
const LINE_BYTES = 64;
/** log2 of the fingerprints that there is room for at first. */
const FIRST_SLOTS_LOG2 = 14;
/** As in assembly/slots.ts: the last table is so many times two as large as the one before. */
const LAST_STEP = 3;
/** States the frontier has room for at first; it doubles. */
const RING_START = 1024;

const HAZARDS: Record<number, Verdict> = {
  [abi.HZ_UAF]: "UAF",
  [abi.HZ_PT_UAF]: "PT_UAF",
  [abi.HZ_ORDER]: "ORDER",
  [abi.HZ_LOSTW]: "LOSTW",
  [abi.HZ_STALE]: "STALE",
  [abi.HZ_NOPROG]: "NOPROG",
  [abi.HZ_DEADLOCK]: "DEADLOCK",
  [abi.HZ_UNBAL]: "UNBAL",
  [abi.HZ_UNPINNED]: "UNPINNED",
  [abi.HZ_FATAL]: "FATAL",
  [abi.HZ_LEAK]: "LEAK",
};

/** Name of a hazard code of the core. */
export function hazardName(code: number): Verdict {
  return HAZARDS[code] ?? "INCONCLUSIVE";
}

/** @throws ArgumentError E_TYPE, E_LIMIT */
export function checkMaxStates(value: number): number {
  return checkWithin("maxStates", value, 1, MAX_STATES);
}

/** The hazard that a search has come to, and where. */
export interface Found {
  readonly kind: Verdict;
  /** The state before it, and the step from there. */
  readonly node: number;
  readonly step: number;
  /** A lesser one that was found before. */
  readonly also: readonly Verdict[];
}

/** Null: none. Worse may hide behind a full table, but what was found is real. */
export function foundBy(word: (index: number) => number, status: number): Found | null {
  const soft = word(abi.X_SOFT_KIND);
  if (status === abi.ST_HAZARD) {
    return {
      kind: hazardName(word(abi.X_HIT_KIND)),
      node: word(abi.X_HIT_NODE),
      step: word(abi.X_HIT_STEP),
      also: soft === 0 ? [] : [hazardName(soft)],
    };
  }
  if (soft === 0) return null;
  const [node, step] = [word(abi.X_SOFT_NODE), word(abi.X_SOFT_STEP)];
  return { kind: hazardName(soft), node, step, also: [] };
}

/** What a search is asked for, and the tables it needs, behind the machine. */
export interface SearchPlan {
  readonly exact: boolean;
  readonly seed: bigint;
  readonly sizes: TableSizes;
  /** Address of the tables' header. */
  readonly x: number;
}

/** @throws ArgumentError E_TYPE, E_LIMIT */
export function planSearch({ core }: Machine, options: ExploreOptions): SearchPlan {
  const maxStates = checkMaxStates(options.maxStates ?? DEFAULT_MAX_STATES);
  const exact = options.exact === true;
  const seed = canonicalSeed(options.seed ?? 1);
  return { exact, seed, sizes: tableSizes(core.stateBytes, maxStates, exact), x: core.end };
}

/** Explores from the machine's present state, which its script actors have not left yet. */
export function explore(machine: Machine, options: ExploreOptions = {}): ExploreResult {
  const { core } = machine;
  const { exact, seed, sizes, x } = planSearch(machine, options);
  if (x + sizes.bytes > core.memory.buffer.byteLength) {
    throw new ArgumentError("E_LIMIT", "the machine was created without room for the explorer", {
      argument: "extraBytes",
      least: sizes.bytes,
    });
  }
  const word = prepare(machine, x, sizes, exact, seed);
  let status = core.x.exploreInit(x, BASE);
  if (status === abi.ST_OK) status = abi.ST_BUDGET;
  while (status === abi.ST_BUDGET) {
    status = core.x.exploreRun(x, BASE, EXPANSIONS_A_CALL);
    options.onProgress?.(word(abi.X_NODES));
  }
  if (status < 0) throw errorOf(status, { ...machine.geometry });
  const states = word(abi.X_NODES);
  const hit = foundBy(word, status);
  return {
    verdict: hit?.kind ?? (status === abi.ST_DONE ? "SAFE" : "INCONCLUSIVE"),
    states,
    transitions: core.readU64(x + abi.X_TRANSITIONS_LO * 4),
    depth: word(abi.X_DEPTH),
    also: hit?.also ?? [],
    collisionBound: exact ? 0 : states ** 2 / 2 ** 65,
    schedule: hit === null ? [] : trail(machine, x, word, hit.node, hit.step),
    isShortest: true,
    reduction: null,
  };
}

/** Choices beyond program and interrupt: walks, NMIs, broadcasts or lifetimes, preemption. */
function moreChoices(options: number, watched: number, lives: boolean): number {
  if ((options & abi.OPT_PREEMPT) !== 0) return 2 * watched + 2;
  if (lives || (options & abi.OPT_BROADCAST) !== 0) return 2 * watched + 1;
  if ((options & abi.OPT_NMI) !== 0) return 2 * watched;
  return (options & abi.OPT_SPECULATIVE_WALKS) !== 0 ? watched : 0;
}

function prepare(
  machine: Machine,
  x: number,
  sizes: TableSizes,
  exact: boolean,
  seed: bigint,
): (index: number) => number {
  const { core } = machine;
  // Fresh memory is zero; only a second exploration of the same machine has to clear it.
  if (core.u32[(x >> 2) + abi.X_NODES] !== 0) {
    clearTables(machine, x, sizes, exact);
  }
  return fillHeader(machine, x, sizes, exact, seed);
}

/** log2 of the slots at first: whole states are never put elsewhere, so they have all at once. */
function firstSlots(sizes: TableSizes, exact: boolean): number {
  const isSmall = sizes.slotsLog2 < FIRST_SLOTS_LOG2 + LAST_STEP;
  return exact || isSmall ? sizes.slotsLog2 : FIRST_SLOTS_LOG2;
}

/** Zeroes what a search expects to be zero. */
export function clearTables({ core }: Machine, x: number, sizes: TableSizes, exact: boolean): void {
  core.u8.fill(0, x, x + slotsOffset(sizes) + 2 ** firstSlots(sizes, exact) * 8);
}

/** From the header to the fingerprints: the list of changed lines is between them. */
function slotsOffset({ stateBytes }: TableSizes): number {
  return align(abi.X_WORDS * 4 + (stateBytes / LINE_BYTES) * 4);
}

const align = (value: number): number => Math.ceil(value / LINE_BYTES) * LINE_BYTES;

/** Fills the header of tables that are zero, and reads it. */
export function fillHeader(
  machine: Machine,
  x: number,
  sizes: TableSizes,
  exact: boolean,
  seed: bigint,
): (index: number) => number {
  const { core } = machine;
  const set = (index: number, value: number): void => {
    core.u32[(x >> 2) + index] = value;
  };
  const slots = slotsOffset(sizes);
  const nodes = slots + 2 ** sizes.slotsLog2 * 8;
  set(abi.X_SLOTS_LOG2, firstSlots(sizes, exact));
  set(abi.X_SLOTS_MOST, sizes.slotsLog2);
  set(abi.X_NODE_CAP, sizes.nodes);
  set(abi.X_RING_MOST, sizes.ring);
  set(abi.X_RING_CAP, exact ? sizes.ring : Math.min(sizes.ring, RING_START));
  set(abi.X_EXACT, exact ? 1 : 0);
  set(abi.X_SEED_LO, Number(seed & 0xffff_ffffn));
  set(abi.X_SEED_HI, Number(seed >> 32n));
  set(abi.X_STATE_BYTES, sizes.stateBytes);
  const lives = (core.header[abi.H_ROWS] & abi.ROW_LIFETIMES) !== 0;
  const more = moreChoices(core.header[abi.H_OPTIONS], machine.geometry.watch, lives);
  set(abi.X_CHOICES, 2 + more);
  set(abi.X_OFF_LINES, abi.X_WORDS * 4);
  set(abi.X_OFF_SLOTS, slots);
  set(abi.X_OFF_NODES, nodes);
  set(abi.X_OFF_RING, align(nodes + sizes.nodes * 8));
  return (index) => core.u32[(x >> 2) + index];
}

/** From the start to the reported step. */
export function trail(
  machine: Machine,
  x: number,
  word: (index: number) => number,
  from: number,
  reported: number,
): ScheduleStep[] {
  const { core } = machine;
  const decode = (packed: number): ScheduleStep => ({ actor: packed >>> 8, choice: packed & 0xff });
  const steps: ScheduleStep[] = [];
  const last = decode(reported);
  if (last.choice !== 0xff) steps.push(last);
  const base = (x + word(abi.X_OFF_NODES)) >> 2;
  for (let node = from; node !== 0; node = core.u32[base + node * 2]) {
    steps.push(decode(core.u32[base + node * 2 + 1]));
  }
  return steps.reverse();
}
