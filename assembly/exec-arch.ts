/** Micro-ops of what architectures have of their own. Only CPUs run these. */
import * as abi from "../src/core/abi";
import { execAsid } from "./asid";
import { fence } from "./broadcast";
import { execGlobal } from "./global-asid";
import { cpuAt, hdr } from "./machine";
import { execPoll } from "./poll";
import { hasPti, ptiEnter, ptiExit } from "./pti";
import { Ctx } from "./rows";
import { kernelAccess } from "./user-access";

/** OP_PTI_ENTER and what follows it. */
export function execArch<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u64, b: u64, imm: u32,
): i32 {
  if (op == abi.OP_PTI_ENTER || op == abi.OP_PTI_EXIT) {
    if (!hasPti(m)) return abi.ST_BAD_PROGRAM;
    if (op == abi.OP_PTI_ENTER) ptiEnter(m, actor, ctx);
    else ptiExit<F>(m, actor, ctx, imm);
    return abi.ST_OK;
  }
  if (op >= abi.OP_POLL_BEGIN && op <= abi.OP_POLL_NOTE) return execPoll<F>(m, actor, ctx, op);
  if (op >= abi.OP_GLOBAL_HAVE && op <= abi.OP_GLOBAL_ASSIGN) {
    return execGlobal<F>(m, actor, ctx, op, imm);
  }
  if (op >= abi.OP_ASID_LOOK) return execAsid<F>(m, actor, ctx, op, a, imm);
  if (op == abi.OP_FENCE) {
    const isCsd = (imm & abi.FENCE_CSD) != 0;
    if (isCsd ? ctx.list == 0 : cpuAt(m, actor).infoMm == 0) return abi.ST_BAD_PROGRAM;
    fence<F>(m, actor, ctx, imm);
    return abi.ST_OK;
  }
  if (op == abi.OP_KERNEL_ACCESS) {
    if (b == 0 || b > <u64>hdr(m, abi.H_MMS)) return abi.ST_BAD_PROGRAM;
    ctx.flag = kernelAccess<F>(m, actor, <u32>b - 1, a) ? 1 : 0;
    return abi.ST_OK;
  }
  return abi.ST_BAD_PROGRAM;
}
