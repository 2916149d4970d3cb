/**
 * What drivers that mirror an mm share: its MMU notifiers, told by the machine's own operations;
 * its page table, as software reads it; whose memory a device page is; and what pages contain.
 */
import * as abi from "../core/abi.js";
import { BASE } from "../core/core.js";
import { FRAME, MM, SYS } from "../core/layout.js";
import { ArgumentError } from "../errors.js";
import { pagesOf } from "../core/geometry.js";
import type { HostDevice } from "../devices/device.js";
import type { DeviceOps } from "../devices/types.js";
import type { Steps, WaitQueue } from "../devices/wait.js";
import type { Machine } from "../machine.js";
import { MmuNotifiers, type NotifierEra } from "../notifiers/mmu-notifiers.js";
import type {
  Bracket,
  NotifierFaults,
  NotifierRange,
  SubscriberHandle,
} from "../notifiers/types.js";

/** A leaf entry, as software reads it. */
export interface SpaceEntry {
  readonly frame: number;
  readonly generation: number;
  /** PTE_*; 0: nothing is there. */
  readonly flags: number;
}

/** See {@link HmmSpace.attach}. */
export interface HmmSpaceOptions {
  /** Faults of the kernel's notifiers; `fixed` by default. */
  readonly faults?: NotifierFaults;
}

const ERAS: readonly string[] = ["double", "deduplicated", "coupled"];
/** Contents are words of 31 bits: the highest is the core's. */
const CONTENT_LIMIT = 2 ** 31;

/** See the file comment. */
export class HmmSpace {
  /** Woken when readers that wait for brackets may go on. */
  readonly reopened: WaitQueue;
  /** The mm's place among the machine's devices. */
  readonly device: HostDevice;
  private readonly id: number;
  /** Frames of device memory, and whose. */
  private readonly owners = new Map<number, { generation: number; owner: unknown }>();
  private readonly open = new WeakMap<NotifierRange, Bracket>();

  private constructor(
    readonly machine: Machine,
    readonly mm: number,
    readonly notifiers: MmuNotifiers,
  ) {
    const { core } = machine;
    this.id = core.read(MM, core.mm(mm), "ctxId");
    this.reopened = machine.hosts.queue();
    this.device = machine.attachDevice(mm, this.ops());
  }

  /**
   * Subscribes to an mm: one device row of the machine, however many drivers there are.
   * @throws as {@link Machine.attachDevice}
   */
  static async attach(
    machine: Machine,
    mm: number,
    options: HmmSpaceOptions = {},
  ): Promise<HmmSpace> {
    const { name } = machine.era;
    const era = (ERAS.includes(name) ? name : "coupled") as NotifierEra;
    const notifiers = await MmuNotifiers.create({ era, ...options });
    // Later it would have to wait until no bracket is open.
    notifiers.register(null);
    return new HmmSpace(machine, mm, notifiers);
  }

  /** The operations' brackets become brackets of the notifiers. */
  private ops(): DeviceOps {
    const { notifiers, open, reopened } = this;
    return {
      *rangeStart(range) {
        const bracket = yield* notifiers.startSteps(range.start, range.end, range) as Steps<
          Bracket | undefined
        >;
        if (bracket !== undefined) open.set(range, bracket);
        else reopened.wake();
        return bracket !== undefined;
      },
      *rangeEnd(range) {
        const bracket = open.get(range);
        if (bracket === undefined) return;
        yield* notifiers.onlyEndSteps(bracket) as Steps<void>;
        reopened.wake();
      },
      secondary: (start, end) => {
        notifiers.invalidateSecondary(start, end);
      },
      *release() {
        yield* notifiers.exitSteps() as Steps<void>;
        reopened.wake();
      },
    };
  }

  /** mmu_interval_read_begin: waits in simulated time. */
  *readBegin(handle: SubscriberHandle): Steps<number> {
    for (;;) {
      const stamp = this.notifiers.tryReadBegin(handle);
      if (stamp !== undefined) return stamp;
      yield this.reopened;
    }
  }

  /** Pages of the address space. */
  get pages(): number {
    return pagesOf(this.machine.geometry);
  }

