/** Micro-ops of pinned pages (ROW_PINS). Tasks run them; DMA is a device's own. */
import * as abi from "../../src/core/abi";
import { reg, setReg } from "../exec-control";
import { hazard } from "../hazard";
import { deviceAt, hdr } from "../machine";
import { Ctx } from "../rows";
import { dmaAccess, dmaWalk } from "./dma";
import { holdsContainer, lockPins, unlockPins } from "./locks";
import {
  addMapping, covering, findMapping, mappingOf, removeMapping, testMapping,
} from "./mappings";
import {
  absentPage, domain, firstUnheld, flushIotlbs, pinGet, pinNote, pinPut,
} from "./pages";
import { callbackOf, hasPins, isListed, listOf, nextOf, setList, setListed, setNext } from "./rows";

/** OP_PIN_LIST: ctx.dev joins the list, in front of the others, or leaves it. */
function list(m: usize, ctx: Ctx, how: u32): void {
  const dev: u32 = ctx.dev - 1;
  if (how == abi.LIST_JOIN) {
    if (isListed(m, dev)) return;
    setNext(m, dev, listOf(m));
    setListed(m, dev, true);
    setList(m, dev + 1);
    return;
  }
  if (!isListed(m, dev)) return;
  if (listOf(m) == dev + 1) {
    setList(m, nextOf(m, dev));
  } else {
    let before = listOf(m) - 1;
    while (nextOf(m, before) != dev + 1) before = nextOf(m, before) - 1;
    setNext(m, before, nextOf(m, dev));
  }
  setNext(m, dev, 0);
  setListed(m, dev, false);
}

/** OP_DMA_TELL. */
function tell<F>(m: usize, actor: u32, ctx: Ctx, handle: u64, how: u32): void {
  if (how == abi.TELL_LIST) {
    ctx.cursor = <u16>listOf(m);
    return;
  }
  const mapping = mappingOf(m, handle);
  if (mapping == null) {
    hazard<F>(m, actor, abi.HZ_UAF, 0, 0);
    return;
  }
  ctx.hStart = mapping.start;
  ctx.hEnd = mapping.end;
}

/** OP_DMA_NEXT: the program of the next device's dma_unmap, or 0 when all were told. */
function nextDevice<F>(m: usize, actor: u32, ctx: Ctx, handle: u64, reread: bool): u32 {
  while (ctx.cursor != 0) {
    const dev: u32 = ctx.cursor - 1;
    ctx.cursor = <u16>nextOf(m, dev);
    const pc = callbackOf(m, dev);
    if (pc == 0) continue;
    if (reread) tell<F>(m, actor, ctx, handle, abi.TELL_RANGE);
    ctx.dev = <u16>(dev + 1);
    return pc;
  }
  ctx.dev = 0;
  ctx.hStart = 0;
  ctx.hEnd = 0;
  return 0;
}

function next<F>(m: usize, actor: u32, ctx: Ctx, handle: u64, reread: bool, pc: u32): i32 {
  const entry = nextDevice<F>(m, actor, ctx, handle, reread);
  if (entry == 0) return abi.ST_OK;
  if (ctx.sp == 4) return abi.ST_BAD_PROGRAM;
  ctx.stack = (ctx.stack << 16) | (pc - 1);
  ctx.sp++;
  ctx.pc = <u16>entry;
  return abi.ST_OK;
}

/** OP_PIN_ABSENT. */
function absent(m: usize, ctx: Ctx, a: u32, b: u32, imm: u32): void {
  const x = reg(ctx, a);
  const mapping = imm == abi.ABSENT_PAGE ? covering(m, x) : mappingOf(m, x);
  ctx.flag = 0;
  if (mapping == null) return;
  const page = imm == abi.ABSENT_PAGE ? <u32>x : firstUnheld(m, mapping);
  if (page == mapping.end) return;
  const vpn = absentPage(m, ctx, mapping, page);
  if (vpn == u64.MAX_VALUE) return;
  setReg(ctx, b, vpn);
  ctx.flag = 1;
}

