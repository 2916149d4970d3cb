/** A machine on which one operation of one call site is run: one CPU, two devices, one mm. */
import { type Counters, readActorCounters } from "../counters.js";
import { ShootdownError } from "../errors.js";
import type { Era } from "../kernel/era.js";
import { Machine } from "../machine.js";
import type { MachineOptions } from "../machine-options.js";

/** First page of a span of the level above 2 MiB, so that spans and extents count as one. */
export const PAGE = 0x40000;
/** Pages of a page table, and of a huge page. */
export const SPAN = 512;
export const READ = 1;
export const RW = 3;
export const SHARED = 8;

/** Device that walks the mm's own page table, and one with a table of its own. */
const SHARING = 0;
const MIRRORING = 1;

/** See the file comment. */
export class SiteRig {
  private constructor(
    readonly machine: Machine,
    readonly mm: number,
  ) {}

  /** @param more - what else the machine is made from; it has room for one more device */
  static async create(
    era: string | Era,
    policy: string,
    more: MachineOptions = {},
  ): Promise<SiteRig> {
    const machine = await Machine.create({
      ...more,
      era,
      policy,
      geometry: { cpus: 1, devices: 3, tasks: 4, mms: 3, frames: 256, tables: 128, vmas: 32 },
    });
    const mm = machine.newMm();
    machine.place(0, machine.newTask(mm));
    machine.attach("sharing", mm);
    machine.attach("mirroring", mm);
    return new SiteRig(machine, mm);
  }

  /** Maps `pages` pages, half of nothing populated. */
  map(at: number, pages: number, prot: number): void {
    this.machine.mapNow(this.mm, at, at + pages, prot);
  }

  /** Runs an operation to its end. */
  run(operation: string, args: Readonly<Record<string, number>> = {}): void {
    this.machine.submit(0, operation, args);
    this.settle(operation);
  }

  write(at: number, pages = 1): void {
    for (let i = 0; i < pages; i++) this.run("write", { vpn: at + i });
  }

  read(at: number, pages = 1): void {
    for (let i = 0; i < pages; i++) this.run("read", { vpn: at + i });
  }

  /** Maps and writes. */
  populate(at: number, pages: number, prot = RW): void {
    this.map(at, pages, prot);
    this.write(at, pages);
  }

  /** The child never runs. */
  fork(operation = "fork"): void {
    this.run(operation, { childTask: this.machine.newTask(null) + 1 });
  }

  /** Both devices have read the page. */
  share(at: number, pages = 1): void {
    for (let i = 0; i < pages; i++) {
      this.machine.submitAccess(SHARING, "sharing", at + i, false);
      this.machine.submitAccess(MIRRORING, "mirroring", at + i, false);
    }
    this.settle("device access");
  }

  counters(): { all: Counters; sharing: Counters; mirroring: Counters } {
    const { core, geometry } = this.machine;
    return {
      all: this.machine.counters(),
      sharing: readActorCounters(core, geometry.cpus + SHARING),
      mirroring: readActorCounters(core, geometry.cpus + MIRRORING),
    };
  }

  private settle(what: string): void {
    const result = this.machine.advance();
    if (result === "idle") return;
    throw new ShootdownError("E_PROGRAM", `${what} did not end: ${result}`, { operation: what });
  }
}
