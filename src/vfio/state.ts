/** What a container is made of, and what every part of it needs. */
import { ShootdownError } from "../errors.js";
import type { HostFrames } from "../mm/frames.js";
import type { UserMm } from "../mm/user-mm.js";
import type { PinStore } from "../pin-store.js";
import type { Allocations } from "../uapi/allocations.js";
import type { Errno } from "../uapi/errno.js";
import type { VfioDevice } from "./device.js";
import { type Dma, type DmaSet } from "./dma.js";
import type { VfioKnobs } from "./eras.js";
import type { Domain, Group } from "./groups.js";
import { Locks, type VfioLockName } from "./locks.js";
import { Records, type VfioLeak, type VfioVerdict } from "./records.js";

/** Which driver the container has: none yet, type1 (v1) or type1v2. */
export type VfioMode = "NO_DRIVER" | "V1" | "V2";

/** See the file comment. */
export class Type1 {
  readonly locks = new Locks();
  readonly records = new Records();
  readonly groups: Group[] = [];
  readonly domains: Domain[] = [];
  /** In the order of their registration. */
  readonly listeners: VfioDevice[] = [];
  readonly devices: VfioDevice[] = [];
  /** Pages this container has charged. */
  readonly charges = new Map<UserMm, number>();
  /** Those of them that nobody can give back. */
  readonly leaked = new Map<UserMm, number>();
  /** Pages with pins that somebody else gave back: who. */
  readonly foreign = new Map<number, string>();
  /** Closed ranges of iova pages that may be mapped, ascending; empty: all. */
  allowed: (readonly [first: number, last: number])[] = [];
  mode: VfioMode = "NO_DRIVER";
  verdict: VfioVerdict = "OK";
  /** What it was, for who calls later. */
  why = "";
  tracking = false;
  vaddrInvalid = 0;
  nonPinnedGroups = 0;
  /** The smallest page of all real groups, in pages of 4 KiB. */
  granule = 1;
  mmapLockBusy = false;
  disposed = false;
  nextId = 1;
  /** Called where a kernel would sleep. */
  onSleep: (() => void) | undefined;
  /** Scratch of pin and unpin requests. */
  scratch = new Float64Array(512);
  answers = new Float64Array(512);
  flags = new Uint8Array(512);

  constructor(
    readonly knobs: VfioKnobs,
    readonly mm: UserMm,
    readonly store: PinStore,
    readonly dmas: DmaSet,
    readonly allocations: Allocations,
    readonly wordBits: 32 | 64,
  ) {}

  get frames(): HostFrames {
    return this.mm.frames;
  }

  /** The group of a device, while that is attached. */
  groupOf({ group }: VfioDevice): Group | undefined {
    return this.groups.find(({ name }) => name === group);
  }

  get hasReal(): boolean {
    return this.domains.length > 0;
  }

  get hasEmulated(): boolean {
    return this.groups.some(({ kind }) => kind === "emulated");
  }

  /** External pins are charged only where no real domain has charged everything. */
  get chargesPins(): boolean {
    return this.domains.length === 0;
  }

  /** @throws DisposedError; ShootdownError E_DEADLOCK, E_FATAL after such a verdict */
  checkAlive(): void {
    if (this.disposed) throw new ShootdownError("E_DISPOSED", "the container was disposed");
    if (this.verdict === "OK") return;
    throw new ShootdownError(this.verdict === "FATAL" ? "E_FATAL" : "E_DEADLOCK", this.why, {
      verdict: this.verdict,
    });
  }

  /** The host stands still from now on. */
  die(verdict: "DEADLOCK" | "FATAL", why: string): never {
    this.verdict = verdict;
    this.why = why;
    this.checkAlive();
    throw new ShootdownError("E_INTERNAL", "unreachable");
  }

  /** Runs with a lock. @throws ShootdownError E_DEADLOCK, E_BUSY */
  locked<T>(lock: VfioLockName, run: () => T): T {
    this.takeLock(lock);
    try {
      return run();
    } finally {
      if (this.verdict === "OK") this.locks.give(lock);
    }
  }

  takeLock(lock: VfioLockName, shared = false): void {
    const { locks } = this;
    if (locks.wouldDeadlock(lock, shared)) {
      this.die("DEADLOCK", `${locks.thread} waits for the ${lock} lock, which it holds itself`);
    }
    locks.take(lock, shared);
    if (locks.isInverted) {
      const message = "the lock of the listeners is taken both inside and outside the container's";
      this.records.hazard("lock-inversion", message);
    }
  }

  /** Charges `n` pages for a mapping; `checked`: only if the limit allows it. */
  charge(dma: Dma, n: number, checked: boolean): Errno | undefined {
    const { mm } = dma;
    if (n === 0) return undefined;
    if (checked && mm.interruptNextCharge) {
      mm.interruptNextCharge = false;
      return "EINTR";
    }
    if (checked && this.isOverLimit(dma, n)) return "ENOMEM";
    if (this.knobs.chargeByWork && this.mmapLockBusy && !this.allocations.take("work")) {
      this.records.hazard("charge-lost", `a change of locked_vm by ${n} pages was lost`);
      return undefined;
    }
    mm.lockedVm += n;
    dma.lockedVm += n;
    this.charges.set(mm, (this.charges.get(mm) ?? 0) + n);
    return undefined;
  }

  isOverLimit(dma: Dma, n: number): boolean {
    return !dma.lockCap && dma.mm.lockedVm + n > dma.mm.rlimitMemlock;
  }

  /** MMIO: its frames have no struct page. */
  isWithoutStructPage(dma: Dma, page: number): boolean {
    return dma.mm.vmaAt(dma.vpnOf(page))?.kind === "pfnmap";
  }

  leak(dma: Dma, leak: VfioLeak): void {
    const { mm } = dma;
    this.records.leaks.push(leak);
    dma.leaked += leak.charged;
    this.leaked.set(mm, (this.leaked.get(mm) ?? 0) + leak.charged);
  }
}
