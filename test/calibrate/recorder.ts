/**
 * A machine's event log as an ftrace recording: what a kernel with the profile's prices would have
 * traced, if tracing took no time.
 */
import * as abi from "../../src/core/abi.js";
import { type CostProfile, Machine, type MachineEvent } from "../../src/index.js";
import { operationName } from "../../src/kernel/operation.js";
import { random } from "../traces/helpers.js";

const KINDS = [
  abi.EV_FLUSH_LOCAL,
  abi.EV_FLUSH_REMOTE,
  abi.EV_FLUSH_SEND,
  abi.EV_FLUSH_DONE,
  abi.EV_CSD_QUEUE,
  abi.EV_IPI,
  abi.EV_OP_BEGIN,
  abi.EV_OP_END,
  abi.EV_IRQ,
];
const FUNC = "func=flush_tlb_func";
const SITE = "callsite=on_each_cpu_cond_mask+0x20/0x60";
const CALLBACK = "callback=generic_smp_call_function_single_interrupt+0x0/0x10";
const NONE = "0".repeat(16);
const SECOND = 1e9;

const csdOf = (from: number, to: number): string =>
  (0x1000 + from * 64 + to).toString(16).padStart(16, "0");
const pagesOf = (pages: number): number => (Number.isFinite(pages) ? pages : -1);

interface Line {
  readonly timeNs: number;
  readonly text: string;
}

/** Turns events into lines; the machine has one initiator at a time. */
class Writer {
  readonly lines: Line[] = [];
  private initiator = 0;
  private target = 0;
  /** By CPU: its operation told others; what its own flush was. */
  private readonly sent = new Map<number, boolean>();
  private readonly own = new Map<number, string>();

  constructor(private readonly nanoseconds: boolean) {}

  line(event: { timeNs: number; actor: number; task: number }, text: string): void {
    const digits = this.nanoseconds ? 9 : 6;
    const unit = this.nanoseconds ? 1 : 1000;
    const stamp = Math.floor(event.timeNs / unit);
    const each = SECOND / unit;
    const at = `${Math.floor(stamp / each)}.${String(stamp % each).padStart(digits, "0")}`;
    const cpu = String(event.actor).padStart(3, "0");
    const header = `  app-${event.task + 100}   [${cpu}] d..2. ${at}: `;
    this.lines.push({ timeNs: event.timeNs, text: header + text });
  }

  /** A machine's events are where a micro-op begins; the kernel's line is behind the flush. */
  private ownFlush(event: MachineEvent): void {
    const text = `tlb_flush: pages:${pagesOf(event.a)} reason:local MM shootdown (3)`;
    this.own.set(event.actor, text);
    if (this.sent.get(event.actor) !== true) return;
    this.line(event, `csd_function_entry: ${FUNC}, csd=${NONE}`);
    this.line(event, text);
  }

  event(event: MachineEvent): void {
    switch (event.kind) {
      case abi.EV_OP_BEGIN:
        this.sent.set(event.actor, false);
        if (operationName(event.code) === "madvise") {
          this.line(event, "sys_madvise(start: 0x1000000, len_in: 0x1000, behavior: 4)");
        } else if (operationName(event.code) === "mprotect") {
          this.line(event, "sys_mprotect(start: 0x1000000, len: 0x1000, prot: 1)");
        }
        return;
      case abi.EV_OP_END: {
        const name = operationName(event.code);
        if (name === "madvise" || name === "mprotect") this.line(event, `sys_${name} -> 0x0`);
        return;
      }
      case abi.EV_FLUSH_SEND:
        this.sent.set(event.actor, true);
        this.line(event, `tlb_flush: pages:${pagesOf(event.a)} reason:remote IPI send (4)`);
        return;
      case abi.EV_CSD_QUEUE: {
        this.initiator = event.actor;
        this.target = event.a;
        const csd = csdOf(event.actor, event.a);
        this.line(event, `csd_queue_cpu: cpu=${event.a} ${SITE} ${FUNC} csd=${csd}`);
        return;
      }
      case abi.EV_IPI:
        this.line(event, `ipi_send_cpu: cpu=${this.target} ${SITE} ${CALLBACK}`);
        return;
      case abi.EV_FLUSH_LOCAL:
        return this.ownFlush(event);
      case abi.EV_FLUSH_DONE:
        if (this.sent.get(event.actor) !== true) this.line(event, this.own.get(event.actor) ?? "");
        return;
      case abi.EV_FLUSH_REMOTE: {
        const csd = csdOf(this.initiator, event.actor);
        this.line(event, `csd_function_entry: ${FUNC}, csd=${csd}`);
        this.line(event, `tlb_flush: pages:${pagesOf(event.a)} reason:remote shootdown (1)`);
        return;
      }
      case abi.EV_IRQ: {
        const csd = csdOf(this.initiator, event.actor);
        this.line(event, `csd_function_exit: ${FUNC}, csd=${csd}`);
      }
    }
  }
}

/** How the recording is made. */
export interface RecordOptions {
  readonly profile: CostProfile;
  readonly rounds: number;
  readonly seed: number;
  /** Stamps of nine digits instead of six. */
  readonly nanoseconds: boolean;
  /** CPUs of the process, its initiator included. */
  readonly cpus: number;
}

const PAGE = 0x1000;
/** The last one is above the ceiling. */
const SIZES = [1, 1, 2, 4, 8, 16, 33, 40];

/** A process on several CPUs, and one alone on the last CPU, use and drop pages. */
export async function recording(options: RecordOptions): Promise<Uint8Array> {
  const { cpus, profile, rounds } = options;
  const below = random(options.seed);
  using machine = await Machine.create({
    policy: "concurrent",
    era: "coupled",
    profile,
    record: KINDS,
    geometry: { cpus: cpus + 1, tasks: cpus + 1 },
  });
  const [many, alone] = [machine.newMm(), machine.newMm()];
  for (const mm of [many, alone]) machine.mapNow(mm, PAGE, PAGE + 64, 3);
  for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, machine.newTask(many));
  machine.place(cpus, machine.newTask(alone));
  const writer = new Writer(options.nanoseconds);
  let at = SECOND;
  for (let round = 0; round < rounds; round++) {
    const pages = SIZES[below(SIZES.length)];
    // Gaps of no regular length, so that stamps are cut anywhere.
    at += 400_000 + below(100_003);
    const touch = (cpu: number): void => {
      for (let vpn = PAGE; vpn < PAGE + pages; vpn++) machine.submit(cpu, "write", { vpn }, { at });
    };
    touch(0);
    machine.submit(0, "madvise", { start: PAGE, end: PAGE + pages }, { at });
    machine.submit(cpus, "write", { vpn: PAGE }, { at });
    machine.submit(cpus, "mprotect", { start: PAGE, end: PAGE + 1, prot: 1 }, { at });
    machine.submit(cpus, "mprotect", { start: PAGE, end: PAGE + 1, prot: 3 }, { at });
    machine.submit(cpus, "madvise", { start: PAGE, end: PAGE + 1 }, { at });
    machine.advance(Infinity, (event) => {
      writer.event(event);
    });
  }
  const lines = writer.lines.sort((a, b) => a.timeNs - b.timeNs).map(({ text }) => text);
  const head = ["# tracer: nop", `# entries-in-buffer/entries-written: 1/1   #P:${cpus + 1}`];
  return new TextEncoder().encode([...head, ...lines, ""].join("\n"));
}
