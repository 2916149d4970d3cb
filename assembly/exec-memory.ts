/** Micro-ops on VMAs, page tables, frames and the gather. */
import * as abi from "../src/core/abi";
import { cas64, get32, get64, put32, put64 } from "./atomics";
import { entryAt, frameAt, mmAt, setHdr, tableAt } from "./machine";
import { deferBare, recycledFrame } from "./deferral";
import { reg, setReg } from "./exec-control";
import {
  freeTables, gatherAdd, gatherBegin, gatherEnd, gatherFree, gatherNested, gatherWiden,
} from "./gather";
import { latrFrames } from "./latr";
import {
  allocPath, extentEnd, leafPlace, nextEntry, nextTable, putEntry, refFrame, splitHuge,
  unhookTable,
} from "./page-table";
import { chargeCopies } from "./replicas";
import { lockPools, putFrame, takeFrame, unlockPools } from "./pools";
import { Ctx, Frame } from "./rows";
import { blocked, wakeWaiters } from "./wake";
import { frameRefs, indexOf, tableOf } from "./walk";
import {
  vmaClear, vmaCopy, vmaEnd, vmaFind, vmaNext, vmaProt, vmaSet, vmaStart,
} from "./vma";

const RMAP_SHIFT: u64 = 52;
const RMAP_VPN: u64 = (1 << RMAP_SHIFT) - 1;

/** What says whether an entry is present, or why not. */
const PRESENCE: u64 = abi.PTE_P | abi.PTE_PROTNONE | abi.PTE_MARKS;

// @ts-ignore: decorator
@inline
function frameOf(pte: u64): u32 {
  return <u32>(pte >> abi.PTE_SHIFT);
}

// @ts-ignore: decorator
@inline
function rmapAt(m: usize, pfn: u32): usize {
  return changetype<usize>(frameAt(m, pfn)) + offsetof<Frame>("rmap");
}

// @ts-ignore: decorator
@inline
function valueAt(m: usize, pfn: u32): usize {
  return changetype<usize>(frameAt(m, pfn)) + offsetof<Frame>("value");
}

// @ts-ignore: decorator
@inline
function setRmap<F>(m: usize, pfn: u32, mm: u32, vpn: u64): void {
  if (pfn != 0) put64<F>(rmapAt(m, pfn), vpn | ((<u64>(mm + 1)) << RMAP_SHIFT));
}

/** The entry at `p` was `old` and is not any more: who waits for its migration looks again. */
// @ts-ignore: decorator
@inline
function changed<F>(m: usize, actor: u32, p: usize, old: u64): void {
  if ((old & abi.PTE_MIGRATION) != 0) wakeWaiters<F>(m, actor, <u32>(p - m));
}

/** PTE_AWAIT. A huge entry is marked only while its lock is held. */
export function awaitMigration<F>(m: usize, actor: u32, ctx: Ctx, vpn: u64): i32 {
  if (ctx.mm == 0) return abi.ST_BAD_PROGRAM;
  const leaf = tableOf<F>(m, ctx.mm - 1, vpn, 0);
  if (leaf == 0) return abi.ST_OK;
  const p = entryAt(tableAt(m, leaf - 1), indexOf(m, vpn, 0));
  if ((get64<F>(p) & abi.PTE_MIGRATION) == 0) return abi.ST_OK;
  return blocked(m, actor, <u32>(p - m));
}

/** Writes a leaf entry whose table exists. */
function setLeaf<F>(m: usize, actor: u32, mm: u32, vpn: u64, pte: u64): i32 {
  const leaf = tableOf<F>(m, mm, vpn, 0);
  if (leaf == 0) return abi.ST_BAD_PROGRAM;
  const p = entryAt(tableAt(m, leaf - 1), indexOf(m, vpn, 0));
  const old = get64<F>(p);
  putEntry<F>(tableAt(m, leaf - 1), indexOf(m, vpn, 0), pte);
  changed<F>(m, actor, p, old);
  return abi.ST_OK;
}

function clearLeaf<F>(
  m: usize, actor: u32, ctx: Ctx, mm: u32, vpn: u64, how: u32,
): i32 {
  const p = leafPlace<F>(m, mm, vpn);
  if (p == 0) return abi.ST_BAD_PROGRAM;
  const pte = get64<F>(p);
  ctx.pte = pte;
  if (pte == 0) return abi.ST_OK;
  const huge = (pte & abi.PTE_HUGE) != 0;
  const level = huge ? 1 : 0;
  const left: u64 = how > <u32>abi.CLEAR_MOVING ? (pte & ~PRESENCE) | how : 0;
  putEntry<F>(tableAt(m, tableOf<F>(m, mm, vpn, level) - 1), indexOf(m, vpn, level), left);
  changed<F>(m, actor, p, pte);
  // One compare-and-swap: another mm may name its own mapping of a shared frame in between.
  if (how == 0) cas64<F>(rmapAt(m, frameOf(pte)), vpn | ((<u64>(mm + 1)) << RMAP_SHIFT), 0);
  return abi.ST_OK;
}

