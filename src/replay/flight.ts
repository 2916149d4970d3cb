/**
 * Jobs under way, one to a CPU, and whose doing each event of the machine is. The machine runs
 * through simulated time; the recording's lines come at their times, and a line whose CPU has not
 * come to the end of its last job waits for it.
 */
import * as abi from "../core/abi.js";
import { ProgramError } from "../errors.js";
import type { AdvanceResult, Machine } from "../machine.js";
import type { MachineEvent } from "../machine-events.js";

/** What a job is for: its place and time, and the line that caused it. */
export interface Where {
  readonly cpu: number;
  readonly tid: number;
  readonly timeNs: number;
  readonly cause: string;
}

/** A job, from its line until the next one on its CPU. */
export interface Job {
  readonly where: Where;
  /** It stands for something the recording does not show: it predicts nothing. */
  readonly muted: boolean;
  /** The address space it works on, as the machine numbers them, or null. */
  readonly mm: number | null;
  /** Half-open range of pages it works on. */
  readonly start: number;
  readonly end: number;
}

/** See the file comment. */
export class Flight {
  /** The last job of each CPU: what the CPU does is done for it. */
  private readonly last: (Job | null)[];
  /** CPUs whose last job is not over, as far as is known. */
  private readonly flying = new Set<number>();
  /** Who asked a CPU to flush, by initiator and target. */
  private readonly asked = new Map<number, Job>();
  /** For whom each CPU carries out a request. */
  private readonly serving: (Job | null)[];
  /** The machine has nothing left to do. */
  private idle = true;

  /** @param onEvent - hears of everything, with the job it belongs to */
  constructor(
    private readonly machine: Machine,
    private readonly cpus: number,
    private readonly onEvent: (event: MachineEvent, job: Job | null) => void,
  ) {
    this.last = new Array<Job | null>(cpus).fill(null);
    this.serving = new Array<Job | null>(cpus).fill(null);
  }

  /** A job begins, at simulated time `at`. Its CPU must be settled. */
  begin(job: Job, name: string, args: Readonly<Record<string, number>>, at: number): void {
    const { cpu } = job.where;
    this.machine.submit(cpu, name, args, { at });
    this.last[cpu] = job;
    this.flying.add(cpu);
    this.idle = false;
  }

  /** Is the last job of `cpu` not over? */
  isFlying(cpu: number): boolean {
    return this.flying.has(cpu);
  }

  /** Lets the machine come to `at`. */
  advance(at: number): void {
    if (!this.idle) this.run(at);
  }

  /** Brings the job of `cpu` to its end; others come as far as they do in that time. */
  settle(cpu: number): void {
    if (this.flying.has(cpu)) this.came(this.machine.finish(cpu, this.take));
  }

  /** Ends jobs of other CPUs that work on a page of [start, end) of `mm`. */
  settleOthers(cpu: number, mm: number, start: number, end: number): void {
    for (const other of [...this.flying]) {
      const job = this.last[other];
      if (other === cpu || job === null || job.mm !== mm) continue;
      if (job.start < end && start < job.end) this.settle(other);
    }
  }

  /** Ends everything, interrupts and devices included. */
  land(): void {
    this.run(Infinity);
  }

  private run(until: number): void {
    this.came(this.machine.advance(until, this.take));
  }

  private came(result: AdvanceResult): void {
    if (result === "deadlock") {
      throw new ProgramError("E_PROGRAM", "deadlock: some CPU waits, and none can go on", {
        policy: this.machine.policy.name,
      });
    }
    this.idle = result === "idle";
    for (const cpu of this.flying) if (!this.machine.isBusy(cpu)) this.flying.delete(cpu);
  }

  private readonly take = (event: MachineEvent): void => {
    const { actor } = event;
    if (event.kind === abi.EV_CSD_RUN) {
      this.serving[actor] = this.asked.get(event.a * this.cpus + actor) ?? null;
      return;
    }
    if (event.kind === abi.EV_IRQ) {
      this.serving[actor] = null;
      return;
    }
    const job = this.whose(event);
    if (event.kind === abi.EV_CSD_QUEUE && job !== null) {
      this.asked.set(actor * this.cpus + event.a, job);
    }
    this.onEvent(event, job);
  };

  private whose({ kind, code, actor }: MachineEvent): Job | null {
    // Devices do nothing on a line's behalf.
    if (actor >= this.cpus) return null;
    const isTargets = kind === abi.EV_FLUSH_REMOTE || (kind === abi.EV_SWITCH_FLUSH && code === 2);
    return (isTargets ? this.serving[actor] : null) ?? this.last[actor];
  }
}
