/**
 * The explorer's table of fingerprints begins small, so that a small space stays in the caches and
 * touches little memory, and becomes four times as large when it is full, up to 2^X_SLOTS_MOST.
 * Whole states (exact mode) have all room at once.
 */
import * as abi from "../src/core/abi";
import { setWord, word } from "./table-words";

const WIDER: u32 = 2;
/** The last table but one is at most an eighth of the last: then there is room to put it aside. */
const LAST: u32 = 3;

/** How many states the table may hold now: a load of 3/4. */
// @ts-ignore: decorator
@inline
export function slotsRoom(x: usize): u32 {
  const slots = <u32>1 << word(x, abi.X_SLOTS_LOG2);
  return slots - (slots >> 2);
}

/**
 * A larger table in the room that there is for it. False: it is as large as may be. The old one is
 * put aside behind the nodes that there are, of which there may be 3/8 of the most slots or more.
 */
export function slotsWiden(x: usize): bool {
  const log2 = word(x, abi.X_SLOTS_LOG2);
  const most = word(x, abi.X_SLOTS_MOST);
  if (log2 >= most) return false;
  const wider = log2 + WIDER + LAST > most ? most : log2 + WIDER;
  const bytes = (<usize>8) << log2;
  const slots = x + word(x, abi.X_OFF_SLOTS);
  const nodes = x + word(x, abi.X_OFF_NODES);
  const old = nodes + ((<usize>word(x, abi.X_NODE_CAP)) << 3) - bytes;
  if (old < nodes + ((<usize>word(x, abi.X_NODES)) << 3)) return false;
  memory.copy(old, slots, bytes);
  memory.fill(slots, 0, (<usize>8) << wider);
  const mask: u32 = (1 << wider) - 1;
  for (let p = old, end = old + bytes; p < end; p += 8) {
    const print = load<u64>(p);
    if (print == 0) continue;
    let at = <u32>print & mask;
    while (load<u64>(slots + ((<usize>at) << 3)) != 0) at = (at + 1) & mask;
    store<u64>(slots + ((<usize>at) << 3), print);
  }
  setWord(x, abi.X_SLOTS_LOG2, wider);
  return true;
}