/** Does a change of a present entry leave translations behind that allow too much (PROTECT_*)? */
function needsFlush(old: u64, now: u64, when: u32): bool {
  const rights: u64 = abi.PTE_P | abi.PTE_W | abi.PTE_EXEC;
  if (when == abi.PROTECT_CHANGED) return ((old ^ now) & rights) != 0;
  const lost = old & ~now;
  return (lost & (when == abi.PROTECT_LOST ? rights : abi.PTE_P)) != 0;
}

/** mprotect of one entry: W follows `prot` where the frame is private to this mm. */
function protectLeaf<F>(m: usize, ctx: Ctx, mm: u32, vpn: u64, prot: u64, when: u32): i32 {
  const p = leafPlace<F>(m, mm, vpn);
  if (p == 0) return abi.ST_BAD_PROGRAM;
  const old = get64<F>(p);
  ctx.pte = old;
  ctx.flag = 0;
  if (old == 0) return abi.ST_OK;
  if ((old & abi.PTE_MARKS) != 0 && when != abi.PROTECT_RESTORE) {
    // Not present anyway: a fault brings back what the VMA allows by then.
    if ((prot & abi.PROT_WRITE) == 0) put64<F>(p, old & ~(<u64>abi.PTE_W));
    return abi.ST_OK;
  }
  let now = old & ~(<u64>(abi.PTE_W | abi.PTE_P | abi.PTE_PROTNONE | abi.PTE_EXEC |
    abi.PTE_MARKS));
  if ((prot & abi.PROT_EXEC) != 0) now |= abi.PTE_EXEC;
  now |= (prot & (abi.PROT_READ | abi.PROT_WRITE)) != 0 ? abi.PTE_P : abi.PTE_PROTNONE;
  const pfn = frameOf(old);
  const own = pfn != 0 && (old & abi.PTE_FILE) == 0 &&
    ((old & abi.PTE_SHARED) != 0 || frameRefs<F>(m, pfn) == 1);
  const keeps = (old & abi.PTE_W) != 0 || own;
  if ((prot & abi.PROT_WRITE) != 0 && keeps) now |= abi.PTE_W;
  put64<F>(p, now);
  ctx.flag = (old & abi.PTE_P) != 0 && needsFlush(old, now, when) ? 1 : 0;
  return abi.ST_OK;
}

/** fork of one entry: private pages become read-only on both sides. F = the parent lost W. */
function copyLeaf<F>(m: usize, ctx: Ctx, vpn: u64, child: u32): i32 {
  const p = leafPlace<F>(m, ctx.mm - 1, vpn);
  if (p == 0) return abi.ST_BAD_PROGRAM;
  const old = get64<F>(p);
  const huge = (old & abi.PTE_HUGE) != 0;
  const level = huge ? 1 : 0;
  if (old != 0) {
    const status = allocPath<F>(m, child, vpn, level);
    if (status != abi.ST_OK) return status;
  }
  ctx.pte = old;
  ctx.flag = 0;
  if (old == 0) return abi.ST_OK;
  const shared = (old & abi.PTE_SHARED) != 0;
  const now = shared ? old : old & ~(<u64>abi.PTE_W);
  refFrame<F>(m, frameOf(old));
  putEntry<F>(tableAt(m, tableOf<F>(m, child, vpn, level) - 1), indexOf(m, vpn, level), now);
  if (now == old) return abi.ST_OK;
  put64<F>(p, now);
  ctx.flag = 1;
  return abi.ST_OK;
}

/** An entry that was cleared to be moved, or to be put back with other `marks`, or PTE_P. */
function putMoved<F>(
  m: usize, actor: u32, ctx: Ctx, mm: u32, vpn: u64, marks: u32,
): i32 {
  const old = ctx.pte;
  if (old == 0) return abi.ST_BAD_PROGRAM;
  const pte = marks == 0 ? old : (old & ~PRESENCE) | marks;
  let status: i32 = abi.ST_OK;
  if ((pte & abi.PTE_HUGE) != 0) {
    status = allocPath<F>(m, mm, vpn, 1);
    if (status != abi.ST_OK) return status;
    const table = tableAt(m, tableOf<F>(m, mm, vpn, 1) - 1);
    if (get64<F>(entryAt(table, indexOf(m, vpn, 1))) != 0) return abi.ST_BAD_PROGRAM;
    putEntry<F>(table, indexOf(m, vpn, 1), pte);
  } else {
    status = setLeaf<F>(m, actor, mm, vpn, pte);
    if (status != abi.ST_OK) return status;
  }
  setRmap<F>(m, frameOf(pte), mm, vpn);
  ctx.pte = 0;
  return abi.ST_OK;
}

