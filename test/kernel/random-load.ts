/**
 * Random loads for two machines that must not differ, all from one seed: CPUs, address spaces,
 * prices, and what each CPU is asked to do when. Half of them leave initiators much room between
 * their requests, so that shootdowns are over before anything else happens; in the others they
 * collide.
 */
import { Catalogue, type CostProfile, Machine, op, operation, Random, times } from "shootdown";
import * as abi from "../../src/core/abi.js";
import { CPU } from "../../src/core/layout.js";
import { COST_NAMES, OP_NAMES } from "../../src/program/ops.js";

const PAGE = 0x1000;
/** Pages under one leaf table, and how many more of those each address space has. */
const TABLE_PAGES = 512;
const TABLES = 4;
const TASKS_PER_CPU = 3;
const source = "for tests only";

/** Policies whose requests are carried out in one go; those that most machines have more often. */
export const BULK_POLICIES = [
  "concurrent",
  "concurrent",
  "sync",
  "sync",
  "batched",
  "tell-lazy",
  "tell-all",
  "pv-flush",
  "pv-flush-lost",
  "skip-switching",
];

/** Flush requests in a row, as the kit writes them. */
const storm = operation(
  "test-storm",
  ["start", "end", "count"],
  { summary: "flush requests", source, settles: "none" },
  (kit, { start, end, count }) => [times(count, [kit.flush(start, end), op("nop")])],
);

/** Requests that say that page tables were freed: they reach lazy CPUs too. */
const freed = operation(
  "test-freed",
  ["start", "end"],
  { summary: "a flush request after page tables were unhooked", source, settles: "none" },
  (kit, { start, end }) => [kit.flush(start, end, abi.INFO_FREED)],
);

/** Interrupts stay pending for `ns`. */
const irqOff = operation(
  "test-irq-off",
  ["ns"],
  { summary: "a section with interrupts off", source, settles: "none" },
  (kit, { ns }) =>
    kit.regs.scope(["prot"], (prot) => [
      op("irq.off"),
      op("delay", { a: ns }),
      op("vma.find", { a: ns, b: prot }),
      op("irq.on"),
    ]),
);

/** Interrupts stay pending until somebody signals. */
const irqOffWait = operation(
  "test-irq-off-wait",
  [],
  { summary: "waits for a signal with interrupts off", source, settles: "none" },
  () => [op("irq.off"), op("await", { imm: 1, slot: 1 }), op("irq.on")],
);

/** The same with interrupts on: parked in the kernel, and usual in all else. */
const wait = operation(
  "test-wait",
  [],
  { summary: "waits for a signal", source, settles: "none" },
  () => [op("await", { imm: 1, slot: 1 })],
);

const signal = operation(
  "test-signal",
  [],
  { summary: "lets them go on", source, settles: "none" },
  () => [op("signal", { imm: 1 })],
);

const catalogue = Catalogue.standard.with({
  operations: [storm, freed, irqOff, irqOffWait, wait, signal],
});

interface Job {
  readonly cpu: number;
  readonly name: string;
  readonly args: Readonly<Record<string, number>>;
  readonly at: number;
  readonly task?: number;
}

/** See the file comment. */
export class RandomLoad {
  readonly cpus: number;
  readonly policy: string;
  readonly summary: string;
  private readonly random: Random;
  private readonly era: string;
  private readonly profile: string | CostProfile;
  private readonly options: number;
  private readonly hasDevice: boolean;
  private readonly hasOffline: boolean;
  private readonly ways: number;
  private unmapped = 0;
  private readonly first: readonly number[];
  private readonly running: number[];
  private readonly jobs: Job[];

