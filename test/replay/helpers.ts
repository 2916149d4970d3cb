import type { Flush } from "../../src/replay/flushes.js";
import { type ReplayOptions, type ReplayResult, replayTrace } from "../../src/replay/replay.js";
import { bytesOf } from "../traces/helpers.js";

const PAGE = 4096;
const hex = (pages: number): string => `0x${(BigInt(pages) * BigInt(PAGE)).toString(16)}`;

/** Writes a recording line by line: 10 us apart unless told otherwise, all in pages. */
export class Recording {
  private readonly lines: string[] = [];
  private us = 1_000_000;
  private marked = 0;
  private groupOf: ((tid: number) => number) | null = null;

  constructor(cpus = 2) {
    this.lines.push("# tracer: nop", `# entries-in-buffer/entries-written: 1/1   #P:${cpus}`);
  }

  line(cpu: number, tid: number, text: string, comm = "app"): this {
    this.us += 10;
    const at = `${Math.floor(this.us / 1e6)}.${String(this.us % 1e6).padStart(6, "0")}`;
    const where = `[${String(cpu).padStart(3, "0")}]`;
    this.lines.push(`  ${tid === 0 ? "<idle>" : comm}-${tid}   ${where} ..... ${at}: ${text}`);
    return this;
  }

  /** Lets time pass. */
  later(us: number): this {
    this.us += us;
    return this;
  }

  /** Only what is predicted from here on counts. */
  mark(): this {
    this.marked = this.lines.length;
    return this;
  }

  switch(cpu: number, prev: number, next: number, state = "S"): this {
    const name = (tid: number): string => (tid === 0 ? `swapper/${cpu}` : "app");
    return this.line(
      cpu,
      prev,
      `sched_switch: prev_comm=${name(prev)} prev_pid=${prev} prev_prio=120 prev_state=${state} ` +
        `==> next_comm=${name(next)} next_pid=${next} next_prio=120`,
    );
  }

  /** A process whose address space the recording has seen from its first moment. */
  process(cpu: number, tid: number): this {
    return this.line(cpu, tid, "sys_execve(filename: 0x1, argv: 0x1, envp: 0x1)")
      .line(cpu, tid, `sched_process_exec: filename=/bin/app pid=${tid} old_pid=${tid}`)
      .line(cpu, tid, "sys_execve -> 0x0")
      .later(200);
  }

  /** A thread of `parent` that goes to another CPU. */
  thread(cpu: number, parent: number, tid: number, onCpu: number): this {
    return this.line(cpu, parent, "sys_clone3(uargs: 0x1000, size: 0x58)")
      .line(
        cpu,
        parent,
        `sched_process_fork: comm=app pid=${parent} child_comm=app child_pid=${tid}`,
      )
      .line(cpu, parent, `sys_clone3 -> 0x${tid.toString(16)}`)
      .switch(onCpu, 0, tid);
  }

  fork(cpu: number, parent: number, child: number, onCpu: number): this {
    const flags = "clone_flags: 0x1200011, newsp: 0, parent_tidptr: 0, child_tidptr: 0, tls: 0";
    return this.line(cpu, parent, `sys_clone(${flags})`)
      .line(
        cpu,
        parent,
        `sched_process_fork: comm=app pid=${parent} child_comm=app child_pid=${child}`,
      )
      .line(cpu, parent, `sys_clone -> 0x${child.toString(16)}`)
      .switch(onCpu, 0, child);
  }

  mmap(cpu: number, tid: number, vpn: number, pages: number, prot = 3, flags = 0x22): this {
    const fd = (flags & 0x20) === 0 ? "0x3" : "0xffffffff";
    const wanted = (flags & 0x10) === 0 ? "0" : hex(vpn);
    const args = `addr: ${wanted}, len: ${hex(pages)}, prot: ${prot}`;
    return this.line(
      cpu,
      tid,
      `sys_mmap(${args}, flags: 0x${flags.toString(16)}, fd: ${fd}, off: 0)`,
    ).line(cpu, tid, `sys_mmap -> ${hex(vpn)}`);
  }

