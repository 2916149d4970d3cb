/** What the CPUs of a stopped or stuck machine were doing, in words, for messages. */
import * as abi from "../core/abi.js";
import type { Core } from "../core/core.js";
import { CLOCK, CPU, CTX } from "../core/layout.js";
import type { Image } from "../program/assembler.js";
import { decode, describe } from "../program/disassembler.js";

/** Address of the context a CPU would run now, 0 if it has nothing to run. */
function runningContext(core: Core, cpu: number): number {
  const own = core.ctx(core.geometry.tasks + cpu);
  if (core.read(CTX, own, "running") !== 0) return own;
  const task = core.read(CPU, core.cpu(cpu), "task");
  if (task === 0) return 0;
  const context = core.ctx(task - 1);
  return core.read(CTX, context, "running") === 0 ? 0 : context;
}

function stepOf(core: Core, image: Image, context: number): string {
  const pc = core.read(CTX, context, "pc");
  const note = image.notes.get(pc);
  const text = describe(decode(image.code, pc));
  return note === undefined ? text : `${text} (${note})`;
}

/** One line per CPU that has something to do. */
export function outstanding(core: Core, image: Image, first: number, last: number): string[] {
  const lines: string[] = [];
  for (let cpu = first; cpu <= last; cpu++) {
    const row = core.cpu(cpu);
    const facts: string[] = [];
    const context = runningContext(core, cpu);
    if (context !== 0) facts.push(`at ${stepOf(core, image, context)}`);
    const acks = core.read(CPU, row, "waitCount");
    if (acks !== 0) facts.push(`${acks} of its requests not acknowledged`);
    if (core.read(CPU, row, "queue") !== 0) facts.push("requests of others in its call queue");
    if (core.read(CPU, row, "ipiPending") !== 0) facts.push("an interrupt pending");
    const clock = core.clock(cpu);
    const jobs = core.read(CLOCK, clock, "jobTail") - core.read(CLOCK, clock, "jobHead");
    if (jobs !== 0 && core.header[abi.H_JOB_CAP] !== 0) facts.push(`${jobs} jobs queued`);
    if (facts.length > 0) lines.push(`CPU ${cpu}: ${facts.join(", ")}`);
  }
  return lines;
}
