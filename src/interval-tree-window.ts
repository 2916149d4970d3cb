/** Where an interval tree's memory keeps what goes into the core and comes out of it. */
import type { StructureMemory } from "./core/structure-memory.js";
import {
  areNumbers,
  checkLength,
  copyNumbers,
  failInterval,
  isInterval,
  type Numbers,
} from "./pages.js";

/** Operations that go to the core at once. */
export const BATCH = 2048;
/** Starts, then lasts, f64 each; then values or counts, u32; then results. */
export const IN = 1024;
const LASTS = IN + BATCH * 8;
export const VALUES_AT = LASTS + BATCH * 8;
export const OUT = VALUES_AT + BATCH * 4;
const OUT_BYTES = BATCH * 32;
/** Results of one query: f64. */
export const ROOM = OUT_BYTES / 8;
/** Batches: eight bytes a result at OUT; scratch, or where many results go, behind them. */
export const BEHIND = OUT + BATCH * 8;
export const ROOM_BEHIND = (OUT_BYTES - BATCH * 8) / 8;
/** Where the tree is. */
export const TREE = OUT + OUT_BYTES;

/** Words of the header: as in assembly/interval-tree/node.ts. */
export const H_LEVELS = 1;
export const H_COUNT = 2;
export const H_NODE_CAP = 3;
export const H_HANDLE_CAP = 7;
export const H_HANDLES = 8;
export const H_VERSION = 11;

/** Overlaps of many intervals: the i-th has handles[offsets[i]] to, not with, [offsets[i + 1]]. */
export interface Overlaps {
  readonly handles: Float64Array;
  /** One more than there were intervals. */
  readonly offsets: Uint32Array;
}

/** Moves lists in and results out, a batch at a time. */
export class TreeWindow {
  constructor(private readonly memory: StructureMemory) {}

  /**
   * Hands the core a batch of intervals from `at` on; how many there are in it.
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_INVERTED for what is no interval
   */
  giveIntervals(starts: Numbers, lasts: Numbers, at: number): number {
    const count = Math.min(BATCH, starts.length - at);
    const { f64 } = this.memory;
    copyNumbers(f64, IN >> 3, starts, at, count);
    copyNumbers(f64, LASTS >> 3, lasts, at, count);
    // The core looks at pairs.
    if (count % 2 === 1) f64[(IN >> 3) + count] = f64[(LASTS >> 3) + count] = 0;
    const good = this.memory.x.treeCheckBatch(IN, count);
    for (let i = good; i < count; i++) {
      const [start, last] = [starts[at + i], lasts[at + i]];
      if (!areNumbers(start, last) || !isInterval(start, last)) failInterval(start, last);
    }
    return count;
  }

  /** Hands the core the values of a batch; 0 without a list. */
  giveValues(values: Numbers | undefined, at: number, count: number): void {
    const { u32 } = this.memory;
    const from = VALUES_AT >> 2;
    if (values === undefined) u32.fill(0, from, from + count);
    else for (let i = 0; i < count; i++) u32[from + i] = values[at + i];
  }

  /** Hands the core the handles of a batch; how many there are in it. */
  giveHandles(handles: Numbers, at: number): number {
    const count = Math.min(BATCH, handles.length - at);
    copyNumbers(this.memory.f64, OUT >> 3, handles, at, count);
    return count;
  }

  /** Takes `count` results. */
  take(to: Float64Array, at: number, count: number, from = OUT): void {
    to.set(this.memory.f64.subarray(from >> 3, (from >> 3) + count), at);
  }

  /** Overlaps of each interval; `one` answers for those that have more than fit the window. */
  all(
    starts: Numbers,
    lasts: Numbers,
    one: (start: number, last: number) => Float64Array,
  ): Overlaps {
    const n = starts.length;
    checkLength("lasts", lasts, n);
    const offsets = new Uint32Array(n + 1);
    const parts: Float64Array[] = [];
    let found = 0;
    let at = 0;
    while (at < n) {
      const count = this.giveIntervals(starts, lasts, at);
      const { x, u32, f64 } = this.memory;
      const done = x.treeAllBatch(TREE, IN, count, OUT, VALUES_AT, BEHIND, ROOM_BEHIND);
      const from = found;
      for (let i = 0, k = VALUES_AT >> 2; i < done; i++) {
        found += u32[k + i];
        offsets[at + i + 1] = found;
      }
      parts.push(f64.slice(BEHIND >> 3, (BEHIND >> 3) + found - from));
      at += done;
      if (done > 0) continue;
      const many = one(starts[at], lasts[at]);
      parts.push(many);
      found += many.length;
      offsets[++at] = found;
    }
    return { handles: joined(parts, found), offsets };
  }
}

function joined(parts: readonly Float64Array[], length: number): Float64Array {
  if (parts.length === 1) return parts[0];
  const all = new Float64Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Indices by start, stable; null when they ascend already. */
export function orderOf(starts: Numbers): number[] | null {
  let ascends = true;
  for (let i = 1; i < starts.length && ascends; i++) ascends = starts[i - 1] <= starts[i];
  if (ascends) return null;
  return Array.from({ length: starts.length }, (_, i) => i).sort((a, b) => starts[a] - starts[b]);
}
