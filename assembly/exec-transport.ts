/** Micro-ops of flush policies beyond the usual send, wait and drain. Only CPUs run these. */
import * as abi from "../src/core/abi";
import { batchesOf, execBatched, requestMask } from "./batched";
import { broadcast, broadcastAdd, broadcastWait } from "./broadcast";
import { callSend, csdAck, csdReach, csdRunReached } from "./call-queue";
import { snooped } from "./devices/flush";
import { clean, collectMapped } from "./dirty";
import { execArch } from "./exec-arch";
import { reg, setReg } from "./exec-control";
import { awaitMigration } from "./exec-memory";
import { execDeferral } from "./exec-deferral";
import { clearSlots, cpuOffline } from "./flush";
import { execHost } from "./host";
import { latrPost, latrSweep, latrWait } from "./latr";
import { clockAt, cpuAt, csdAt, hdr } from "./machine";
import { Ctx } from "./rows";
import { flagNoted, notePreempted } from "./vcpu";

/** OP_CSD_KIND and what follows it. */
export function execTransport<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  if (actor >= hdr(m, abi.H_CPUS)) return abi.ST_BAD_PROGRAM;
  if (op == abi.OP_PTE_AWAIT) return awaitMigration<F>(m, actor, ctx, reg(ctx, a));
  if (op >= abi.OP_HOST_CALL) return execHost<F>(m, actor, ctx, op, a, b, c, imm);
  if (op >= abi.OP_PTI_ENTER) return execArch<F>(m, actor, ctx, op, reg(ctx, a), reg(ctx, b), imm);
  if (op == abi.OP_PV_NOTE) {
    if (cpuAt(m, actor).infoMm == 0) return abi.ST_BAD_PROGRAM;
    notePreempted<F>(m, actor, ctx, requestMask(m, cpuAt(m, actor)));
    return abi.ST_OK;
  }
  if (op == abi.OP_PV_FLAG) {
    flagNoted<F>(m, ctx);
    return abi.ST_OK;
  }
  if (op >= abi.OP_DEFER_MAY) return execDeferral<F>(m, actor, ctx, op, a, b, c, imm);
  if (op == abi.OP_CPU_OFFLINE) {
    cpuOffline<F>(m, actor);
    return abi.ST_OK;
  }
  if (op == abi.OP_LATR_POST) return latrPost<F>(m, actor, ctx, imm);
  if (op == abi.OP_LATR_SWEEP) return latrSweep<F>(m, actor, imm);
  if (op == abi.OP_LATR_WAIT) return latrWait(m, actor, ctx, reg(ctx, a), reg(ctx, b));
  if (op == abi.OP_BCAST_SEND) return broadcast<F>(m, actor, imm != 0);
  if (op == abi.OP_BCAST_WAIT) {
    const status = broadcastWait<F>(m, actor);
    if (status == abi.ST_OK) snooped(m, cpuAt(m, actor));
    return status;
  }
  if (op == abi.OP_PTE_CLEAN) return clean<F>(m, ctx, reg(ctx, a), imm != 0);
  if (op == abi.OP_PTE_COLLECT) return collectMapped<F>(m, ctx, reg(ctx, a));
  if (op == abi.OP_SLOTS_CLEAR) return clearSlots<F>(m, actor);
  if (op == abi.OP_BCAST_ADD) {
    return broadcastAdd<F>(m, actor, ctx, reg(ctx, a), reg(ctx, b), imm != 0);
  }
  if (op == abi.OP_BATCH_PENDING) {
    if (ctx.mm == 0) return abi.ST_BAD_PROGRAM;
    const both = batchesOf<F>(m, ctx.mm - 1);
    setReg(ctx, a, both & 0x7fff);
    ctx.flag = (both & 0x7fff) != both >> 16 ? 1 : 0;
    return abi.ST_OK;
  }
  if (op >= abi.OP_BATCH_SHOULD) return execBatched<F>(m, actor, ctx, op, reg(ctx, a));
  if (op == abi.OP_CALL_SEND) return callSend<F>(m, actor, ctx, imm, reg(ctx, a), c);
  if (op == abi.OP_CSD_RUN_REACHED) {
    csdRunReached<F>(m, actor, ctx);
    return abi.ST_OK;
  }
  if (op == abi.OP_CSQ_MORE) {
    ctx.flag = ctx.list != 0 ? 1 : 0;
    return abi.ST_OK;
  }
  if (ctx.list == 0) return abi.ST_BAD_PROGRAM;
  switch (op) {
    case abi.OP_CSD_KIND: {
      const owner = load<u32>(csdAt(m, ctx.list - 1), 4);
      ctx.flag = (owner & abi.CSD_ASYNC) != 0 ? 1 : 0;
      return abi.ST_OK;
    }
    case abi.OP_CSD_ACK: csdAck<F>(m, actor, ctx, clockAt(m, actor), imm != 0); return abi.ST_OK;
    case abi.OP_CSD_REACH: csdReach(m, actor, ctx); return abi.ST_OK;
    default: return abi.ST_BAD_PROGRAM;
  }
}