/** What is done with a mapping, under the container lock. */
function execMapping<F>(m: usize, actor: u32, ctx: Ctx, op: i32, handle: u64, imm: u32): i32 {
  const mapping = mappingOf(m, handle);
  if (mapping == null) {
    hazard<F>(m, actor, abi.HZ_UAF, 0, 0);
    ctx.flag = 0;
    return abi.ST_OK;
  }
  switch (op) {
    case abi.OP_DMA_TEST: ctx.flag = testMapping(m, mapping, imm) ? 1 : 0; break;
    case abi.OP_DMA_CLOSE: mapping.flags |= abi.MAP_CLOSED; break;
    case abi.OP_DMA_REMOVE: {
      const start = mapping.start;
      if (removeMapping<F>(m, actor, mapping, imm)) hazard<F>(m, actor, abi.HZ_LEAK, start, 0);
      break;
    }
    default: {
      if (imm == abi.DOMAIN_FLUSH) flushIotlbs(m, mapping);
      else ctx.flag = domain<F>(m, actor, mapping, imm) ? 1 : 0;
    }
  }
  return abi.ST_OK;
}

/** For ctx.dev: a driver's, or a device's own. */
function execDevice<F>(m: usize, actor: u32, ctx: Ctx, op: i32, x: u64, imm: u32): i32 {
  if (ctx.dev == 0) return abi.ST_BAD_PROGRAM;
  const dev: u32 = ctx.dev - 1;
  const needsLock = op == abi.OP_PIN_GET || op == abi.OP_PIN_PUT;
  if (needsLock && !holdsContainer(ctx)) return abi.ST_BAD_PROGRAM;
  switch (op) {
    case abi.OP_PIN_GET: {
      ctx.flag = pinGet(m, ctx, imm == abi.PIN_TOLD ? ctx.hStart : x) ? 1 : 0;
      return abi.ST_OK;
    }
    case abi.OP_PIN_PUT: {
      ctx.flag = pinPut<F>(m, actor, ctx, x, imm == abi.PIN_TOLD) ? 1 : 0;
      return abi.ST_OK;
    }
    case abi.OP_PIN_NOTE: return pinNote(m, ctx, x, imm);
    case abi.OP_PIN_LIST: list(m, ctx, imm); return abi.ST_OK;
    case abi.OP_DMA_ACCESS: ctx.flag = dmaAccess<F>(m, dev, x, imm) ? 1 : 0; return abi.ST_OK;
    case abi.OP_DMA_WALK: ctx.flag = dmaWalk(m, dev, x) ? 1 : 0; return abi.ST_OK;
    default: return abi.ST_BAD_PROGRAM;
  }
}

/** OP_PINS_FIRST … OP_PINS_LAST. `pc` is where the program goes on; callbacks come back. */
export function execPins<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32, pc: u32,
): i32 {
  if (!hasPins(m)) return abi.ST_BAD_PROGRAM;
  const x = reg(ctx, a);
  switch (op) {
    case abi.OP_PINS_LOCK: return lockPins<F>(m, actor, ctx, imm);
    case abi.OP_PINS_UNLOCK: return unlockPins<F>(m, actor, ctx, imm);
    case abi.OP_PIN_PICK: {
      if (imm == abi.PICK_NONE) ctx.dev = 0;
      else if (x >= <u64>hdr(m, abi.H_DEVICES)) return abi.ST_BAD_PROGRAM;
      else ctx.dev = <u16>(x + 1);
      return abi.ST_OK;
    }
    case abi.OP_DMA_FATAL: hazard<F>(m, actor, abi.HZ_FATAL, x, 0); return abi.ST_OK;
    case abi.OP_DMA_TELL: tell<F>(m, actor, ctx, x, imm); return abi.ST_OK;
    case abi.OP_DMA_NEXT: return next<F>(m, actor, ctx, x, imm == abi.NEXT_REREAD, pc);
    case abi.OP_PIN_ABSENT:
    case abi.OP_DMA_ADD:
    case abi.OP_DMA_FIND:
    case abi.OP_DMA_TEST:
    case abi.OP_DMA_CLOSE:
    case abi.OP_DMA_REMOVE:
    case abi.OP_DOMAIN: break;
    default: return execDevice<F>(m, actor, ctx, op, x, imm);
  }
  if (!holdsContainer(ctx)) return abi.ST_BAD_PROGRAM;
  if (op == abi.OP_PIN_ABSENT) {
    absent(m, ctx, a, b, imm);
    return abi.ST_OK;
  }
  if (op == abi.OP_DMA_ADD) {
    ctx.flag = addMapping(m, ctx, x, reg(ctx, b), reg(ctx, c), imm) ? 1 : 0;
    return abi.ST_OK;
  }
  if (op == abi.OP_DMA_FIND) {
    const handle = findMapping(m, reg(ctx, b), reg(ctx, c), imm == abi.FIND_WHOLE);
    setReg(ctx, a, handle);
    ctx.flag = handle != 0 ? 1 : 0;
    return abi.ST_OK;
  }
  return execMapping<F>(m, actor, ctx, op, x, imm);
}