  /** @param fixed - what is not left to chance */
  constructor(seed: bigint, fixed: { cpus?: number; policy?: string } = {}) {
    this.random = new Random(seed);
    const cpus = this.oneOf([2, 2, 2, 3, 4, 8, 17, 31, 32, 33, 64, 128]);
    const policy = this.oneOf(BULK_POLICIES);
    this.cpus = fixed.cpus ?? cpus;
    this.policy = fixed.policy ?? policy;
    this.era = this.oneOf(["coupled", "coupled", "deduplicated"]);
    this.profile = this.chance(2) ? "haswell-2019" : this.randomProfile();
    this.options =
      (this.chance(5) ? 0 : abi.OPT_LAZY_SKIP) |
      (this.chance(3) ? abi.OPT_TRIM : 0) |
      (this.chance(8) ? abi.OPT_SKIP_SWITCHING : 0);
    this.hasDevice = this.chance(5);
    // The last CPU: csd.send passes over it.
    this.hasOffline = this.chance(6);
    this.ways = this.oneOf([2, 4, 12, 12, 12, 14]);
    this.running = Array.from({ length: this.cpus }, (_, cpu) => this.firstTask(cpu));
    this.first = this.running.slice();
    this.jobs = this.randomJobs();
    this.summary =
      `${this.cpus} CPUs, ${this.policy}, ${this.era}, options ${this.options}, ` +
      `${this.jobs.length} jobs, ${this.hasDevice ? "a device" : "no device"}`;
  }

  private oneOf<T>(list: readonly T[]): T {
    return list[this.random.below(list.length)];
  }

  /** True once in `n` times. */
  private chance(n: number): boolean {
    return this.random.below(n) === 0;
  }

  /** Some CPUs come from the first mm, but run the second one now, or a kernel thread: lazily. */
  private firstTask(cpu: number): number {
    const isLast = cpu === this.cpus - 1;
    const isElsewhere = cpu > 0 && this.chance(isLast ? 2 : 10);
    return cpu * TASKS_PER_CPU + (isElsewhere ? 1 + this.random.below(2) : 0);
  }

  /**
   * Prices on everything that can have one, so that a step left out shows; some are so high that
   * whole shootdowns fit in while somebody is in the middle of a switch, or of a flush request.
   */
  private randomProfile(): CostProfile {
    // Prices between sockets mean nothing without sockets.
    const names = [...Object.keys(OP_NAMES), ...Object.keys(COST_NAMES)].filter(
      (name) => !name.endsWith("Remote"),
    );
    const free = new Set(["jmp", "jt", "jf"]);
    const most = this.oneOf([3, 40, 400]);
    const priced = names.filter((name) => !free.has(name) && !this.chance(4));
    const prices = Object.fromEntries(
      priced.map((name) => [name, { ns: this.random.below(most) * this.factor(), source }]),
    );
    const ns = (name: string): number => prices[name]?.ns ?? 0;
    return {
      name: "random",
      title: "random prices",
      source,
      // An interrupt is posted before the write that sends it is over.
      prices: { ...prices, post: { ns: Math.min(ns("post"), ns("ipi")), source } },
    };
  }

  private factor(): number {
    return this.chance(8) ? 1 + this.random.below(500) : 1;
  }

  private randomRange(): { start: number; end: number } {
    const start = PAGE + this.random.below(64);
    const pages = this.chance(2) ? 1 : 1 + this.random.below(40);
    return { start, end: start + pages };
  }

  /** munmap that frees a page table, with or without entries in it to clear. */
  private unmapTable(cpu: number, at: number, task: number): Job[] {
    const start = PAGE + TABLE_PAGES * (1 + (this.unmapped++ % TABLES));
    const range = { start, end: start + 4 };
    return [
      { cpu, at, task, name: "write", args: { vpn: start } },
      ...(this.chance(2) ? [{ cpu, at, task, name: "madvise", args: range }] : []),
      { cpu, at, task, name: "munmap", args: range },
      { cpu, at, task, name: "mmap", args: { ...range, prot: 3 } },
    ];
  }

