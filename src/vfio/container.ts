/**
 * A VFIO container with the type1 driver, as user space and host drivers see it. What the kernel
 * answers is an `Outcome`; a call that would never return throws, and the container stands still.
 */
import { deviceDma, type DmaAnswer, dmaRw, type DmaRwOptions } from "./access.js";
import { type Bytes, bytesOf } from "./addresses.js";
import { VfioDevice, type DmaUnmap } from "./device.js";
import {
  type DirtyPages,
  type DirtyRequest,
  getDirty,
  startTracking,
  stopTracking,
} from "./dirty.js";
import { DmaSet } from "./dma.js";
import { type VfioEra, type VfioKnobs, vfioKnobs } from "./eras.js";
import { attachGroup, detachGroup, type VfioGroupOptions } from "./groups.js";
import { mapDma, protOf, type VfioMapOptions, type VfioProt } from "./map.js";
import { removeAll, tellOfRelease } from "./mapping.js";
import { pinPages } from "./pin.js";
import type { VfioLockOrder } from "./locks.js";
import type { Records } from "./records.js";
import { listOf, rangeOf } from "./request.js";
import { Type1, type VfioMode } from "./state.js";
import { type VfioSnapshot, snapshot } from "./snapshot.js";
import { unmapDma, type VfioUnmapOptions, type VfioUnmapped } from "./unmap.js";
import { unpinPages } from "./unpin.js";
import { checkWord } from "../arguments.js";
import type { WasmSource } from "../core/loader.js";
import { ArgumentError } from "../errors.js";
import type { HostFrames } from "../mm/frames.js";
import { UserMm } from "../mm/user-mm.js";
import { checkInto as checkResults } from "../pin-arguments.js";
import { PinnedPages } from "../pinned-pages.js";
import { PinnedPagesTree } from "../pinned-pages-tree.js";
import type { PinStore } from "../pin-store.js";
import { Allocations } from "../uapi/allocations.js";
import { done, failed, type Outcome } from "../uapi/outcome.js";

/** How pins are kept: `packed`, 8 bytes each where they are dense; `tree`, the kernel's nodes. */
export type VfioStorage = "packed" | "tree";

/** See {@link VfioContainer.create}. */
export interface VfioContainerOptions {
  /** Who maps and unmaps, if a call names nobody else. */
  readonly mm: UserMm;
  /** Whose kernel it is; "7.0" by default. */
  readonly era?: VfioEra;
  /** What differs from that. */
  readonly knobs?: Partial<VfioKnobs>;
  /** "packed" by default. */
  readonly storage?: VfioStorage;
  /** Most bytes that pins may take, if packed. */
  readonly maxBytes?: number;
  /** Most nodes of pins, if they are a tree. */
  readonly maxNodes?: number;
  /** The driver it begins with: type1v2 by default; "none": see {@link VfioContainer.setIommu}. */
  readonly driver?: "type1" | "type1v2" | "none";
  /** Bits of an unsigned long; 64 by default. */
  readonly wordBits?: 32 | 64;
  /** Keeps a ledger for each device, which the kernel does not; true by default. */
  readonly ledger?: boolean;
  /** Called where a kernel would sleep, with the lock dropped: what others do meanwhile. */
  readonly onSleep?: () => void;
  readonly wasm?: WasmSource;
}

/** See {@link VfioContainer.openDevice}. */
export interface VfioDeviceOptions {
  readonly name: string;
  /** A group that is attached. */
  readonly group: string;
  /** Told of unmaps. Without it the device has no such operation. */
  readonly dmaUnmap?: DmaUnmap;
  /** Does it begin to listen when it is opened? By default if it has `dmaUnmap`. */
  readonly listens?: boolean;
  /** Called by `closeDevice`, while it still listens. */
  readonly onClose?: () => void;
}

/** The only event there is (VFIO_IOMMU_NOTIFY_DMA_UNMAP). */
export const VFIO_NOTIFY_DMA_UNMAP = 1;

/** See the file comment. Made by {@link VfioContainer.create}. */
export class VfioContainer {
  private constructor(
    private readonly s: Type1,
    private readonly options: VfioContainerOptions,
  ) {}

