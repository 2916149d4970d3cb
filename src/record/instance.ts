/**
 * A tracing instance of our own: a second set of buffers and switches, so that whoever else traces
 * is not disturbed, and nothing but a directory has to be taken away at the end.
 *
 * Whose events are kept: those in the context of the command's threads and their descendants
 * (`set_event_pid`, `event-fork`), and of the kernel's own: the idle task and kernel threads. The
 * latter matter because a CPU that idles, or runs a kernel thread, keeps the address space it had:
 * a shootdown's target is often such a CPU, and its half (`csd_function_entry`, `tlb_flush`) is
 * traced in the context of whoever is current there. What is left out is what other processes do,
 * and with it the half of a target that has just switched to one of them: such a CPU has
 * nothing of ours to flush, it only finds that out.
 */
import { TraceError } from "../errors.js";
import type { Tracefs } from "./tracefs.js";

/** System calls a replay follows. */
const CALLS = [
  "mmap",
  "munmap",
  "mprotect",
  "madvise",
  "process_madvise",
  "mremap",
  "brk",
  "clone",
  "clone3",
  "fork",
  "vfork",
  "execve",
  "execveat",
  "exit",
  "exit_group",
];

/** Their x86-64 numbers, for kernels without an event for each call. */
const RAW_FILTER = [9, 11, 10, 28, 25, 12, 56, 435, 57, 58, 59, 322, 60, 231, 440]
  .map((id) => `id == ${id}`)
  .join(" || ");

/** What else is recorded: causes, and what the kernel did about them. */
const EVENTS = [
  "exceptions/page_fault_user",
  "exceptions/page_fault_kernel",
  "sched/sched_switch",
  "sched/sched_migrate_task",
  "sched/sched_process_fork",
  "sched/sched_process_exec",
  "sched/sched_process_exit",
  "tlb/tlb_flush",
  "csd/csd_queue_cpu",
  "csd/csd_function_entry",
  "csd/csd_function_exit",
  "ipi/ipi_send_cpu",
  "ipi/ipi_send_cpumask",
  "irq_vectors/call_function_entry",
  "irq_vectors/call_function_exit",
  "irq_vectors/call_function_single_entry",
  "irq_vectors/call_function_single_exit",
];

/** Without these there is nothing to replay. */
const NEEDED = ["sched/sched_switch", "sched/sched_process_fork", "exceptions/page_fault_user"];

/** Buffer of one CPU, when it is read. */
export interface CpuStats {
  readonly cpu: number;
  /** Events in the buffer. */
  readonly entries: number;
  /** Events that found no room, or were written over. */
  readonly lost: number;
}

/** How to trace. */
export interface InstanceOptions {
  /** Size of each CPU's buffer. */
  readonly bufferKb: number;
}

const REMOVE_TRIES = 50;
const REMOVE_WAIT_MS = 20;

/** See the file comment. */
export class TraceInstance {
  /** Events that are recorded, and that this kernel does not have. */
  readonly events: string[] = [];
  readonly missing: string[] = [];

  private constructor(
    private readonly fs: Tracefs,
    /** Path below the tracefs. */
    readonly path: string,
  ) {}

  /**
   * Makes the instance and sets it up; it does not trace yet.
   *
   * @throws TraceError E_ENV, with nothing left behind
   */
  static async create(fs: Tracefs, name: string, options: InstanceOptions): Promise<TraceInstance> {
    const path = `instances/${name}`;
    try {
      await fs.makeDir(path);
    } catch (cause) {
      const { code } = cause as { code?: string };
      const why =
        code === "EACCES" || code === "EPERM" || code === "EROFS"
          ? "no right to: it takes root"
          : `${String(code)}`;
      const message = `record: cannot make ${fs.root}/${path}: ${why}`;
      throw new TraceError("E_ENV", message, { path: `${fs.root}/${path}` }, { cause });
    }
    const instance = new TraceInstance(fs, path);
    try {
      await instance.setUp(options);
      return instance;
    } catch (error) {
      await instance.remove();
      throw error;
    }
  }

