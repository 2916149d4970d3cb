/** A container and the model behind the same calls, so that histories need not know which is which. */
import {
  dirtyIovas,
  HostFrames,
  type Outcome,
  UserMm,
  VfioContainer,
  type VfioDevice,
  type VfioKnobs,
  type VfioProt,
  type VfioStorage,
  isShootdownError,
} from "../../src/index.js";
import { type Answer, type ModelDevice, type ModelProcess, Stopped, VfioModel } from "./model.js";

export const DEVICES = ["A", "B", "C"] as const;
/** Groups: A and B are of the first, C of the second. */
export const GROUPS = [
  { name: "mdev", real: false, iommu: "" },
  { name: "pci", real: true, iommu: "one" },
  { name: "nic", real: true, iommu: "one" },
  { name: "gpu", real: true, iommu: "two" },
] as const;

/** Pages of a process: what may be written, what may be read, a hole, and MMIO. */
export const WRITABLE = 200;
const READABLE = 220;
const MMIO = 230;
export const END = 250;
export const BASES = [0x1000, 0x2000] as const;
const RESERVED: readonly (readonly [number, number])[] = [
  [0x1010, 0x1013],
  [0x2010, 0x2013],
];

/** What a device does when it is told. */
export type Told = (side: Side, device: number, first: number, pages: number) => void;

/** Calls, in pages. Processes and devices by number. */
export interface Side {
  pinRange(device: number, page: number, count: number, prot: number): Answer;
  pinList(device: number, pages: readonly number[], prot: number): Answer;
  unpinRange(device: number, page: number, count: number): Answer;
  unpinList(device: number, pages: readonly number[]): Answer;
  map(page: number, count: number, vpn: number, prot: number, mm: number): Answer;
  unmap(page: number, count: number, mm: number, dirty: boolean): Answer;
  unmapAll(mm: number): Answer;
  attach(group: number): Answer;
  detach(group: number): Answer;
  register(device: number, listens: boolean): void;
  start(): Answer;
  stop(): Answer;
  getDirty(page: number, count: number): Answer;
  invalidate(page: number, count: number, mm: number): Answer;
  restore(page: number, count: number, vpn: number, mm: number): Answer;
  rw(device: number, page: number, count: number, write: boolean): Answer;
  replace(mm: number, vpn: number, frame: number): void;
  failFault(mm: number, vpn: number): void;
  failNth(n: number): void;
  limit(mm: number, pages: number, cap: boolean): void;
  interrupt(mm: number): void;
  exit(mm: number): void;
}

/** What can be seen of one. */
export interface Seen {
  readonly verdict: string;
  readonly pins: readonly number[];
  readonly refs: readonly number[];
  readonly charges: readonly number[];
  readonly told: readonly string[];
  readonly warned: readonly string[];
  readonly leaks: readonly string[];
  readonly dirty: readonly number[];
  readonly isFree: boolean;
}

const PROTS: readonly VfioProt[] = ["", "r", "w", "rw"];
const bytes = (pages: number): number => pages * 4096;

export class ContainerSide implements Side {
  private constructor(
    readonly container: VfioContainer,
    readonly processes: readonly UserMm[],
    readonly devices: readonly VfioDevice[],
  ) {}

  static async create(
    era: string,
    knobs: Partial<VfioKnobs>,
    storage: VfioStorage,
    told: Told,
  ): Promise<ContainerSide> {
    const frames = new HostFrames();
    for (const [first, last] of RESERVED) frames.reserve(first, last);
    const processes = BASES.map((base, i) => {
      const mm = new UserMm(frames, { name: `mm${i}` });
      mm.map({ at: 0, pages: WRITABLE, frames: base });
      mm.map({ at: WRITABLE, pages: READABLE - WRITABLE, write: false, frames: base + WRITABLE });
      mm.map({ at: MMIO, pages: END - MMIO, kind: "pfnmap", frames: base + MMIO });
      return mm;
    });
    const container = await VfioContainer.create({
      mm: processes[0],
      era: era as "7.0",
      knobs,
      storage,
    });
    const devices: VfioDevice[] = [];
    const side = new ContainerSide(container, processes, devices);
    for (const group of [0, 1]) side.attach(group);
    for (const [i, name] of DEVICES.entries()) {
      const opened = await container.openDevice({
        name,
        group: i < 2 ? "mdev" : "pci",
        dmaUnmap: (iova, size) => {
          told(side, i, Number(iova) / 4096, Number(size) / 4096);
        },
      });
      if (!opened.ok) throw new Error(opened.message);
      devices.push(opened.value);
    }
    return side;
  }

