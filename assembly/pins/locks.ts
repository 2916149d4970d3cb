/**
 * The container lock, the lock of the list of devices, and the semaphore of the notifier chain that
 * was there instead of the list until 6.0 (vfio-vdpa.md 1.6). A mutex knows its owner, and the
 * owner waits for it like everybody else: taking it twice is a deadlock, and is found as one.
 */
import * as abi from "../../src/core/abi";
import { cas32, get32, put32 } from "../atomics";
import { ctxIndex } from "../machine";
import { Ctx } from "../rows";
import { blocked, wakeWaiters } from "../wake";
import { lockAt } from "./rows";

/** LOCK_* bit in Ctx.locks of what OP_PINS_LOCK names. */
function bitOf(how: u32): u32 {
  return (<u32>abi.LOCK_CONTAINER) << how;
}

/** OP_PINS_LOCK. */
export function lockPins<F>(m: usize, actor: u32, ctx: Ctx, how: u32): i32 {
  if (how > <u32>abi.PINS_CHAIN_WRITE) return abi.ST_BAD_PROGRAM;
  const p = lockAt(m, min<u32>(how, abi.PINS_CHAIN));
  const held = get32<F>(p);
  let next: u32 = ctxIndex(m, ctx) + 1;
  let isFree = held == 0;
  if (how == abi.PINS_CHAIN) {
    isFree = <i32>held >= 0;
    next = held + 1;
  } else if (how == abi.PINS_CHAIN_WRITE) {
    next = 0xffffffff;
  }
  if (!isFree || !cas32<F>(p, held, next)) return blocked(m, actor, <u32>(p - m));
  ctx.locks |= <u16>bitOf(how);
  return abi.ST_OK;
}

/** OP_PINS_UNLOCK. */
export function unlockPins<F>(m: usize, actor: u32, ctx: Ctx, how: u32): i32 {
  if (how > <u32>abi.PINS_CHAIN_WRITE || (ctx.locks & bitOf(how)) == 0) return abi.ST_BAD_PROGRAM;
  const p = lockAt(m, min<u32>(how, abi.PINS_CHAIN));
  put32<F>(p, how == abi.PINS_CHAIN ? get32<F>(p) - 1 : 0);
  ctx.locks &= ~(<u16>bitOf(how));
  wakeWaiters<F>(m, actor, <u32>(p - m));
  return abi.ST_OK;
}

/** Does this context hold the container lock, under which everything but DMA happens? */
// @ts-ignore: decorator
@inline
export function holdsContainer(ctx: Ctx): bool {
  return (ctx.locks & abi.LOCK_CONTAINER) != 0;
}