function setHuge<F>(m: usize, ctx: Ctx, vpn: u64, flags: u32): i32 {
  const mm: u32 = ctx.mm - 1;
  const status = allocPath<F>(m, mm, vpn, 1);
  if (status != abi.ST_OK) return status;
  const table = tableAt(m, tableOf<F>(m, mm, vpn, 1) - 1);
  // Before the entry: who can see a huge leaf must not skip huge entries of the caches.
  setHdr(m, abi.H_HUGE_SEEN, 1);
  putEntry<F>(table, indexOf(m, vpn, 1), ((<u64>ctx.frame) << abi.PTE_SHIFT) | flags |
    abi.PTE_P | abi.PTE_HUGE);
  setRmap<F>(m, ctx.frame, mm, vpn);
  ctx.frame = 0;
  return abi.ST_OK;
}

function allocFrame<F>(m: usize, actor: u32, ctx: Ctx, how: u32): i32 {
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  const recycles = (how & abi.ALLOC_RECYCLE) != 0;
  let pfn = recycles ? recycledFrame(m, actor, ctx.mm - 1) : -1;
  if (pfn < 0) pfn = takeFrame(m, actor);
  if (pfn >= 0) {
    if ((how & abi.ALLOC_KEEP) == 0) deferBare<F>(m, ctx.mm - 1, pfn, how);
    frameAt(m, pfn).refs = 1;
    ctx.frame = <u32>pfn;
  }
  unlockPools<F>(m);
  return pfn < 0 ? latrFrames(m, actor) : abi.ST_OK;
}

function dropFrame<F>(m: usize, actor: u32, pfn: u32): i32 {
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  putFrame<F>(m, actor, pfn);
  unlockPools<F>(m);
  return abi.ST_OK;
}