  /** A call, its outcome as the model tells it. */
  private answer<T>(run: () => Outcome<T>, more: (value: T) => Partial<Answer>): Answer {
    let outcome: Outcome<T>;
    try {
      outcome = run();
    } catch (error) {
      if (isShootdownError(error) && (error.code === "E_FATAL" || error.code === "E_DEADLOCK")) {
        throw new Stopped(this.container.verdict as "FATAL");
      }
      throw error;
    }
    if (outcome.ok) return { ok: true, value: 0, ...more(outcome.value) };
    const { errno, cause, index } = outcome;
    return index === undefined ? { ok: false, errno, cause } : { ok: false, errno, cause, index };
  }

  private pinned(n: number, run: (out: Float64Array) => Outcome<Float64Array>): Answer {
    const out = new Float64Array(n).fill(-1);
    const answer = this.answer(
      () => run(out),
      () => ({ value: n }),
    );
    return { ...answer, out: Array.from(out) };
  }

  pinRange(device: number, page: number, count: number, prot: number): Answer {
    return this.pinned(count, (out) =>
      this.container.pinPages(this.devices[device], bytes(page), count, PROTS[prot], out),
    );
  }

  pinList(device: number, pages: readonly number[], prot: number): Answer {
    return this.pinned(pages.length, (out) =>
      this.container.pinList(this.devices[device], pages.map(bytes), PROTS[prot], out),
    );
  }

  unpinRange(device: number, page: number, count: number): Answer {
    return this.answer(
      () => this.container.unpinPages(this.devices[device], bytes(page), count),
      (value) => ({ value }),
    );
  }

  unpinList(device: number, pages: readonly number[]): Answer {
    return this.answer(
      () => this.container.unpinList(this.devices[device], pages.map(bytes)),
      (value) => ({ value }),
    );
  }

  map(page: number, count: number, vpn: number, prot: number, mm: number): Answer {
    const options = { iova: bytes(page), vaddr: bytes(vpn), size: bytes(count) };
    return this.answer(
      () => this.container.map({ ...options, prot: PROTS[prot], mm: this.processes[mm] }),
      () => ({}),
    );
  }

  unmap(page: number, count: number, mm: number, dirty: boolean): Answer {
    return this.answer(
      () =>
        this.container.unmap({
          iova: bytes(page),
          size: bytes(count),
          getDirty: dirty,
          mm: this.processes[mm],
        }),
      ({ size, rounds, retries, dirty: found }) => ({
        ...{ value: Number(size) / 4096, rounds, retries },
        ...(found === undefined ? {} : { dirty: dirtyIovas(found).map((at) => Number(at) / 4096) }),
      }),
    );
  }

  unmapAll(mm: number): Answer {
    return this.answer(
      () => this.container.unmap({ all: true, mm: this.processes[mm] }),
      ({ size, rounds, retries }) => ({ value: Number(size) / 4096, rounds, retries }),
    );
  }

  attach(group: number): Answer {
    const { name, real, iommu } = GROUPS[group];
    const kind = real ? "real" : "emulated";
    return this.answer(
      () => this.container.attachGroup({ name, kind, iommu }),
      () => ({}),
    );
  }

  detach(group: number): Answer {
    return this.answer(
      () => this.container.detachGroup(GROUPS[group].name),
      () => ({}),
    );
  }

  register(device: number, listens: boolean): void {
    const row = this.devices[device];
    if (listens) this.container.registerNotifier(row);
    else this.container.unregisterNotifier(row);
  }

