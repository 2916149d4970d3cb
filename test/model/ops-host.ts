/** Micro-ops that ask the host: without an answer nothing happens, and an answer is used once. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import type { Context, Model } from "./state.js";

/** OP_HOST_CALL … OP_HOST_REFUSED. */
export function runHost(model: Model, actor: number, c: Context, i: Instruction): number {
  if (!model.cpus[actor]) return abi.ST_BAD_PROGRAM;
  const isHook = i.op === abi.OP_HOST_CALL && i.imm !== abi.HOST_THREAD;
  if (isHook && c.dev === null) return abi.ST_BAD_PROGRAM;
  const answer = model.answers.get(actor);
  if (answer === undefined) return abi.ST_HOST;
  model.answers.delete(actor);
  if (answer.waits) return abi.ST_WAIT;
  c.flag = answer.flag;
  if (i.op !== abi.OP_HOST_NEXT) return abi.ST_OK;
  c.r[i.a] = answer.x;
  c.r[i.b] = answer.y;
  c.r[i.c] = BigInt(answer.does);
  return abi.ST_OK;
}