  munmap(cpu: number, tid: number, vpn: number, pages: number, result = "0x0"): this {
    return this.line(cpu, tid, `sys_munmap(addr: ${hex(vpn)}, len: ${hex(pages)})`).line(
      cpu,
      tid,
      `sys_munmap -> ${result}`,
    );
  }

  mprotect(cpu: number, tid: number, vpn: number, pages: number, prot: number): this {
    const args = `start: ${hex(vpn)}, len: ${hex(pages)}, prot: ${prot}`;
    return this.line(cpu, tid, `sys_mprotect(${args})`).line(cpu, tid, "sys_mprotect -> 0x0");
  }

  madvise(cpu: number, tid: number, vpn: number, pages: number, advice = 4): this {
    const args = `start: ${hex(vpn)}, len_in: ${hex(pages)}, behavior: 0x${advice.toString(16)}`;
    return this.line(cpu, tid, `sys_madvise(${args})`).line(cpu, tid, "sys_madvise -> 0x0");
  }

  mremap(cpu: number, tid: number, vpn: number, old: number, now: number, target: number): this {
    const args = `addr: ${hex(vpn)}, old_len: ${hex(old)}, new_len: ${hex(now)}`;
    return this.line(cpu, tid, `sys_mremap(${args}, flags: 1, new_addr: 0)`).line(
      cpu,
      tid,
      `sys_mremap -> ${hex(target)}`,
    );
  }

  brk(cpu: number, tid: number, vpn: number, result = vpn): this {
    return this.line(cpu, tid, `sys_brk(brk: ${hex(vpn)})`).line(
      cpu,
      tid,
      `sys_brk -> ${hex(result)}`,
    );
  }

  /** A fault with its x86 error code: 6 writes to nothing, 4 reads from it, 7 writes read-only. */
  fault(cpu: number, tid: number, vpn: number, code: number): this {
    return this.line(
      cpu,
      tid,
      `page_fault_user: address=${hex(vpn)} ip=0x400000 error_code=0x${code.toString(16)}`,
    );
  }

  write(cpu: number, tid: number, ...vpns: number[]): this {
    for (const vpn of vpns) this.fault(cpu, tid, vpn, 6);
    return this;
  }

  exit(cpu: number, tid: number): this {
    return this.line(cpu, tid, "sys_exit_group(error_code: 0)").line(
      cpu,
      tid,
      `sched_process_exit: comm=app pid=${tid} prio=120 group_dead=true`,
    );
  }

  /** Gives the recording a column of thread groups. */
  groups(groupOf: (tid: number) => number): this {
    this.groupOf = groupOf;
    return this;
  }

  get bytes(): Uint8Array {
    const { groupOf } = this;
    const text = this.lines.join("\n") + "\n";
    if (groupOf === null) return bytesOf(text);
    const column = (at: string, tid: string): string => `${at} (${groupOf(Number(tid))})`;
    return bytesOf(text.replace(/^  \S+-(\d+)(?=   \[)/gm, column));
  }

  /** Replays; what is predicted behind the mark, as `kind pages` or `kind pages @tid`. */
  async predict(
    options: ReplayOptions & { readonly tids?: boolean } = {},
  ): Promise<{ flushes: string[]; result: ReplayResult }> {
    const flushes: string[] = [];
    const onPrediction = (flush: Flush): void => {
      const line = Number(flush.cause.replace(/\D/g, ""));
      if (!flush.cause.startsWith("exit") && line <= this.marked) return;
      const text = `${flush.kind} ${flush.pages}`;
      flushes.push(options.tids === true ? `${text} @${flush.tid}` : text);
    };
    const { tids: _tids, ...rest } = options;
    const result = await replayTrace(this.bytes, { geometry: SMALL, ...rest, onPrediction });
    return { flushes, result };
  }
}

/** Enough for a recording written by hand. */
export const SMALL = { tasks: 64, mms: 16, frames: 1 << 15, tables: 512, vmas: 256 };
