/**
 * Idle loops that poll (shootdown.md 1.4): a CPU with nothing to do watches a word of its own, and
 * whoever has queued a request for it writes that word instead of sending an interrupt (Linux
 * TIF_POLLING_NRFLAG and set_nr_if_polling).
 *
 *   per CPU u32: 0 it does not poll · 1 it polls · 2 it polls, and is wanted
 *
 * The sender looks and writes in one step, and the poller leaves in one: whoever is second sees
 * what the first has done. A CPU that is wanted carries out its queue as in an interrupt, or, if it
 * has left its loop first, before it does anything else.
 */
import * as abi from "../src/core/abi";
import { cas32, get32, put32, swap32 } from "./atomics";
import { hdr } from "./machine";
import { Cpu, Ctx } from "./rows";

const POLLS: u32 = 1;
const WANTED: u32 = 2;

// @ts-ignore: decorator
@inline
function canPoll(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & abi.OPT_POLL) != 0;
}

// @ts-ignore: decorator
@inline
function wordOf(m: usize, cpu: u32): usize {
  return m + hdr(m, abi.H_OFF_POLL) + ((<usize>cpu) << 2);
}

/** Is an interrupt pending on this CPU, or does its idle loop see that it is wanted? */
// @ts-ignore: decorator
@inline
export function isWanted<F>(m: usize, cpu: u32, row: Cpu): bool {
  if (get32<F>(changetype<usize>(row) + offsetof<Cpu>("ipiPending")) != 0) return true;
  return canPoll(m) && get32<F>(wordOf(m, cpu)) == WANTED;
}

/** Tells `target` by its word. False: it does not poll, so it needs an interrupt. */
// @ts-ignore: decorator
@inline
export function wants<F>(m: usize, ctx: Ctx, target: u32, blind: bool): bool {
  return canPoll(m) && tell<F>(m, ctx, target, blind);
}

function tell<F>(m: usize, ctx: Ctx, target: u32, blind: bool): bool {
  const word = wordOf(m, target);
  if (cas32<F>(word, POLLS, WANTED) || get32<F>(word) == WANTED) return true;
  // What was noted may not be true any more: then nobody looks at the word.
  return blind && ((ctx.seq >> target) & 1) != 0;
}

/** The queue is being carried out; the loop, if it goes on, waits for the next one. */
// @ts-ignore: decorator
@inline
export function answered<F>(m: usize, cpu: u32): void {
  if (canPoll(m)) cas32<F>(wordOf(m, cpu), WANTED, POLLS);
}

/** POLL_BEGIN, POLL_END and POLL_NOTE */
export function execPoll<F>(m: usize, cpu: u32, ctx: Ctx, op: i32): i32 {
  if (!canPoll(m)) return abi.ST_BAD_PROGRAM;
  if (op == abi.OP_POLL_BEGIN) {
    put32<F>(wordOf(m, cpu), POLLS);
  } else if (op == abi.OP_POLL_END) {
    ctx.flag = swap32<F>(wordOf(m, cpu), 0) == WANTED ? 1 : 0;
  } else {
    ctx.seq = 0;
    const n = min<u32>(32, hdr(m, abi.H_CPUS));
    for (let i: u32 = 0; i < n; i++) {
      if (get32<F>(wordOf(m, i)) != 0) ctx.seq |= 1 << i;
    }
  }
  return abi.ST_OK;
}