  /** @throws ArgumentError E_TYPE, E_NOENT, E_LIMIT; CapacityError E_NOMEM */
  static async create(options: VfioContainerOptions): Promise<VfioContainer> {
    if (!(options.mm instanceof UserMm)) {
      throw new ArgumentError("E_TYPE", "mm must be a UserMm", { argument: "mm" });
    }
    const driver = options.driver ?? "type1v2";
    checkWord("driver", driver, ["type1", "type1v2", "none"]);
    checkWord("storage", options.storage ?? "packed", ["packed", "tree"]);
    const wordBits = options.wordBits ?? 64;
    if (wordBits !== 32 && wordBits !== 64) {
      throw new ArgumentError("E_TYPE", "wordBits must be 32 or 64", { argument: "wordBits" });
    }
    const knobs = vfioKnobs(options.era, options.knobs);
    const store = await makeStore(options, true);
    const dmas = await DmaSet.create(options.wasm);
    const s = new Type1(knobs, options.mm, store, dmas, new Allocations(), wordBits);
    s.onSleep = options.onSleep;
    if (driver !== "none") s.mode = driver === "type1" ? "V1" : "V2";
    return new VfioContainer(s, options);
  }

  /** @internal All it is made of. */
  get raw(): Type1 {
    return this.s;
  }

  /** What it does in this era. */
  get knobs(): VfioKnobs {
    return this.s.knobs;
  }

  get frames(): HostFrames {
    return this.s.frames;
  }

  /** The kernel's small allocations: each may be made to fail. */
  get allocations(): Allocations {
    return this.s.allocations;
  }

  /** Notifications, warnings, leaks, misuses, violations, hazards, counters. */
  get records(): Records {
    return this.s.records;
  }

  get mode(): VfioMode {
    return this.s.mode;
  }

  /** `DEADLOCK` or `FATAL`: the host stands still, and every call throws. */
  get verdict(): Type1["verdict"] {
    return this.s.verdict;
  }

  /** Pages this container has charged to a process. */
  chargedTo(mm: UserMm = this.s.mm): number {
    return this.s.charges.get(mm) ?? 0;
  }

  /** Pages that are pinned, each counted once. */
  get pinnedPages(): number {
    return this.s.store.size;
  }

  /** Mappings there are. */
  get mappings(): number {
    return this.s.dmas.size;
  }

  /** Mappings that may still be made (the capability DMA_AVAIL). */
  get dmaAvail(): number {
    return Math.max(0, this.s.knobs.dmaEntryLimit - this.s.dmas.size);
  }

  /** Closed ranges of iovas that may be mapped, bytes (the capability IOVA_RANGE). */
  get iovaRanges(): readonly (readonly [first: bigint, last: bigint])[] {
    return this.s.allowed.map(([first, last]) => [bytesOf(first), bytesOf(last + 1) - 1n]);
  }

  /** Who holds the container's lock, or null. */
  get lockOwner(): string | null {
    return this.s.locks.ownerOf("container");
  }

  /** Which lock was taken while which was held, so far. */
  get lockOrder(): readonly VfioLockOrder[] {
    return this.s.locks.taken;
  }

  /** All that can be seen, as plain data, in a fixed order. */
  state(): VfioSnapshot {
    return snapshot(this.s);
  }

  /** SET_IOMMU: `TYPE1`, `TYPE1v2` or the old `NESTING`. */
  setIommu(type: string): Outcome<VfioMode> {
    this.s.checkAlive();
    const mode = type === "TYPE1" ? "V1" : "V2";
    if (this.s.mode !== "NO_DRIVER") return failed("EINVAL", "driver-set", "there is one already");
    if (!["TYPE1", "TYPE1v2", "NESTING"].includes(type)) {
      return failed("EINVAL", "unknown-type", `${type} is no type of type1`);
    }
    this.s.mode = mode;
    return done(mode);
  }

  /**
   * Attaches a group. A real one maps all mappings, and charges all of their pages.
   * @throws ArgumentError E_TYPE, E_INVERTED, E_ADDR_RANGE
   */
  attachGroup(options: VfioGroupOptions): Outcome<string> {
    return this.underLock(() => {
      const group = attachGroup(this.s, options);
      return group.ok ? done(group.value.name) : group;
    });
  }

  /** Detaches a group; what it pinned stays pinned. */
  detachGroup(name: string): Outcome<null> {
    return this.underLock(() => detachGroup(this.s, name));
  }

  /** The file is closed: groups, mappings and domains go. Nobody is told, but see `releasePolicy`. */
  release(): Outcome<null> {
    return this.underLock(() => {
      const { s } = this;
      tellOfRelease(s);
      s.groups.splice(0);
      removeAll(s);
      s.domains.splice(0);
      s.allowed = [];
      s.nonPinnedGroups = 0;
      s.mode = "NO_DRIVER";
      return done(null);
    });
  }