  start(): Answer {
    return this.answer(
      () => this.container.startDirtyTracking(),
      () => ({}),
    );
  }

  stop(): Answer {
    return this.answer(
      () => this.container.stopDirtyTracking(),
      () => ({}),
    );
  }

  getDirty(page: number, count: number): Answer {
    return this.answer(
      () => this.container.dirtyPages({ iova: bytes(page), size: bytes(count) }),
      (found) => ({ value: found.count, dirty: dirtyIovas(found).map((at) => Number(at) / 4096) }),
    );
  }

  invalidate(page: number, count: number, mm: number): Answer {
    const options = { iova: bytes(page), size: bytes(count), invalidateVaddr: true };
    return this.answer(
      () => this.container.unmap({ ...options, mm: this.processes[mm] }),
      ({ size, rounds, retries }) => ({ value: Number(size) / 4096, rounds, retries }),
    );
  }

  restore(page: number, count: number, vpn: number, mm: number): Answer {
    const options = { iova: bytes(page), vaddr: bytes(vpn), size: bytes(count) };
    return this.answer(
      () => this.container.map({ ...options, updateVaddr: true, mm: this.processes[mm] }),
      () => ({}),
    );
  }

  rw(device: number, page: number, count: number, write: boolean): Answer {
    return this.answer(
      () =>
        this.container.dmaRw(this.devices[device], {
          iova: bytes(page),
          length: bytes(count),
          write,
        }),
      (value) => ({ value }),
    );
  }

  replace(mm: number, vpn: number, frame: number): void {
    this.processes[mm].replace(vpn, frame);
  }

  failFault(mm: number, vpn: number): void {
    this.processes[mm].failNextFault(vpn, "EINTR");
  }

  failNth(n: number): void {
    this.container.allocations.failNth(n);
  }

  limit(mm: number, pages: number, cap: boolean): void {
    this.processes[mm].rlimitMemlock = pages;
    this.processes[mm].capIpcLock = cap;
  }

  interrupt(mm: number): void {
    this.processes[mm].interruptNextCharge = true;
  }

  exit(mm: number): void {
    this.processes[mm].exit();
  }

  seen(): Seen {
    const { container, processes } = this;
    const { records, raw } = container;
    return {
      verdict: container.verdict,
      pins: Array.from(raw.store, ({ page, pfn, count }) => [page, pfn, count]).flat(),
      refs: [...container.frames].flat(),
      charges: processes.map(({ lockedVm }) => lockedVm),
      told: records.notifications.map(
        ({ device, iova, size }) =>
          `${device} ${Number(iova) / 4096} ${Number(iova + size) / 4096 - 1}`,
      ),
      warned: records.warnings.map(({ word }) => word),
      leaks: records.leaks.map(({ kind, iova }) => `${kind} ${Number(iova) / 4096}`),
      dirty: raw.dmas
        .all()
        .flatMap(({ bitmap, first, pages }) =>
          Array.from({ length: bitmap === undefined ? 0 : pages }, (_, i) =>
            ((bitmap![i >> 5] >>> (i & 31)) & 1) === 1 ? [first + i] : [],
          ).flat(),
        ),
      isFree: container.lockOwner === null,
    };
  }
}

function modelProcess(i: number): ModelProcess {
  return {
    name: `mm${i}`,
    base: BASES[i],
    replaced: new Map(),
    isReadOnly: (page) => page >= WRITABLE && page < READABLE,
    isMapped: (page) => page < READABLE || (page >= MMIO && page < END),
    isMmio: (page) => page >= MMIO,
    failing: new Map(),
    locked: 0,
    limit: Infinity,
    cap: false,
    alive: true,
    interrupt: false,
  };
}

export class ModelSide implements Side {
  readonly model: VfioModel;
  readonly processes = BASES.map((_, i) => modelProcess(i));
  readonly devices: readonly ModelDevice[];

