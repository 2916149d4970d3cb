/** Who is told, and by which road (shootdown P12). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { requestMask } from "./ops-batched.js";
import { forward } from "./ops-broadcast.js";
import { isTarget } from "./ops-flush.js";
import { runMessages } from "./ops-messages.js";
import { join } from "./sharers.js";
import type { Context, Cpu, Model } from "./state.js";

export function isTopology(op: number): boolean {
  return op >= abi.OP_TOPOLOGY_FIRST && op <= abi.OP_TOPOLOGY_LAST;
}

/** HYBRID_CHOOSE */
function choose(model: Model, cpu: Cpu, c: Context, how: number): number {
  const { info } = cpu;
  if (!info || !model.has(abi.OPT_BROADCAST)) return abi.ST_BAD_PROGRAM;
  const targets = [...requestMask(model, cpu, info)]
    .map((index) => model.cpus[index])
    .filter((other) => other !== cpu && other.online && isTarget(model, other, info));
  const isByInterrupt =
    info.mm === "any" ||
    ((how & abi.HYBRID_TABLES) !== 0 && (info.flags & abi.INFO_FREED) !== 0) ||
    targets.length < (how & abi.HYBRID_LEAST);
  c.flag = !isByInterrupt;
  if (isByInterrupt) return abi.ST_OK;
  if ((how & abi.HYBRID_LEAF) !== 0) info.flags |= abi.INFO_LEAF;
  if ((how & abi.HYBRID_ORDERED) !== 0) info.flags |= abi.INFO_ORDERED;
  return abi.ST_OK;
}

/** OP_TOPOLOGY_FIRST … OP_TOPOLOGY_LAST. */
export function runTopology(model: Model, actor: number, c: Context, i: Instruction): number {
  const cpu = model.cpus[actor];
  if (!cpu) return abi.ST_BAD_PROGRAM;
  switch (i.op) {
    case abi.OP_HYBRID_CHOOSE:
      return choose(model, cpu, c, i.imm);
    case abi.OP_SHARER_JOIN:
      return join(model, cpu, c, c.r[i.a], i.imm);
    case abi.OP_MSG_SEND:
    case abi.OP_MSG_POST:
    case abi.OP_MSG_FRESH:
    case abi.OP_MSG_FORWARD:
    case abi.OP_MSG_REPLY:
      return runMessages(model, cpu, c, i);
    case abi.OP_DIR_SEND:
      return forward(model, cpu, i);
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}
