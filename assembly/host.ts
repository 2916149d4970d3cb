/**
 * Micro-ops that ask the host: device models and driver threads that are TypeScript functions. A
 * micro-op that finds no answer in its actor's Clock returns ST_HOST and has changed nothing; the
 * timed driver hands that to the host, which writes the answer and lets the same step be taken
 * again. So the core imports nothing, and nobody else knows whether a hook is the host's.
 *
 * Only the timed driver has somebody to answer: explored machines refuse images with these, and
 * worker threads machines with devices. Invariant: an answer is taken by the micro-op that asked.
 */
import * as abi from "../src/core/abi";
import { isShared, Plain } from "./atomics";
import { chargeNs } from "./charge";
import { setReg } from "./exec-control";
import { hazard } from "./hazard";
import { clockAt, count, deviceAt, frameAt, hdr } from "./machine";
import { checkAccess } from "./oracle";
import { Ctx, Entry } from "./rows";
import { blocked, wakeWaiters } from "./wake";

/** OP_HOST_CALL and what follows it. */
export function execHost<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  if (op > abi.OP_HOST_REFUSED) return abi.ST_BAD_PROGRAM;
  const isHook = op == abi.OP_HOST_CALL && imm != abi.HOST_THREAD;
  if (isHook && ctx.dev == 0) return abi.ST_BAD_PROGRAM;
  const clock = clockAt(m, actor);
  const answer = clock.hostAnswer;
  if (isShared<F>() || (answer & abi.HOST_ANSWERED) == 0) return abi.ST_HOST;
  clock.hostAnswer = 0;
  if ((answer & abi.HOST_WAIT) != 0) return blocked(m, actor, clock.hostNs);
  chargeNs(m, actor, clock.hostNs);
  ctx.flag = (answer & abi.HOST_FLAG) != 0 ? 1 : 0;
  if (op == abi.OP_HOST_NEXT) {
    setReg(ctx, a, clock.hostX);
    setReg(ctx, b, clock.hostY);
    setReg(ctx, c, answer >> abi.HOST_DO_SHIFT);
  }
  return abi.ST_OK;
}

/**
 * Whoever waits for `key` goes on, `self` having done what it waits for. An answer to wait that
 * has not been taken yet is void: its micro-op asks again.
 */
export function hostWake(m: usize, self: u32, key: u32): void {
  for (let i: u32 = 0; i < hdr(m, abi.H_ACTORS); i++) {
    const clock = clockAt(m, i);
    if ((clock.hostAnswer & abi.HOST_WAIT) != 0 && clock.hostNs == key) clock.hostAnswer = 0;
  }
  wakeWaiters<Plain>(m, self, key);
}

/**
 * A device of the host uses a translation of its own: page `vpn` was `pfn`, of generation `gen`.
 * `alone`: the device has the page to itself, so the page table need not grant it. False: hazard.
 */
export function hostAccess(
  m: usize, dev: u32, vpn: f64, pfn: u32, gen: u32, write: u32, alone: u32, scratch: usize,
): u32 {
  const actor = hdr(m, abi.H_CPUS) + dev;
  const row = deviceAt(m, dev);
  count(m, actor, abi.CT_DEV_HIT, 1);
  if (row.mm == 0 || alone != 0) {
    if (row.mm != 0 && frameAt(m, pfn).gen == gen) return 1;
    hazard<Plain>(m, actor, abi.HZ_UAF, <u64>vpn, pfn);
    return 0;
  }
  const entry = changetype<Entry>(scratch);
  // Valid, writable as far as it is written through: what the device may do is its own business.
  entry.tag = (<u64>vpn << 12) | (write != 0 ? 3 : 1);
  entry.frame = pfn;
  entry.gen = gen;
  return checkAccess<Plain>(m, actor, row.mm - 1, entry, <u64>vpn, write != 0) ? 1 : 0;
}
