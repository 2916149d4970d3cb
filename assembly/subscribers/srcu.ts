/**
 * SRCU, and the life of classic subscribers (notifiers.md 1.2, 1.3): who walks the lists does so in
 * a section, and what was taken out of them is freed when nobody is left in one that was open then.
 *
 *   t  T0: munmap                     T1: put
 *   1  section, next is P
 *   2                                 P out of the list; T0 is in a section: not freed yet
 *   3  calls P
 *   4  leaves the section             P is freed
 */
import * as abi from "../../src/core/abi";
import { devRelease } from "../device";
import { hazard } from "../hazard";
import { subscribe } from "../lifecycle";
import { ctxIndex, deviceAt, hdr, mmAt } from "../machine";
import { Ctx, Mm } from "../rows";
import { blocked, wakeWaiters } from "../wake";
import {
  ctxMask, depthOf, devMask, dropReader, hasSubscribers, isEmpty, isFreed, noteReaders, setDepth,
  setState, setUsers, stateOf, usersOf,
} from "./rows";

function leave<F>(m: usize, actor: u32, self: u32): void {
  for (let i: u32 = 0; i < hdr(m, abi.H_CONTEXTS); i++) {
    const mask = ctxMask(m, i);
    if (dropReader(m, mask, self)) wakeWaiters<F>(m, actor, <u32>(mask - m));
  }
  for (let dev: u32 = 0; dev < hdr(m, abi.H_DEVICES); dev++) {
    const mask = devMask(m, dev);
    if (dropReader(m, mask, self)) freed<F>(m, actor, dev);
  }
}

/** No callback of it can be running any more. */
function freed<F>(m: usize, actor: u32, dev: u32): void {
  setState(m, dev, abi.SUB_FREED);
  wakeWaiters<F>(m, actor, <u32>(devMask(m, dev) - m));
}

/** OP_SRCU_LOCK, OP_SRCU_UNLOCK, OP_SRCU_SYNC. */
export function execSrcu<F>(m: usize, actor: u32, ctx: Ctx, op: i32, imm: u32): i32 {
  const self = ctxIndex(m, ctx);
  const depth = depthOf(m, self);
  if (op == abi.OP_SRCU_LOCK) {
    setDepth(m, self, depth + 1);
    return abi.ST_OK;
  }
  if (op == abi.OP_SRCU_UNLOCK) {
    if (depth == 0) return abi.ST_BAD_PROGRAM;
    setDepth(m, self, depth - 1);
    if (depth == 1) leave<F>(m, actor, self);
    return abi.ST_OK;
  }
  if (imm == abi.SYNC_BEGIN) {
    noteReaders(m, ctxMask(m, self));
    return abi.ST_OK;
  }
  if (imm == abi.SYNC_WAIT) {
    const mask = ctxMask(m, self);
    return isEmpty(m, mask) ? abi.ST_OK : blocked(m, actor, <u32>(mask - m));
  }
  for (let dev: u32 = 0; dev < hdr(m, abi.H_DEVICES); dev++) {
    if ((stateOf(m, dev) & abi.SUB_FREEING) == 0) continue;
    return blocked(m, actor, <u32>(devMask(m, dev) - m));
  }
  return abi.ST_OK;
}

/** Where those wait who need that no bracket of an mm is open. */
function bracketsKey(m: usize, mm: u32): u32 {
  return <u32>(changetype<usize>(mmAt(m, mm)) + offsetof<Mm>("brackets") - m);
}

/** All locks of the mm's reverse mappings: WAIT while somebody has a bracket open under one. */
export function waitForBrackets(m: usize, actor: u32, mm: u32): i32 {
  if (mmAt(m, mm).brackets == 0) return abi.ST_OK;
  return blocked(m, actor, bracketsKey(m, mm));
}

/**
 * A bracket has ended, or was refused. When none is left, every classic subscriber must have heard
 * as many ends as beginnings.
 */
export function bracketIsOver<F>(m: usize, actor: u32, mm: u32): void {
  if (!hasSubscribers(m) || mmAt(m, mm).brackets != 0) return;
  wakeWaiters<F>(m, actor, bracketsKey(m, mm));
  for (let id = mmAt(m, mm).subscribers; id != 0; id = deviceAt(m, id - 1).next) {
    if (deviceAt(m, id - 1).inProgress != 0) hazard<F>(m, actor, abi.HZ_UNBAL, 0, 0);
  }
}

