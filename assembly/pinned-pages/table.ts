/** The table of blocks: open addressing, linear probing, no tombstones. */
import { allocTable, freeTable, isHeapUsed, resetHeap } from "./heap";
import {
  blockOf, get32, LEAST_LOG2, O_CONTENT, P_BLOCKS, P_LOG2, P_TABLE, set32, SLOT_BYTES,
} from "./rows";

/** At most three fifths of the slots are used, at least 27 % (of more than the least). */
function tooMany(blocks: u32, log2: u32): bool {
  return <u64>blocks * 5 > (<u64>3) << log2;
}

function tooFew(blocks: u32, log2: u32): bool {
  return log2 > LEAST_LOG2 && <u64>blocks * 100 < (<u64>27) << log2;
}

// @ts-ignore: decorator
@inline
export function tableAt(t: usize): usize {
  return t + get32(t, P_TABLE);
}

/** Offset in the table of the slot where the search for a block begins. */
// @ts-ignore: decorator
@inline
export function homeOf(block: u64, log2: u32): u32 {
  return <u32>((block * 0x9e3779b97f4a7c15) >> (64 - <u64>log2)) << 4;
}

/** Offset of the last slot: also what offsets wrap at. */
// @ts-ignore: decorator
@inline
export function lastSlot(log2: u32): u32 {
  return ((1 << log2) - 1) << 4;
}

/** Slot of a block, or the empty one where it would be. */
// @ts-ignore: decorator
@inline
export function findSlot(t: usize, block: u64): usize {
  const log2 = get32(t, P_LOG2);
  const table = tableAt(t);
  const wrap = lastSlot(log2);
  let at = homeOf(block, log2);
  for (;;) {
    const key = load<u64>(table + at);
    if (key == 0 || blockOf(key) == block) return table + at;
    at = (at + <u32>SLOT_BYTES) & wrap;
  }
  return 0;
}

/** Puts the block in slot `from` where it belongs in a table that has room. */
// @ts-ignore: decorator
@inline
function place(table: usize, log2: u32, from: usize): void {
  const key = load<u64>(from);
  const wrap = lastSlot(log2);
  let at = homeOf(blockOf(key), log2);
  while (load<u64>(table + at) != 0) at = (at + <u32>SLOT_BYTES) & wrap;
  store<u64>(table + at, key);
  store<u64>(table + at, load<u64>(from, O_CONTENT), O_CONTENT);
}

/** Moves everything to a table of another size. False: there is no memory, nothing has changed. */
function resize(t: usize, log2: u32): bool {
  const table = allocTable(t, log2);
  if (table == 0) return false;
  const oldLog2 = get32(t, P_LOG2);
  const old = get32(t, P_TABLE);
  const end = t + old + ((<usize>SLOT_BYTES) << oldLog2);
  for (let slot = t + old; slot < end; slot += SLOT_BYTES) {
    if (load<u64>(slot) != 0) place(t + table, log2, slot);
  }
  set32(t, P_TABLE, table);
  set32(t, P_LOG2, log2);
  freeTable(t, oldLog2, old);
  return true;
}

/** Without memory for another table: all moves to the far end, from there to the near half. */
function halve(t: usize): void {
  const log2 = get32(t, P_LOG2) - 1;
  const table = tableAt(t);
  const half = (<usize>SLOT_BYTES) << log2;
  const end = table + (half << 1);
  let to = end;
  for (let slot = end - SLOT_BYTES; slot >= table; slot -= SLOT_BYTES) {
    const key = load<u64>(slot);
    if (key == 0) continue;
    to -= SLOT_BYTES;
    store<u64>(to, key);
    store<u64>(to, load<u64>(slot, O_CONTENT), O_CONTENT);
  }
  memory.fill(table, 0, half);
  for (; to < end; to += SLOT_BYTES) place(table, log2, to);
  set32(t, P_LOG2, log2);
  freeTable(t, log2, get32(t, P_TABLE) + <u32>half);
}

/** Sees to it that one more block fits; slots move. False: there is no memory. */
export function roomForBlock(t: usize): bool {
  const log2 = get32(t, P_LOG2);
  return !tooMany(get32(t, P_BLOCKS) + 1, log2) || resize(t, log2 + 1);
}

/** Takes a block out; those behind it close the gap. Slots move. */
export function removeSlot(t: usize, slot: usize): void {
  const log2 = get32(t, P_LOG2);
  const table = tableAt(t);
  const wrap = lastSlot(log2);
  let gap = <u32>(slot - table);
  let at = gap;
  for (;;) {
    at = (at + <u32>SLOT_BYTES) & wrap;
    const key = load<u64>(table + at);
    if (key == 0) break;
    // What would be found later than the gap may move into it.
    if (((at - homeOf(blockOf(key), log2)) & wrap) < ((at - gap) & wrap)) continue;
    store<u64>(table + gap, key);
    store<u64>(table + gap, load<u64>(table + at, O_CONTENT), O_CONTENT);
    gap = at;
  }
  store<u64>(table + gap, 0);
  store<u64>(table + gap, 0, O_CONTENT);
  const blocks = get32(t, P_BLOCKS) - 1;
  set32(t, P_BLOCKS, blocks);
  if (blocks == 0) {
    if (isHeapUsed(t)) resetHeap(t);
  } else if (tooFew(blocks, log2) && !resize(t, log2 - 1)) {
    halve(t);
  }
}
