/**
 * Page tables: radix trees of H_LEVELS levels with 2^H_INDEX_BITS entries each.
 *
 * Entry: bit 0 present, bit 1 writable, bit 2 huge leaf (level 1 only), bit 3 shared mapping,
 * bits 12.. pfn or table id. Written under the table's PTL (leaf level) or while a path is built.
 * A huge leaf is one compound frame: all its pages share that frame's row, also after a split.
 * Bit 4 marks PROT_NONE: populated for the kernel, not present for hardware.
 * Invariant `LiveCountsEntries`: Table.live is the number of entries that are not zero.
 */
import * as abi from "../src/core/abi";
import { get32, get64 } from "./atomics";
import { walkFill, walkFind } from "./cache";
import { clockAt, entryAt, frameAt, hdr, mmAt, pwcAt, tableAt } from "./machine";
import { Entry, Frame, Table } from "./rows";
import { hazard } from "./hazard";
import { mayUse } from "./sharers";

// @ts-ignore: decorator
@inline
export function indexOf(m: usize, vpn: u64, level: u32): u32 {
  const bits = hdr(m, abi.H_INDEX_BITS);
  return <u32>(vpn >> (bits * level)) & ((1 << bits) - 1);
}

/** Pages one entry of `level` spans. */
// @ts-ignore: decorator
@inline
export function spanOf(m: usize, level: u32): u64 {
  return (<u64>1) << (hdr(m, abi.H_INDEX_BITS) * level);
}

// @ts-ignore: decorator
@inline
export function frameGen<F>(m: usize, pfn: u32): u32 {
  return get32<F>(changetype<usize>(frameAt(m, pfn)) + offsetof<Frame>("gen"));
}

/** Frame.value, as somebody without the pool lock sees it. */
// @ts-ignore: decorator
@inline
export function frameValue<F>(m: usize, pfn: u32): u32 {
  return get32<F>(changetype<usize>(frameAt(m, pfn)) + offsetof<Frame>("value"));
}

/** References of a frame, as somebody without the pool lock sees them. */
// @ts-ignore: decorator
@inline
export function frameRefs<F>(m: usize, pfn: u32): u32 {
  return get32<F>(changetype<usize>(frameAt(m, pfn)) + offsetof<Frame>("refs"));
}

// @ts-ignore: decorator
@inline
function tableGen<F>(m: usize, id: u32): u32 {
  return get32<F>(changetype<usize>(tableAt(m, id)) + offsetof<Table>("gen"));
}

/**
 * The entry that maps `vpn` now, as the oracle sees it: no caches, no side effects. 0: none.
 *
 * Shared form: no lock is held, and none is needed. Whoever unhooks a table on this path frees it
 * only after every CPU of the mm's cpumask has acknowledged, and this CPU acknowledges between
 * steps, not within one: the kernel's own argument for walks with interrupts off.
 */
export function softWalk<F>(m: usize, mm: u32, vpn: u64): u64 {
  let id = mmAt(m, mm).root;
  if (id == 0) return 0;
  for (let level = hdr(m, abi.H_LEVELS) - 1; ; level--) {
    if (id > hdr(m, abi.H_TABLES)) return 0;
    const pte = get64<F>(entryAt(tableAt(m, id - 1), indexOf(m, vpn, level)));
    if ((pte & abi.PTE_P) == 0) return 0;
    if (level == 0) return pte;
    if ((pte & abi.PTE_HUGE) != 0) return pte;
    id = <u32>(pte >> abi.PTE_SHIFT) + 1;
  }
  return 0;
}

/** Table of `level` on `vpn`'s path, id + 1; 0 if there is none (or a huge leaf is above it). */
export function tableOf<F>(m: usize, mm: u32, vpn: u64, level: u32): u32 {
  let id = mmAt(m, mm).root;
  for (let l = hdr(m, abi.H_LEVELS) - 1; id != 0 && l > level; l--) {
    const pte = get64<F>(entryAt(tableAt(m, id - 1), indexOf(m, vpn, l)));
    if ((pte & abi.PTE_P) == 0 || (pte & abi.PTE_HUGE) != 0) return 0;
    id = <u32>(pte >> abi.PTE_SHIFT) + 1;
  }
  return id;
}

/**
 * A hardware walk by `actor` under `asid`: uses and fills its paging-structure cache. Returns the
 * entry (a huge leaf unchanged) or 0. Entering a freed table commits PT_UAF.
 */
export function hardWalk<F>(
  m: usize, actor: u32, clock: usize, mm: u32, asid: u32, vpn: u64,
): u64 {
  const levels = hdr(m, abi.H_LEVELS);
  const bits = hdr(m, abi.H_INDEX_BITS);
  const cached = hdr(m, abi.H_PWC_ENTRIES);
  const pwc = pwcAt(m, actor);
  let id = mmAt(m, mm).root;
  let level = levels - 1;
  for (let l: u32 = 0; cached != 0 && l + 1 < levels; l++) {
    const hit = walkFind(pwc, cached, vpn >> (bits * (l + 1)), l, asid);
    if (hit == 0) continue;
    const e = changetype<Entry>(hit);
    if (tableGen<F>(m, e.frame) != e.gen) {
      hazard<F>(m, actor, abi.HZ_PT_UAF, vpn, e.frame);
      return 0;
    }
    id = e.frame + 1;
    level = l;
    break;
  }
  if (id == 0) return 0;
  for (;;) {
    const table: Table = tableAt(m, id - 1);
    const index = indexOf(m, vpn, level);
    const pte = get64<F>(entryAt(table, index));
    if ((pte & abi.PTE_P) == 0) return 0;
    const leaf = level == 0 || (pte & abi.PTE_HUGE) != 0;
    const next = <u32>(pte >> abi.PTE_SHIFT);
    if (!mayUse<F>(m, actor, id - 1, index, leaf ? 0 : next + 1)) return 0;
    if (leaf) return pte;
    level--;
    clockAt(m, actor).walkFills = 1;
    walkFill(pwc, cached, clock, vpn >> (bits * (level + 1)), level, asid, next,
      tableGen<F>(m, next));
    id = next + 1;
  }
  return 0;
}

/** Generation of the frame a leaf entry points at. */
// @ts-ignore: decorator
@inline
export function generationOf<F>(m: usize, pte: u64): u32 {
  return frameGen<F>(m, <u32>(pte >> abi.PTE_SHIFT));
}