/** OP_VMA_FIND … OP_GATHER_END. */
export function execMemory<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  if (ctx.mm == 0) return abi.ST_BAD_PROGRAM;
  const mm: u32 = ctx.mm - 1;
  const x = reg(ctx, a);
  switch (op) {
    case abi.OP_VMA_FIND: {
      const prot = vmaFind(m, mm, x);
      setReg(ctx, b, prot);
      ctx.flag = prot != 0 ? 1 : 0;
      return abi.ST_OK;
    }
    case abi.OP_VMA_SET:
      return vmaSet(m, mm, x, reg(ctx, b), reg(ctx, c)) ? abi.ST_OK : abi.ST_NO_VMAS;
    case abi.OP_VMA_CLEAR:
      return vmaClear(m, mm, x, reg(ctx, b)) ? abi.ST_OK : abi.ST_NO_VMAS;
    case abi.OP_VMA_NEXT: {
      const p = vmaNext(m, mm, x);
      ctx.flag = p != 0 ? 1 : 0;
      if (p == 0) return abi.ST_OK;
      const start = vmaStart(m, mm, p);
      setReg(ctx, a, start > x ? start : x);
      setReg(ctx, b, vmaEnd(m, mm, p));
      setReg(ctx, c, vmaProt(p));
      return abi.ST_OK;
    }
    case abi.OP_VMA_COPY: vmaCopy(m, mm, <u32>x - 1); return abi.ST_OK;

    case abi.OP_TABLE_NEXT: {
      const end = reg(ctx, b);
      const v = nextTable<F>(m, mm, x, end);
      ctx.flag = v < end ? 1 : 0;
      setReg(ctx, a, v);
      setReg(ctx, c, v < end ? extentEnd(m, v, end) : end);
      return abi.ST_OK;
    }
    case abi.OP_TABLE_ALLOC: return allocPath<F>(m, mm, x, 0);
    case abi.OP_TABLE_UNHOOK:
      return unhookTable<F>(m, ctx, mm, x, reg(ctx, b), imm);
    case abi.OP_PTE_NEXT: {
      setReg(ctx, a, nextEntry<F>(m, ctx, mm, x, reg(ctx, b)));
      return abi.ST_OK;
    }
    case abi.OP_PTE_GET: {
      const p = leafPlace<F>(m, mm, x);
      ctx.pte = p == 0 ? 0 : get64<F>(p);
      ctx.flag = (imm != 0 ? ctx.pte : ctx.pte & abi.PTE_P) != 0 ? 1 : 0;
      return abi.ST_OK;
    }
    case abi.OP_PTE_CLEAR: {
      const status = clearLeaf<F>(m, actor, ctx, mm, x, imm);
      if (status == abi.ST_OK && ctx.pte != 0) chargeCopies<F>(m, actor, mm, x);
      return status;
    }
    case abi.OP_PTE_SET:
    case abi.OP_PTE_SET_VMA: {
      let flags: u64 = (imm & abi.PTE_PROTNONE) != 0 ? imm : imm | abi.PTE_P;
      if (op == abi.OP_PTE_SET_VMA) {
        const prot = reg(ctx, b);
        if ((prot & abi.PROT_WRITE) != 0) flags |= abi.PTE_W;
        if ((prot & abi.VMA_SHARED) != 0) flags |= abi.PTE_SHARED;
        if ((prot & abi.PROT_EXEC) != 0) flags |= abi.PTE_EXEC;
      }
      const status = setLeaf<F>(m, actor, mm, x, ((<u64>ctx.frame) << abi.PTE_SHIFT) | flags);
      if (status != abi.ST_OK) return status;
      setRmap<F>(m, ctx.frame, mm, x);
      ctx.frame = 0;
      return abi.ST_OK;
    }
    case abi.OP_PTE_PUT: return putMoved<F>(m, actor, ctx, mm, x, imm);
    case abi.OP_PTE_PROTECT: {
      const status = protectLeaf<F>(m, ctx, mm, x, reg(ctx, b), imm);
      if (status == abi.ST_OK && ctx.flag != 0) chargeCopies<F>(m, actor, mm, x);
      return status;
    }
    case abi.OP_PTE_COPY: {
      const status = copyLeaf<F>(m, ctx, x, <u32>reg(ctx, b) - 1);
      if (status == abi.ST_OK && ctx.flag != 0) chargeCopies<F>(m, actor, mm, x);
      return status;
    }
    case abi.OP_PTE_HUGE: return setHuge<F>(m, ctx, x, imm);
    case abi.OP_PTE_SPLIT: return splitHuge<F>(m, ctx, mm, x);

    case abi.OP_FRAME_ALLOC: return allocFrame<F>(m, actor, ctx, imm);
    case abi.OP_FRAME_GET: {
      if (imm != 0) ctx.frame = frameOf(ctx.pte);
      refFrame<F>(m, ctx.frame);
      return abi.ST_OK;
    }
    case abi.OP_FRAME_COPY: {
      const value = get32<F>(valueAt(m, frameOf(ctx.pte)));
      put32<F>(valueAt(m, ctx.frame), value & ~abi.FRAME_COLLECTED);
      return abi.ST_OK;
    }
    case abi.OP_FRAME_PUT: {
      const status = dropFrame<F>(m, actor, frameOf(ctx.pte));
      if (status == abi.ST_OK) ctx.pte = 0;
      return status;
    }
    case abi.OP_FRAME_DROP: {
      const status = dropFrame<F>(m, actor, ctx.frame);
      if (status == abi.ST_OK) ctx.frame = 0;
      return status;
    }
    case abi.OP_FRAME_ONLY: {
      const pfn = frameOf(ctx.pte);
      const mine = pfn != 0 && (ctx.pte & abi.PTE_FILE) == 0;
      ctx.flag = mine && frameRefs<F>(m, pfn) == 1 ? 1 : 0;
      return abi.ST_OK;
    }
    case abi.OP_RMAP_FIND: {
      const rmap = get64<F>(rmapAt(m, <u32>reg(ctx, b)));
      ctx.flag = rmap >> RMAP_SHIFT == mm + 1 ? 1 : 0;
      setReg(ctx, a, ctx.flag != 0 ? rmap & RMAP_VPN : 0);
      return abi.ST_OK;
    }

    case abi.OP_GATHER_BEGIN: gatherBegin<F>(m, ctx, mm, imm); return abi.ST_OK;
    case abi.OP_GATHER_ADD: return gatherAdd(m, ctx, x) ? abi.ST_OK : abi.ST_BAD_PROGRAM;
    case abi.OP_GATHER_WIDEN: {
      gatherWiden(ctx, x, reg(ctx, b));
      ctx.gFlags |= <u16>abi.GF_SMALL;
      return abi.ST_OK;
    }
    case abi.OP_GATHER_NESTED: gatherNested<F>(m, ctx, mm); return abi.ST_OK;
    case abi.OP_GATHER_FREE: return gatherFree<F>(m, actor, ctx);
    case abi.OP_GATHER_END: gatherEnd<F>(m, ctx, mm); return abi.ST_OK;
    case abi.OP_TABLE_FREE: {
      if (!lockPools<F>(m)) return abi.ST_WAIT;
      freeTables<F>(m, ctx);
      unlockPools<F>(m);
      return abi.ST_OK;
    }
    default: return abi.ST_BAD_PROGRAM;
  }
}