  /** mmget_not_zero would succeed: it has not exited, and is not another one by now. */
  get isAlive(): boolean {
    const { core } = this.machine;
    const row = core.mm(this.mm);
    return core.read(MM, row, "ctxId") === this.id && core.read(MM, row, "users") > 0;
  }

  /** What the page table has for a page now; a huge entry as that of its part. */
  entry(page: number): SpaceEntry {
    const { core } = this.machine;
    const word = core.x.machineEntry(BASE, this.mm, page);
    const frame = Math.floor(word / 2 ** abi.PTE_SHIFT);
    return { frame, flags: word % 2 ** abi.PTE_SHIFT, generation: this.generation(frame) };
  }

  /** PROT_* and VMA_* of a page; 0: not mapped, or PROT_NONE. */
  protection(page: number): number {
    return this.machine.protectionOf(this.mm, page);
  }

  /** + 1 whenever the frame is freed. */
  generation(frame: number): number {
    const { core } = this.machine;
    return core.read(FRAME, core.frame(frame), "gen");
  }

  /** Frames that are left. */
  get freeFrames(): number {
    const { core, geometry } = this.machine;
    return geometry.frames - 1 - core.read(SYS, core.sys, "framesUsed");
  }

  /** The device pages of [start, end) that are nobody's yet are `owner`'s. */
  claim(start: number, end: number, owner: unknown): void {
    for (let page = start; page < end; page++) {
      const { frame, flags, generation } = this.entry(page);
      if ((flags & abi.PTE_DEVICE) === 0) continue;
      if (this.owners.get(frame)?.generation !== generation) {
        this.owners.set(frame, { generation, owner });
      }
    }
  }

  /** Is the device page in an entry `owner`'s? */
  isOwned({ frame, generation }: SpaceEntry, owner: unknown): boolean {
    const known = this.owners.get(frame);
    return known?.generation === generation && known.owner === owner;
  }

  /** What a frame contains: a word that copies take along, 0 in a fresh one. */
  content(frame: number): number {
    const { core } = this.machine;
    return core.read(FRAME, core.frame(frame), "value") % CONTENT_LIMIT;
  }

  /**
   * Somebody has stored to a frame. Not for machines with watched pages, which count stores there.
   * @throws ArgumentError E_LIMIT
   */
  setContent(frame: number, word: number): void {
    const { core, geometry } = this.machine;
    if (!Number.isInteger(word) || word < 0 || word >= CONTENT_LIMIT) {
      throw new ArgumentError("E_LIMIT", `word must be 0 to 2^31 - 1, got ${word}`, {
        argument: "word",
        least: 0,
        most: CONTENT_LIMIT - 1,
      });
    }
    if (geometry.watch > 0 || frame === 0) {
      throw new ArgumentError("E_LIMIT", "the zero page and watched pages have their own content", {
        argument: "frame",
        value: frame,
      });
    }
    core.write(FRAME, core.frame(frame), "value", word);
  }

  /** A CPU stores a word to a page, and everything advances until it has. */
  store(cpu: number, page: number, word: number): void {
    this.touch(cpu, "write", page);
    const { frame } = this.entry(page);
    this.setContent(frame, word);
  }

  /** A CPU loads from a page, and everything advances until it has. */
  load(cpu: number, page: number): number {
    this.touch(cpu, "read", page);
    return this.content(this.entry(page).frame);
  }

  private touch(cpu: number, operation: string, page: number): void {
    const { machine } = this;
    if (machine.mmOf(machine.taskOn(cpu)) !== this.mm) {
      throw new ArgumentError("E_FOREIGN", `CPU ${cpu} runs another mm`, { argument: "cpu" });
    }
    machine.submit(cpu, operation, { vpn: page });
    machine.finish(cpu);
    const bits = operation === "write" ? abi.PROT_WRITE : abi.PROT_READ;
    if ((this.protection(page) & bits) === 0) {
      throw new ArgumentError("E_ADDR_RANGE", `page ${page} does not allow a ${operation}`, {
        argument: "page",
        errno: "EFAULT",
      });
    }
  }
}
