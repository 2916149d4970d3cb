/**
 * Self-invalidating TLB entries (shootdown.md P10): an entry drops itself when its lifetime is
 * over, and what it translates is withheld that long. Nobody has to be told.
 *
 * A CPU counts ticks of its own. An entry lives through one of them and is gone with the next, so
 * the longest lifetime is two ticks. In explored machines a tick may come at any time, and an entry
 * says whether it has seen one (ENTRY_OLD). In timed ones a table beside the TLBs has the tick in
 * which each entry was filled, u32. A thread of the shared form lets a whole lifetime pass at once.
 *
 * Unmappings wait in the ring of latr.ts; who has to see how many ticks is counted there.
 * Invariant, part of `ParkedUntilSwept`: when a frame is freed, no entry is left that was filled
 * before it was withheld.
 */
import * as abi from "../src/core/abi";
import { clockAt, cost, hdr, tlbAt } from "./machine";
import { Entry } from "./rows";

/** Ticks after which an entry is gone. */
const LIFETIME: u32 = 2;

// @ts-ignore: decorator
@inline
export function hasLifetimes(m: usize): bool {
  return (hdr(m, abi.H_ROWS) & abi.ROW_LIFETIMES) != 0;
}

// @ts-ignore: decorator
@inline
function isTimed(m: usize): bool {
  return hdr(m, abi.H_OFF_HEAP) != 0;
}

/** Timed: where the tick is in which the entry at `p` of `cpu` was filled. */
function birthAt(m: usize, cpu: u32, p: usize): usize {
  const entries = <usize>(hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS));
  const index = (p - tlbAt(m, cpu)) / offsetof<Entry>();
  return m + hdr(m, abi.H_OFF_BIRTH) + ((<usize>cpu * entries + index) << 2);
}

function ticksOf(m: usize, cpu: u32): u32 {
  return <u32>(clockAt(m, cpu).now / max<u64>(1, cost(m, abi.COST_TICK)));
}

/** The entry at `p` was filled, or, with a mutant, used: its life begins. */
export function bear(m: usize, cpu: u32, p: usize): void {
  if (isTimed(m)) store<u32>(birthAt(m, cpu, p), ticksOf(m, cpu));
  else changetype<Entry>(p).gen &= ~(<u32>abi.ENTRY_OLD);
}

/** The entry at `p` is used. False: its life is over, and it is gone. */
export function isAlive(m: usize, cpu: u32, p: usize): bool {
  if (isTimed(m) && ticksOf(m, cpu) - load<u32>(birthAt(m, cpu, p)) >= LIFETIME) {
    memory.fill(p, 0, offsetof<Entry>());
    return false;
  }
  return true;
}

/** The entry at `p` has translated an access, which changes nothing but with a mutant. */
export function used(m: usize, cpu: u32, p: usize): void {
  if (hdr(m, abi.H_LIFE_RENEWS) != 0) bear(m, cpu, p);
}

/** A tick. True: an entry has become old, or has gone. */
export function age(m: usize, cpu: u32): bool {
  const entries = hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS);
  let changed = false;
  for (let k: u32 = 0; k < entries; k++) {
    const p = tlbAt(m, cpu) + <usize>k * offsetof<Entry>();
    const e = changetype<Entry>(p);
    if (e.tag == 0) continue;
    changed = true;
    if ((e.gen & abi.ENTRY_OLD) != 0) memory.fill(p, 0, offsetof<Entry>());
    else e.gen |= abi.ENTRY_OLD;
  }
  return changed;
}