  /**
   * Opens a device of a group that is attached. It listens from then on if it can.
   * @throws ArgumentError E_EXISTS; CapacityError E_NOMEM
   */
  async openDevice(options: VfioDeviceOptions): Promise<Outcome<VfioDevice>> {
    const { s } = this;
    s.checkAlive();
    const group = s.groups.find(({ name }) => name === options.group);
    if (group === undefined)
      return failed("EINVAL", "no-group", `${options.group} is not attached`);
    if (s.devices.some(({ name, isOpen }) => isOpen && name === options.name)) {
      throw new ArgumentError("E_EXISTS", `${options.name} is open`, { argument: "name" });
    }
    const ledger = this.options.ledger === false ? undefined : await makeStore(this.options, false);
    s.checkAlive();
    const { name, dmaUnmap, onClose } = options;
    const device = new VfioDevice(name, group.name, dmaUnmap, onClose, ledger);
    s.devices.push(device);
    if (options.listens ?? dmaUnmap !== undefined) this.listen(device);
    return done(device);
  }

  private listen(device: VfioDevice): void {
    const { s } = this;
    const add = (): void => {
      s.takeLock("listeners");
      s.listeners.push(device);
      s.locks.give("listeners");
    };
    // The chain has a lock of its own; the list is changed inside of the container's.
    if (s.knobs.listeners === "chain") add();
    else s.locked("container", add);
  }

  /**
   * Lets a device listen, whose driver registers a notifier (until 5.19).
   * @param events - bits, {@link VFIO_NOTIFY_DMA_UNMAP} by default
   */
  registerNotifier(device: VfioDevice, events = VFIO_NOTIFY_DMA_UNMAP): Outcome<null> {
    const { s } = this;
    this.checkDevice(device);
    s.checkAlive();
    if (events === 0) return failed("EINVAL", "no-events", "no events are asked for");
    if ((events & ~VFIO_NOTIFY_DMA_UNMAP) !== 0) {
      return failed("EINVAL", "unknown-events", `events ${events}`);
    }
    if (s.listeners.includes(device)) return failed("EEXIST", "registered", device.name);
    this.listen(device);
    return done(null);
  }

  /** Takes it from the listeners. */
  unregisterNotifier(device: VfioDevice): Outcome<null> {
    const { s } = this;
    this.checkDevice(device);
    s.checkAlive();
    const at = s.listeners.indexOf(device);
    if (at < 0) return failed("ENOENT", "not-registered", `${device.name} does not listen`);
    const remove = (): void => {
      s.takeLock("listeners");
      s.listeners.splice(at, 1);
      s.locks.give("listeners");
    };
    if (s.knobs.listeners === "chain") remove();
    else s.locked("container", remove);
    return done(null);
  }

  /** Closes a device: its `onClose` first, then it leaves the listeners. Its pins stay. */
  closeDevice(device: VfioDevice): Outcome<null> {
    this.checkDevice(device);
    this.s.checkAlive();
    if (!device.isOpen) return failed("EINVAL", "not-open", `${device.name} is not open`);
    device.onClose?.();
    this.s.checkAlive();
    if (this.s.listeners.includes(device)) this.unregisterNotifier(device);
    device.isOpen = false;
    return done(null);
  }

  /** MAP_DMA: the number of the mapping. @throws ArgumentError E_TYPE, E_ADDR_RANGE */
  map(options: VfioMapOptions): Outcome<number> {
    this.s.checkAlive();
    this.checkMm(options.mm);
    const dma = mapDma(this.s, options);
    return dma.ok ? done(dma.value.id) : dma;
  }

  /**
   * UNMAP_DMA. Listeners are told, as often as it takes, of mappings that have pins.
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE; ShootdownError E_DEADLOCK, E_FATAL: it never
   * returns; what a listener throws
   */
  unmap(options: VfioUnmapOptions): Outcome<VfioUnmapped> {
    this.s.checkAlive();
    this.checkMm(options.mm);
    return unmapDma(this.s, options);
  }

  /**
   * Pins `npage` pages from `iova` on (vfio_pin_pages): their frames, in `into` or a new array.
   * After a failure nothing is pinned, and what was written of `into` is 0 again.
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_ALIGN, E_LIMIT; CapacityError E_NOMEM,
   * E_OVERFLOW: the device's ledger cannot keep it
   */
  pinPages(
    device: VfioDevice,
    iova: Bytes,
    npage: number,
    prot: VfioProt = "rw",
    into?: Float64Array,
  ): Outcome<Float64Array> {
    this.s.checkAlive();
    this.checkDevice(device);
    const request = rangeOf(iova, npage);
    checkInto(into, npage);
    return pinPages(this.s, device, request, protOf(prot), into);
  }