  private async setUp({ bufferKb }: InstanceOptions): Promise<void> {
    await this.write("tracing_on", "0");
    await this.write("trace_clock", "mono");
    // What came first is worth most: later events are lost, not the beginning of every mapping.
    await this.write("options/overwrite", "0");
    await this.write("options/event-fork", "1");
    // So that threads that were there before are known to share their memory.
    await this.write("options/record-tgid", "1");
    await this.write("buffer_size_kb", String(bufferKb));
    for (const event of EVENTS) await this.enable(event);
    await this.enableCalls();
    const lacking = NEEDED.filter((event) => this.missing.includes(event));
    if (lacking.length > 0) {
      const message = `record: this kernel has no events ${lacking.join(", ")}`;
      throw new TraceError("E_ENV", message, { missing: lacking });
    }
  }

  private async enableCalls(): Promise<void> {
    const { fs, path } = this;
    if (await fs.exists(`${path}/events/syscalls/sys_enter_munmap`)) {
      for (const call of CALLS) {
        await this.enable(`syscalls/sys_enter_${call}`);
        await this.enable(`syscalls/sys_exit_${call}`);
      }
      return;
    }
    for (const event of ["raw_syscalls/sys_enter", "raw_syscalls/sys_exit"]) {
      if (!(await fs.exists(`${path}/events/${event}/filter`))) {
        throw new TraceError("E_ENV", "record: this kernel has no events of system calls", {});
      }
      await this.write(`events/${event}/filter`, RAW_FILTER);
      await this.enable(event);
    }
  }

  private async enable(event: string): Promise<void> {
    if (!(await this.fs.exists(`${this.path}/events/${event}/enable`))) {
      this.missing.push(event);
      return;
    }
    await this.write(`events/${event}/enable`, "1");
    this.events.push(event);
  }

  private async write(file: string, text: string): Promise<void> {
    const path = `${this.path}/${file}`;
    try {
      await this.fs.write(path, text);
    } catch (cause) {
      const { code } = cause as { code?: string };
      const message = `record: cannot write "${text.slice(0, 40)}" to ${path}: ${String(code)}`;
      throw new TraceError("E_ENV", message, { path, code }, { cause });
    }
  }

  /** Keeps the events of these threads, and of what they will fork, only. */
  async follow(tids: readonly number[]): Promise<void> {
    await this.write("set_event_pid", tids.join(" "));
  }

  async start(): Promise<void> {
    await this.write("tracing_on", "1");
  }

  async stop(): Promise<void> {
    await this.write("tracing_on", "0");
  }

  /** The recording, as text. */
  text(): AsyncIterable<Uint8Array> {
    return this.fs.stream(`${this.path}/trace`);
  }

  /** What each CPU's buffer holds and lost. */
  async stats(): Promise<CpuStats[]> {
    const all: CpuStats[] = [];
    for (let cpu = 0; await this.fs.exists(`${this.path}/per_cpu/cpu${cpu}/stats`); cpu++) {
      const text = await this.fs.read(`${this.path}/per_cpu/cpu${cpu}/stats`);
      all.push({
        cpu,
        entries: fieldOf(text, "entries"),
        lost:
          fieldOf(text, "overrun") +
          fieldOf(text, "commit overrun") +
          fieldOf(text, "dropped events"),
      });
    }
    return all;
  }

  /** Takes the instance away, with all that was set in it. */
  async remove(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.fs.removeDir(this.path);
        return;
      } catch (error) {
        // A reader that was let go a moment ago may still be in there.
        if (tries === REMOVE_TRIES || (error as { code?: string }).code !== "EBUSY") throw error;
        await new Promise((resolve) => setTimeout(resolve, REMOVE_WAIT_MS));
      }
    }
  }
}

/** `entries: 5` in the text of a stats file. */
function fieldOf(text: string, name: string): number {
  const found = new RegExp(`^${name}: (\\d+)$`, "m").exec(text);
  return found === null ? 0 : Number(found[1]);
}
