/** Shootdowns by messages along a tree of nodes (shootdown P19). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { requestMask } from "./ops-batched.js";
import { isTarget, lockName } from "./ops-flush.js";
import { isTold } from "./sharers.js";
import type { Context, Cpu, Info, Model } from "./state.js";

const nodeOf = (model: Model, cpu: number): number => Math.floor(cpu / model.nodeCpus);

/** Puts a locked message into its target's queue. True: the queue was empty. */
function queue(target: Cpu, from: number): boolean {
  target.queue.push(from);
  return target.queue.length === 1;
}

/** CPUs from `from` on that a request concerns, and how many its filter spares before each. */
function concerned(model: Model, root: Cpu, info: Readonly<Info>, from: number) {
  const mask = [...requestMask(model, root, info)].sort((a, b) => a - b);
  const others = mask.filter((i) => i >= from && i !== root.index && model.cpus[i].online);
  const isFor = (i: number): boolean =>
    isTarget(model, model.cpus[i], info) && isTold(model, root, i, info);
  return { others, targets: others.filter(isFor) };
}

function send(model: Model, cpu: Cpu, c: Context): number {
  if (!cpu.info) return abi.ST_BAD_PROGRAM;
  const { others, targets } = concerned(model, cpu, cpu.info, c.cursor);
  if (targets.length === 0) {
    model.count(cpu.index, abi.CT_FILTERED, others.length);
    c.cursor = 0;
    c.flag = false;
    return abi.ST_OK;
  }
  const [next] = targets;
  const name = lockName(cpu.index, next);
  if (model.csds.has(name)) return abi.ST_WAIT;
  c.flag = true;
  const isFar = nodeOf(model, next) !== nodeOf(model, cpu.index);
  const open = isFar ? { open: 1 } : {};
  model.csds.set(name, { async: false, acked: false, payload: null, call: null, ...open });
  if (queue(model.cpus[next], cpu.index)) cpu.ipiSet.add(next);
  else model.count(cpu.index, abi.CT_COALESCED);
  model.count(cpu.index, abi.CT_CSD);
  model.count(cpu.index, abi.CT_FILTERED, others.indexOf(next));
  c.cursor = isFar ? (nodeOf(model, next) + 1) * model.nodeCpus : next + 1;
  return abi.ST_OK;
}

/** A leader tells the next of its node. */
function forward(model: Model, cpu: Cpu, c: Context): void {
  const root = model.cpus[c.taken[0]];
  const own = model.csds.get(lockName(root.index, cpu.index))!;
  const node = nodeOf(model, cpu.index);
  const next =
    own.open === undefined || !root.info
      ? undefined
      : concerned(model, root, root.info, Math.max(c.cursor, node * model.nodeCpus)).targets.find(
          (i) =>
            i !== cpu.index &&
            nodeOf(model, i) === node &&
            !model.csds.has(lockName(root.index, i)),
        );
  c.flag = next !== undefined;
  c.cursor = next === undefined ? 0 : next + 1;
  if (next === undefined) return;
  own.open!++;
  const message = { async: false, acked: true, relayed: true, payload: null, call: null };
  model.csds.set(lockName(root.index, next), message);
  if (queue(model.cpus[next], root.index)) model.cpus[next].ipiPending = true;
  else model.count(cpu.index, abi.CT_COALESCED);
  model.count(cpu.index, abi.CT_CSD);
}

/** One less that a leader waits for. */
function close(model: Model, cpu: Cpu, leader: Cpu, root: number): void {
  const name = lockName(root, leader.index);
  const csd = model.csds.get(name)!;
  csd.open!--;
  if (csd.open! > 0) return;
  if (leader === cpu || !leader.online) {
    model.csds.delete(name);
    return;
  }
  model.count(cpu.index, abi.CT_CSD);
  if (queue(leader, root)) leader.ipiPending = true;
}

function reply(model: Model, cpu: Cpu, c: Context, early: boolean): void {
  const root = c.taken.shift()!;
  c.flag = c.taken.length > 0;
  const name = lockName(root, cpu.index);
  const csd = model.csds.get(name)!;
  if (csd.open !== undefined && csd.open > 0 && !early) {
    close(model, cpu, cpu, root);
    return;
  }
  model.csds.delete(name);
  if (csd.open !== undefined || !csd.acked || csd.call || early) return;
  const leader = model.cpus.find(
    ({ index }) =>
      nodeOf(model, index) === nodeOf(model, cpu.index) &&
      model.csds.get(lockName(root, index))?.open !== undefined,
  );
  if (leader) close(model, cpu, leader, root);
}

/** MSG_SEND … MSG_REPLY. */
export function runMessages(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  switch (i.op) {
    case abi.OP_MSG_SEND:
      return send(model, cpu, c);
    case abi.OP_MSG_POST:
      for (const target of cpu.ipiSet) model.cpus[target].ipiPending = true;
      cpu.ipiSet.clear();
      return abi.ST_OK;
    case abi.OP_MSG_FRESH: {
      const { open } = model.csds.get(lockName(c.taken[0], cpu.index))!;
      c.flag = open !== 0;
      return abi.ST_OK;
    }
    case abi.OP_MSG_FORWARD:
      forward(model, cpu, c);
      return abi.ST_OK;
    default:
      reply(model, cpu, c, i.imm !== 0);
      return abi.ST_OK;
  }
}
