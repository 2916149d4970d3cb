/** Micro-ops of policies that choose who is told, and by which road. Only CPUs run these. */
import * as abi from "../src/core/abi";
import { reg } from "./exec-control";
import { forward } from "./forward";
import { hybridChoose } from "./hybrid";
import { hdr } from "./machine";
import {
  messageForward, messageFresh, messagePost, messageReply, messageSend,
} from "./messages";
import { joinPath } from "./replicas";
import { Ctx } from "./rows";

/** OP_TOPOLOGY_FIRST … OP_TOPOLOGY_LAST. */
export function execTopology<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, imm: u32,
): i32 {
  if (actor >= hdr(m, abi.H_CPUS)) return abi.ST_BAD_PROGRAM;
  switch (op) {
    case abi.OP_HYBRID_CHOOSE: return hybridChoose<F>(m, actor, ctx, imm);
    case abi.OP_SHARER_JOIN: return joinPath<F>(m, actor, ctx, reg(ctx, a), imm);
    case abi.OP_DIR_SEND: return forward(m, actor, imm);
    case abi.OP_MSG_SEND: return messageSend<F>(m, actor, ctx);
    case abi.OP_MSG_POST: messagePost<F>(m, actor); return abi.ST_OK;
    default: break;
  }
  if (ctx.list == 0) return abi.ST_BAD_PROGRAM;
  switch (op) {
    case abi.OP_MSG_FRESH: messageFresh<F>(m, ctx); return abi.ST_OK;
    case abi.OP_MSG_FORWARD: messageForward<F>(m, actor, ctx); return abi.ST_OK;
    case abi.OP_MSG_REPLY: messageReply<F>(m, actor, ctx, imm != 0); return abi.ST_OK;
    default: return abi.ST_BAD_PROGRAM;
  }
}