function link(m: usize, actor: u32, ctx: Ctx, dev: u32, imm: u32): i32 {
  const isThere = (stateOf(m, dev) & abi.SUB_LINKED) != 0;
  if (imm == abi.LINK_GET || isThere) {
    ctx.flag = imm == abi.LINK_GET && isThere ? 1 : 0;
    if (ctx.flag != 0) setUsers(m, dev, usersOf(m, dev) + 1);
    return abi.ST_OK;
  }
  if (mmAt(m, ctx.mm - 1).users == 0) return abi.ST_BAD_PROGRAM;
  const status = waitForBrackets(m, actor, <u32>ctx.mm - 1);
  if (status != abi.ST_OK) return status;
  subscribe(m, dev, ctx.mm);
  setState(m, dev, abi.SUB_LINKED | (<u32>ctx.mm << 8));
  setUsers(m, dev, 1);
  ctx.flag = 1;
  return abi.ST_OK;
}

/** Out of the list. Its own link stays: somebody may be about to follow it. */
function unlink(m: usize, dev: u32): bool {
  const state = stateOf(m, dev);
  if ((state & abi.SUB_LINKED) == 0) return false;
  const mm = (state >> 8) - 1;
  setState(m, dev, 0);
  setUsers(m, dev, 0);
  const next = deviceAt(m, dev).next;
  const row = mmAt(m, mm);
  if (row.subscribers == dev + 1) {
    row.subscribers = next;
    return true;
  }
  for (let id = row.subscribers; id != 0; id = deviceAt(m, id - 1).next) {
    if (deviceAt(m, id - 1).next == dev + 1) deviceAt(m, id - 1).next = next;
  }
  return true;
}

function put<F>(m: usize, actor: u32, ctx: Ctx, dev: u32, isNow: bool): void {
  const users = usersOf(m, dev);
  ctx.flag = users == 1 ? 1 : 0;
  if (users > 1) setUsers(m, dev, users - 1);
  if (users != 1) return;
  unlink(m, dev);
  setState(m, dev, abi.SUB_FREEING);
  if (isNow || !noteReaders(m, devMask(m, dev))) freed<F>(m, actor, dev);
}

/** The device lets go of its mm: nothing cached, and no fault is served from now on. */
function stop<F>(m: usize, actor: u32, dev: u32): void {
  if (isFreed(m, dev)) hazard<F>(m, actor, abi.HZ_UAF, 0, 0);
  const next = deviceAt(m, dev).next;
  devRelease(m, dev);
  deviceAt(m, dev).next = next;
}

/** OP_SUB_LINK, OP_SUB_UNLINK. */
export function execLife<F>(m: usize, actor: u32, ctx: Ctx, op: i32, imm: u32): i32 {
  if (op == abi.OP_SUB_UNLINK && imm == abi.UNLINK_ALL) {
    for (let id = mmAt(m, ctx.mm - 1).subscribers; id != 0; id = mmAt(m, ctx.mm - 1).subscribers) {
      if (!unlink(m, id - 1)) return abi.ST_BAD_PROGRAM;
    }
    return abi.ST_OK;
  }
  if (ctx.dev == 0) return abi.ST_BAD_PROGRAM;
  const dev: u32 = ctx.dev - 1;
  if (op == abi.OP_SUB_LINK) return link(m, actor, ctx, dev, imm);
  switch (imm) {
    case abi.UNLINK_ONE: ctx.flag = unlink(m, dev) ? 1 : 0; return abi.ST_OK;
    case abi.UNLINK_PUT: put<F>(m, actor, ctx, dev, false); return abi.ST_OK;
    case abi.UNLINK_PUT_NOW: put<F>(m, actor, ctx, dev, true); return abi.ST_OK;
    case abi.UNLINK_STOP: stop<F>(m, actor, dev); return abi.ST_OK;
    case abi.UNLINK_FREE: {
      // Who has registered it again meanwhile has a new one.
      if ((stateOf(m, dev) & abi.SUB_LINKED) == 0) setState(m, dev, abi.SUB_FREED);
      return abi.ST_OK;
    }
    default: return abi.ST_BAD_PROGRAM;
  }
}
