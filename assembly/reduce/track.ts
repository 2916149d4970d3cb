/**
 * What a step reads and writes, seen from outside: in the tracked build every load and store of the
 * machine's code calls `touchRead` or `touchWrite` first (scripts/tracked.mjs puts the calls in).
 * Nobody declares a footprint by hand, so none can be forgotten.
 *
 * A cell is a 4-byte word of the explored state. VMAs are explored as rows but live in interval
 * trees outside the state: each mm's tree is one more cell.
 *
 *   TRACK_AT  state u32 · its bytes, 0 while nobody listens · trees u32 · their bytes · bytes of
 *             one · map of what is read · map of what is written · cell of the first tree
 */
import * as abi from "../../src/core/abi";
import { hdr } from "../machine";

/** Below every machine: addresses from 0 to 1,023 belong to nobody else. */
export const TRACK_AT: usize = 128;

function mark(map: usize, bytes: i32, at: usize): void {
  const inState = <u32>(at - <usize>load<u32>(TRACK_AT));
  if (inState < load<u32>(TRACK_AT, 4)) {
    const cell = inState >> 2;
    // No access straddles a word of the map: 8-byte fields are aligned, 16 bytes are two of them.
    const bits: u64 = bytes <= 4 ? 1 : 3;
    const p = map + ((<usize>(cell >> 6)) << 3);
    store<u64>(p, load<u64>(p) | (bits << (cell & 63)));
    if (bytes == 16) {
      const next = cell + 2;
      const q = map + ((<usize>(next >> 6)) << 3);
      store<u64>(q, load<u64>(q) | (bits << (next & 63)));
    }
    return;
  }
  const inTrees = <u32>(at - <usize>load<u32>(TRACK_AT, 8));
  if (inTrees < load<u32>(TRACK_AT, 12)) {
    const cell = load<u32>(TRACK_AT, 28) + inTrees / load<u32>(TRACK_AT, 16);
    const p = map + ((<usize>(cell >> 6)) << 3);
    store<u64>(p, load<u64>(p) | ((<u64>1) << (cell & 63)));
  }
}

/** Called before each load of the tracked build. */
export function touchRead(bytes: i32, at: usize): void {
  if (load<u32>(TRACK_AT, 4) != 0) mark(load<u32>(TRACK_AT, 20), bytes, at);
}

/** Called before each store of the tracked build. */
export function touchWrite(bytes: i32, at: usize): void {
  if (load<u32>(TRACK_AT, 4) != 0) mark(load<u32>(TRACK_AT, 24), bytes, at);
}

/** Cells of a machine: words of its state, then one per mm. */
export function cellsOf(m: usize): u32 {
  return ((hdr(m, abi.H_STATE_END) - hdr(m, abi.H_STATE_START)) >> 2) + hdr(m, abi.H_MMS);
}

/** Where the maps are; nobody listens yet. */
export function trackInit(m: usize, reads: usize, writes: usize): void {
  store<u32>(TRACK_AT, <u32>m + hdr(m, abi.H_STATE_START));
  store<u32>(TRACK_AT, 0, 4);
  store<u32>(TRACK_AT, <u32>m + hdr(m, abi.H_OFF_VMA_TREE), 8);
  store<u32>(TRACK_AT, 0, 12);
  store<u32>(TRACK_AT, hdr(m, abi.H_VMA_STRIDE), 16);
  store<u32>(TRACK_AT, <u32>reads, 20);
  store<u32>(TRACK_AT, <u32>writes, 24);
  store<u32>(TRACK_AT, cellsOf(m) - hdr(m, abi.H_MMS), 28);
}

/** From here on accesses are marked. */
// @ts-ignore: decorator
@inline
export function listen(m: usize): void {
  store<u32>(TRACK_AT, hdr(m, abi.H_STATE_END) - hdr(m, abi.H_STATE_START), 4);
  store<u32>(TRACK_AT, hdr(m, abi.H_MMS) * hdr(m, abi.H_VMA_STRIDE), 12);
}

// @ts-ignore: decorator
@inline
export function hush(): void {
  store<u32>(TRACK_AT, 0, 4);
  store<u32>(TRACK_AT, 0, 12);
}
