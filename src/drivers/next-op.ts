/** What an actor's next step executes, without taking it. */
import * as abi from "../core/abi.js";
import { CTX } from "../core/layout.js";
import type { Machine } from "../machine.js";
import { decode, type Instruction } from "../program/disassembler.js";

/** Index of the context that a step of the actor's program runs: its handler's, or its task's. */
export function contextOf(machine: Machine, actor: number): number {
  const { core, geometry } = machine;
  const own = geometry.tasks + actor;
  const isOwn = actor >= geometry.cpus || core.read(CTX, core.ctx(own), "running") !== 0;
  return isOwn ? own : machine.taskOn(actor);
}

/** Local micro-ops run first in the same step, so it is the visible one behind them. */
export interface NextOp extends Instruction {
  /** Value of operand a, what the local micro-ops put there included. */
  readonly value: number;
}

/** The next visible micro-op of a context that stands at `pc`, or at its own. */
export function nextOp(machine: Machine, ctx: number, from?: number): NextOp {
  const { core } = machine;
  const { code } = machine.image;
  const loaded = new Map<number, number>();
  let pc = from ?? core.read(CTX, core.ctx(ctx), "pc");
  for (let i = 0; i < 64; i++) {
    const { op, a, imm } = decode(code, pc);
    if (op === abi.OP_MOVI) loaded.set(a, imm);
    if (op === abi.OP_JMP) pc = imm;
    else if (op <= abi.OP_LOCAL_LAST && op !== abi.OP_END && op > abi.OP_JF) pc++;
    else break;
  }
  const instruction = decode(code, pc);
  const inContext = (): number =>
    core.readU64(core.ctx(ctx) + CTX.fields.r0.offset + instruction.a * 8);
  return { ...instruction, value: loaded.get(instruction.a) ?? inContext() };
}