  constructor(knobs: VfioKnobs, countsEnd: boolean, told: Told) {
    const mmio = BASES.map((base) => [base + MMIO, base + END - 1] as const);
    const reserved = [...RESERVED, ...mmio];
    this.model = new VfioModel(
      knobs,
      (pfn) => reserved.some(([first, last]) => pfn >= first && pfn <= last),
      countsEnd,
    );
    this.devices = DEVICES.map((name, i) => ({
      name,
      group: i < 2 ? "mdev" : "pci",
      told: (first, pages) => {
        told(this, i, first, pages);
      },
    }));
    for (const group of [0, 1]) this.attach(group);
    this.model.listeners.push(...this.devices);
  }

  pinRange(device: number, page: number, count: number, prot: number): Answer {
    const pages = Array.from({ length: count }, (_, i) => page + i);
    return this.model.pin(this.devices[device], pages, prot);
  }

  pinList(device: number, pages: readonly number[], prot: number): Answer {
    return this.model.pin(this.devices[device], pages, prot);
  }

  unpinRange(device: number, page: number, count: number): Answer {
    const pages = Array.from({ length: count }, (_, i) => page + i);
    return this.model.unpin(this.devices[device], pages);
  }

  unpinList(device: number, pages: readonly number[]): Answer {
    return this.model.unpin(this.devices[device], pages);
  }

  map(page: number, count: number, vpn: number, prot: number, mm: number): Answer {
    return this.model.map(page, count, vpn, prot, this.processes[mm]);
  }

  unmap(page: number, count: number, mm: number, dirty: boolean): Answer {
    return this.model.unmap(page, page + count - 1, this.processes[mm], false, dirty);
  }

  unmapAll(mm: number): Answer {
    return this.model.unmap(0, 2 ** 52 - 1, this.processes[mm], true, false);
  }

  attach(group: number): Answer {
    const { name, real, iommu } = GROUPS[group];
    return this.model.attach(name, real, iommu);
  }

  detach(group: number): Answer {
    return this.model.detach(GROUPS[group].name);
  }

  register(device: number, listens: boolean): void {
    const { listeners } = this.model;
    const at = listeners.indexOf(this.devices[device]);
    if (listens && at < 0) listeners.push(this.devices[device]);
    if (!listens && at >= 0) listeners.splice(at, 1);
  }

  start(): Answer {
    return this.model.start();
  }

  stop(): Answer {
    return this.model.stopTracking();
  }

  getDirty(page: number, count: number): Answer {
    return this.model.get(page, page + count - 1);
  }

  invalidate(page: number, count: number, mm: number): Answer {
    return this.model.invalidate(page, page + count - 1, this.processes[mm]);
  }

  restore(page: number, count: number, vpn: number, mm: number): Answer {
    return this.model.restore(page, count, vpn, this.processes[mm]);
  }

  rw(_: number, page: number, count: number, write: boolean): Answer {
    return this.model.rw(page, count, write);
  }

  replace(mm: number, vpn: number, frame: number): void {
    this.processes[mm].replaced.set(vpn, frame);
  }

  failFault(mm: number, vpn: number): void {
    this.processes[mm].failing.set(vpn, "EINTR");
  }

  failNth(n: number): void {
    this.model.allocationsLeft = n === 0 ? Infinity : n;
  }

  limit(mm: number, pages: number, cap: boolean): void {
    this.processes[mm].limit = pages;
    this.processes[mm].cap = cap;
  }

  interrupt(mm: number): void {
    this.processes[mm].interrupt = true;
  }

  exit(mm: number): void {
    this.processes[mm].alive = false;
  }

  seen(): Seen {
    const { model } = this;
    return {
      verdict: model.verdict,
      pins: model.pinned().flatMap(({ page, pfn, count }) => [page, pfn, count]),
      refs: [...model.refs].sort(([a], [b]) => a - b).flat(),
      charges: this.processes.map(({ locked }) => locked),
      told: model.told,
      warned: model.warned,
      leaks: model.leaks,
      dirty: model.dmas.flatMap(({ dirty }) => [...(dirty ?? [])].sort((a, b) => a - b)),
      isFree: model.isFree,
    };
  }
}