  private randomJob(cpu: number, at: number): Job | Job[] {
    const { start, end } = this.randomRange();
    const kind = this.random.below(20);
    const task = this.running[cpu];
    const isKernel = task % TASKS_PER_CPU === 2;
    const job = (name: string, args: Record<string, number>): Job => ({
      cpu,
      at,
      task,
      name,
      args,
    });
    if (kind === 0 || isKernel) {
      const next = cpu * TASKS_PER_CPU + this.random.below(TASKS_PER_CPU);
      this.running[cpu] = next;
      return { cpu, at, name: "switch", args: { next } };
    }
    if (kind === 1) return job("test-irq-off", { ns: this.random.below(3000) });
    if (kind === 2) return job("test-freed", { start, end });
    if (kind === 3) return this.unmapTable(cpu, at, task);
    if (kind === 4) return job("mprotect", { start, end, prot: this.oneOf([1, 3]) });
    if (kind === 5 && this.chance(2)) return job("test-signal", {});
    // The first CPU goes on: a load in which everybody waits shows nothing.
    if (kind === 6 && cpu > 0) return job(this.chance(2) ? "test-wait" : "test-irq-off-wait", {});
    if (kind <= 8) return job("write", { vpn: start });
    if (kind <= 12) return job("madvise", { start, end });
    return job("test-storm", { start, end, count: 1 + this.random.below(6) });
  }

  private randomJobs(): Job[] {
    const jobs: Job[] = [];
    const gap = this.oneOf([0, 60, 3_000, 30_000, 100_000_000]);
    const shooters = 1 + this.random.below(Math.min(this.cpus, this.oneOf([1, 2, 4])));
    let at = 0;
    // Every CPU has something in its TLB.
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      for (let i = 0; i < 3 && this.running[cpu] % TASKS_PER_CPU !== 2; i++) {
        const vpn = PAGE + this.random.below(80);
        jobs.push({ cpu, at, name: "write", args: { vpn }, task: this.running[cpu] });
      }
    }
    at += this.oneOf([0, 1_000_000]);
    for (let n = 16 + this.random.below(24); n > 0; n--) {
      at += this.random.below(gap + 1);
      const cpu = this.random.below(this.chance(4) ? this.cpus : shooters);
      jobs.push(...[this.randomJob(cpu, at)].flat());
    }
    return jobs;
  }

  /** A machine with everything queued; the same one each time. */
  async machine(record: readonly number[] = []): Promise<Machine> {
    const { cpus } = this;
    const machine = await Machine.create({
      catalogue,
      policy: this.policy,
      era: this.era,
      profile: this.profile,
      options: this.options,
      record,
      geometry: {
        cpus,
        tasks: cpus * TASKS_PER_CPU,
        mms: 2,
        devices: 1,
        frames: 4096,
        tables: 64,
        vmas: 64,
        tlbSets: 16,
        tlbWays: this.ways,
        pwcEntries: 4,
        asids: 3,
        gatherPages: 64,
      },
    });
    const mms = [machine.newMm(), machine.newMm()];
    for (const mm of mms) {
      machine.mapNow(mm, PAGE, PAGE + TABLE_PAGES, 3);
      for (let i = 1; i <= TABLES; i++) {
        const start = PAGE + TABLE_PAGES * i;
        machine.mapNow(mm, start, start + 4, 3);
      }
    }
    for (let cpu = 0; cpu < cpus; cpu++) {
      const tasks = [...mms, null].map((mm) => machine.newTask(mm));
      machine.place(cpu, tasks[0]);
      if (this.first[cpu] !== tasks[0]) machine.place(cpu, this.first[cpu]);
    }
    if (this.hasOffline) machine.core.write(CPU, machine.core.cpu(cpus - 1), "online", 0);
    if (this.hasDevice) machine.attach("sharing", mms[0]);
    for (const { cpu, name, args, at, task } of this.jobs) {
      machine.submit(cpu, name, args, task === undefined ? { at } : { at, task });
    }
    return machine;
  }
}
