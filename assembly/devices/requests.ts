/**
 * Page requests (notifiers.md 4.2): a device that may not or cannot translate a page asks for it
 * and waits; a CPU that serves the device handles the fault and answers. One request a device at a
 * time: tags, and requests in flight that are answered together, are left out.
 *
 * A retry is an access that was answered SUCCESS and is tried again. A device gives up after so
 * many: NOPROG.
 * Invariant: `ask` has an ASK_* bit or an ANSWER_* bit, or is 0.
 */
import * as abi from "../../src/core/abi";
import { hazard } from "../hazard";
import { bump, countersAt, deviceAt, devCtxAt, hdr, mmAt } from "../machine";
import { setReg } from "../exec-control";
import { Ctx } from "../rows";
import { blocked, wakeWaiters } from "../wake";
import { DeviceMore, moreAt } from "./rows";

/** What is waited for: the word of the request. */
function keyOf(m: usize, more: DeviceMore): u32 {
  return <u32>(changetype<usize>(more) + offsetof<DeviceMore>("ask") - m);
}

/** One retry more, past the limit it is NOPROG. 0: there is no limit. */
export function retry<F>(m: usize, dev: u32, vpn: u64, limit: u32): void {
  const more = moreAt(m, dev);
  const actor = hdr(m, abi.H_CPUS) + dev;
  // Without a limit nothing is counted: a state would never be met again.
  if (limit == 0) return;
  more.retries++;
  const most = countersAt(m, actor) + ((<usize>abi.CT_DEV_RETRIES) << 3);
  const had = load<u64>(most);
  if (<u64>more.retries > had) bump(countersAt(m, actor), abi.CT_DEV_RETRIES, more.retries - had);
  if (more.retries > limit) hazard<F>(m, actor, abi.HZ_NOPROG, vpn, 0);
}

/** DEV_ASK. True: somebody will answer. */
export function ask<F>(m: usize, actor: u32, dev: u32, vpn: u64, write: bool): bool {
  const more = moreAt(m, dev);
  if (more.served == 0 || deviceAt(m, dev).mm == 0) return false;
  more.askVpn = vpn;
  more.ask = write ? abi.ASK_WRITE : abi.ASK_READ;
  wakeWaiters<F>(m, actor, keyOf(m, more));
  return true;
}

/** DEV_HEAR */
export function hear<F>(m: usize, actor: u32, ctx: Ctx, dev: u32, vpn: u64, limit: u32): i32 {
  const more = moreAt(m, dev);
  if ((more.ask & (abi.ASK_READ | abi.ASK_WRITE)) != 0) return blocked(m, actor, keyOf(m, more));
  ctx.flag = (more.ask & abi.ANSWER_SUCCESS) != 0 ? 1 : 0;
  more.ask = 0;
  more.askVpn = 0;
  if (ctx.flag != 0) retry<F>(m, dev, vpn, limit);
  return abi.ST_OK;
}

/**
 * REQ_TAKE: r[a] = page, r[b] = PROT_* that is wanted, with a user reference on the mm, which the
 * context works on; 0 when the mm has no users left. Clears the flag when the device is done.
 */
export function take(m: usize, actor: u32, ctx: Ctx, dev: u32, a: u32, b: u32): i32 {
  const more = moreAt(m, dev);
  if ((more.ask & (abi.ASK_READ | abi.ASK_WRITE)) == 0) {
    if (devCtxAt(m, dev).running != 0) return blocked(m, actor, keyOf(m, more));
    ctx.flag = 0;
    return abi.ST_OK;
  }
  const mm = deviceAt(m, dev).mm;
  const isAlive = mm != 0 && mmAt(m, mm - 1).users != 0;
  const isWrite = more.ask == abi.ASK_WRITE;
  setReg(ctx, a, more.askVpn);
  setReg(ctx, b, !isAlive ? 0 : isWrite ? abi.PROT_WRITE : abi.PROT_READ);
  ctx.flag = 1;
  if (isAlive) {
    mmAt(m, mm - 1).users++;
    ctx.mm = <u16>mm;
  }
  return abi.ST_OK;
}

/** REQ_ANSWER */
export function answer<F>(m: usize, actor: u32, dev: u32, code: u32): i32 {
  const more = moreAt(m, dev);
  const isAsked = (more.ask & (abi.ASK_READ | abi.ASK_WRITE)) != 0;
  if (!isAsked || (code != abi.ANSWER_SUCCESS && code != abi.ANSWER_INVALID)) {
    return abi.ST_BAD_PROGRAM;
  }
  more.ask = code;
  wakeWaiters<F>(m, actor, keyOf(m, more));
  return abi.ST_OK;
}

/** REQ_STATE */
export function requestState(m: usize, ctx: Ctx, dev: u32, what: u32): void {
  const more = moreAt(m, dev);
  if (what == abi.REQ_EMPTY) ctx.flag = deviceAt(m, dev).inProgress != 0 ? 1 : 0;
  else more.served = what == abi.REQ_BIND ? 1 : 0;
}