  /** As {@link VfioContainer.pinPages} for a list of pages, which 4.10 to 5.19 were given. */
  pinList(
    device: VfioDevice,
    iovas: ArrayLike<Bytes>,
    prot: VfioProt = "rw",
    into?: Float64Array,
  ): Outcome<Float64Array> {
    this.s.checkAlive();
    this.checkDevice(device);
    const request = listOf(iovas);
    checkInto(into, request.count);
    return pinPages(this.s, device, request, protOf(prot), into);
  }

  /**
   * Gives one pin of each page back (vfio_unpin_pages): how many pages were processed, up to one
   * that is not mapped. Those that were not pinned count. With `unpinAnswer: "none"` the kernel
   * tells nobody: misuse is a warning, and the outcome is never a failure.
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_ALIGN
   */
  unpinPages(device: VfioDevice, iova: Bytes, npage: number): Outcome<number> {
    this.s.checkAlive();
    this.checkDevice(device);
    return unpinPages(this.s, device, rangeOf(iova, npage));
  }

  /** As {@link VfioContainer.unpinPages} for a list of pages. */
  unpinList(device: VfioDevice, iovas: ArrayLike<Bytes>): Outcome<number> {
    this.s.checkAlive();
    this.checkDevice(device);
    return unpinPages(this.s, device, listOf(iovas));
  }

  /** A driver reads or writes memory without pinning it (vfio_dma_rw): how many bytes. */
  dmaRw(device: VfioDevice, options: DmaRwOptions): Outcome<number> {
    this.s.checkAlive();
    this.checkDevice(device);
    return dmaRw(this.s, device, options);
  }

  /** A device reaches for memory. What it must not reach is a violation, with who is to blame. */
  dma(device: VfioDevice, iova: Bytes, { write = false } = {}): DmaAnswer {
    this.checkDevice(device);
    return deviceDma(this.s, device, iova, write);
  }

  /** DIRTY_PAGES, START. */
  startDirtyTracking(): Outcome<null> {
    this.s.checkAlive();
    return startTracking(this.s);
  }

  /** DIRTY_PAGES, STOP. */
  stopDirtyTracking(): Outcome<null> {
    this.s.checkAlive();
    return stopTracking(this.s);
  }

  /** DIRTY_PAGES, GET_BITMAP. @throws ArgumentError E_TYPE, E_ADDR_RANGE */
  dirtyPages(request: DirtyRequest): Outcome<DirtyPages> {
    this.s.checkAlive();
    return getDirty(this.s, request);
  }

  /**
   * Runs as another thread. Where that would wait for a lock of the caller's: E_BUSY.
   * @throws what `run` throws
   */
  asThread<T>(name: string, run: () => T): T {
    const { locks } = this.s;
    const { thread } = locks;
    locks.thread = name;
    try {
      return run();
    } finally {
      locks.thread = thread;
    }
  }

  /** While true, charges that the era leaves to a work item are left to one (4.10). */
  set mmapLockBusy(busy: boolean) {
    this.s.mmapLockBusy = busy;
  }

  /** Idempotent; every later call throws E_DISPOSED. */
  dispose(): void {
    if (this.s.disposed) return;
    this.s.disposed = true;
    for (const store of [this.s.store, ...this.s.devices.map(({ ledger }) => ledger)]) {
      if (store instanceof PinnedPages) store.dispose();
    }
    this.s.dmas.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private underLock<T>(run: () => Outcome<T>): Outcome<T> {
    this.s.checkAlive();
    return this.s.locked("container", run);
  }

  private checkDevice(device: VfioDevice): void {
    if (device instanceof VfioDevice && this.s.devices.includes(device)) return;
    throw new ArgumentError("E_FOREIGN", "the device was not opened here", { argument: "device" });
  }

  private checkMm(mm: UserMm | undefined): void {
    if (mm === undefined || mm === this.s.mm) return;
    if (mm instanceof UserMm && mm.frames === this.s.frames) return;
    const message = "mm must be a UserMm on the same frames";
    throw new ArgumentError(mm instanceof UserMm ? "E_FOREIGN" : "E_TYPE", message, {
      argument: "mm",
    });
  }
}

function checkInto(into: Float64Array | undefined, n: number): void {
  if (n > 0) checkResults(into, n);
}

async function makeStore(options: VfioContainerOptions, limited: boolean): Promise<PinStore> {
  const { maxBytes, maxNodes, wasm } = options;
  if (options.storage === "tree") {
    return new PinnedPagesTree(limited && maxNodes !== undefined ? { maxNodes } : {});
  }
  return PinnedPages.create({
    ...(limited && maxBytes !== undefined ? { maxBytes } : {}),
    ...(wasm === undefined ? {} : { wasm }),
  });
}
