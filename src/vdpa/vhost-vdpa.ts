/**
 * A /dev/vhost-vdpa device: what is written to its file, the ioctls that matter for mappings, and
 * what becomes of the mappings when the device is reset and the file closed.
 *
 * Facts: vfio-vdpa.md 3, and drivers/vhost/vdpa.c, vhost.c, iotlb.c. Addresses and sizes of
 * messages are bytes; tables, parents and traces count in pages of 4 KiB.
 */
import { checkWord } from "../arguments.js";
import type { WasmSource } from "../core/loader.js";
import { ArgumentError, ShootdownError } from "../errors.js";
import { Iotlb } from "../iotlb.js";
import { HostFrames } from "../mm/frames.js";
import { UserMm } from "../mm/user-mm.js";
import { Allocations } from "../uapi/allocations.js";
import type { Errno } from "../uapi/errno.js";
import { done, failed, flattened, type Outcome } from "../uapi/outcome.js";
import {
  type Bytes,
  checkBytes,
  hex,
  LAST_BYTE,
  lastOf,
  pageOf,
  SPACE,
  wholePagesOf,
} from "./addresses.js";
import { consistency, type VdpaConsistency } from "./consistency.js";
import { type UnmapOrder, VdpaCore, entriesOf } from "./core.js";
import { noCounts, type VdpaCounts } from "./counts.js";
import { VDPA_ERA_NAMES, VDPA_ERAS, type VdpaEra, type VdpaEraName } from "./eras.js";
import {
  checkFeatures,
  featureMask,
  type FeatureSet,
  hasBit,
  offeredFeatures,
  VDPA_FEATURES,
} from "./features.js";
import { type FailedRun, mapPages } from "./map-pages.js";
import { checkAligned, mapVa } from "./map-va.js";
import {
  MESSAGE_BYTES,
  type ParsedMessage,
  parseMessage,
  VDPA_MESSAGES,
  type VdpaMessage,
} from "./messages.js";
import {
  has,
  RESET_CLEAN_MAP,
  type VdpaEntry,
  type VdpaParent,
  type VdpaTranslations,
} from "./parent.js";
import { exposedPages, type VdpaEvent, type VdpaViolation } from "./trace.js";

/** VIRTIO_CONFIG_S_DRIVER_OK. */
export const DRIVER_OK = 4;

/** What a {@link VhostVdpa} is made of. */
export interface VhostVdpaOptions {
  readonly parent: VdpaParent;
  /** Frames of the host: those of its owners. Its own by default. */
  readonly frames?: HostFrames;
  /** The kernel; 7.0 by default. */
  readonly era?: VdpaEraName;
  /**
   * What goes first when a mapping is removed. The kernel unpins first, which is the default.
   * `unmap-first` is what type1 does; within a batch of a set_map parent pages then stay pinned
   * until the table was pushed.
   */
  readonly order?: UnmapOrder;
  /** Keep the steps and check them; false by default. */
  readonly trace?: boolean;
  /**
   * What becomes of the pages of a run that could not be mapped: `unpinned` (default), or `leaked`
   * where the kernel's clean-up counts on a chunk that it forgot: see docs/vdpa.md.
   */
  readonly failedRun?: FailedRun;
  /** Is the platform's IOMMU cache coherent? True by default. */
  readonly coherentIommu?: boolean;
  /** The aperture of its domain, bytes, both included; everything by default. */
  readonly aperture?: readonly [first: bigint, last: bigint];
  /** The kernel's allocations; its own, of which none fails, by default. */
  readonly allocations?: Allocations;
  readonly wasm?: WasmSource;
}

/** What became of a DMA. */
export type DeviceAccessResult =
  | {
      readonly outcome: "hit";
      /** The frame, or in VA mode the virtual page. */
      readonly page: number;
      /** Every address leads to itself: nothing is mapped. */
      readonly identity: boolean;
      /** Does somebody hold the frame? null in VA mode. */
      readonly held: boolean | null;
    }
  | { readonly outcome: "denied" | "fault" };

/** See the file comment. Made by {@link VhostVdpa.probe} or {@link VhostVdpa.create}. */
export class VhostVdpa {
  readonly parent: VdpaParent;
  readonly era: VdpaEra;
  /** Is the file open? One opener at a time. */
  isOpen = false;
  /** Suspended, as vhost-vdpa sees it. */
  suspended = false;
  /** The device's virtio status. */
  status = 0;
  private acked = 0n;
  private hasQueues = false;
  private busy = false;
  private clearsBefore = 0;
  private range: readonly [first: bigint, last: bigint] = [0n, LAST_BYTE];

  private constructor(
    private readonly core: VdpaCore,
    private readonly options: VhostVdpaOptions,
  ) {
    this.parent = core.parent;
    this.era = core.era;
    this.clearsBefore = core.parent.clears ?? 0;
  }

  /**
   * The device, or why the kernel does not take the parent: one behind the platform's IOMMU must
   * have one group and one address space.
   * @throws ArgumentError E_TYPE, E_LIMIT; CapacityError E_NOMEM
   */
  static async probe(options: VhostVdpaOptions): Promise<Outcome<VhostVdpa>> {
    checkOptions(options);
    const { parent } = options;
    const isPlatform = !has(parent, "setMap") && !has(parent, "dmaMap");
    if (isPlatform && ((parent.groups ?? 1) !== 1 || (parent.addressSpaces ?? 1) !== 1)) {
      const message = "behind the platform's IOMMU there is one group and one address space";
      return failed("EOPNOTSUPP", "platform-asids", message);
    }
    const core = new VdpaCore(
      await Iotlb.create(options.wasm === undefined ? {} : { wasm: options.wasm }),
      parent,
      options.frames ?? new HostFrames(),
      VDPA_ERAS[options.era ?? "7.0"],
      options.order ?? "unpin-first",
      options.allocations ?? new Allocations(),
      options.trace ?? false,
    );
    return done(new VhostVdpa(core, options));
  }

  /** As {@link VhostVdpa.probe}. @throws ArgumentError E_LIMIT when that fails, too */
  static async create(options: VhostVdpaOptions): Promise<VhostVdpa> {
    const made = await VhostVdpa.probe(options);
    if (made.ok) return made.value;
    throw new ArgumentError("E_LIMIT", `parent: ${made.message} (${made.errno})`, {
      argument: "parent",
      errno: made.errno,
    });
  }

  /* The file. */

  /** open(2): EBUSY; what the reset gives; ENOMEM; ENOTSUPP without a coherent IOMMU. */
  open(): Outcome<void> {
    return this.run(() => {
      if (this.isOpen) return failed("EBUSY", "opened", "the device is open already");
      this.core.inBatch = false;
      const reset = this.reset();
      if (!reset.ok) return reset;
      const { allocations, iommu } = this.core;
      if (!allocations.take("virtqueues")) {
        return failed("ENOMEM", "no-memory", "no memory for the virtqueues");
      }
      if (iommu !== undefined && this.options.coherentIommu === false) {
        return failed("ENOTSUPP", "not-coherent", "the IOMMU is not cache coherent");
      }
      if (iommu !== undefined && !allocations.take("domain")) {
        return failed("EIO", "no-memory", "no domain");
      }
      this.range = this.parent.range ?? (iommu && this.options.aperture) ?? [0n, LAST_BYTE];
      this.acked = 0n;
      this.hasQueues = true;
      this.isOpen = true;
      if (!this.era.asids) this.core.spaces.add(0);
      return done(undefined);
    });
  }

  /**
   * The last close(2): resets the device, which may clear maps as any reset does, removes every
   * mapping, and has the parent go back to its default in each address space that exists.
   */
  close(): Outcome<void> {
    return this.opened(() => {
      const { core } = this;
      core.inBatch = false;
      this.reset();
      for (const asid of [...core.spaces].sort((a, b) => a - b)) core.removeSpace(asid);
      core.freeDomain();
      if (this.parent.useVa === true && core.mm !== undefined) this.parent.unbindMm?.();
      core.mm = undefined;
      this.hasQueues = false;
      this.isOpen = false;
      return done(undefined);
    });
  }

  /** VHOST_SET_OWNER: EBUSY if there is one; what binding its memory gives. */
  setOwner(mm: UserMm): Outcome<void> {
    if (!(mm instanceof UserMm)) {
      throw new ArgumentError("E_TYPE", "mm must be a UserMm", { argument: "mm" });
    }
    if (mm.frames !== this.core.frames) {
      throw new ArgumentError("E_FOREIGN", "mm is of another host: its frames differ", {
        argument: "mm",
      });
    }
    return this.opened(() => {
      if (this.core.mm !== undefined) return failed("EBUSY", "has-owner", "there is an owner");
      const errno = this.parent.useVa === true ? this.parent.bindMm?.() : undefined;
      if (errno !== undefined) return failed(errno, "parent", "bind_mm failed");
      this.core.mm = mm;
      return done(undefined);
    });
  }

  /* Features and status. */

  /** VHOST_GET_BACKEND_FEATURES: a mask. */
  getBackendFeatures(): Outcome<bigint> {
    return this.opened(() => done(offeredFeatures(this.parent, this.era)));
  }

  /** VHOST_SET_BACKEND_FEATURES: replaces what was set. Any time, any number of times. */
  setBackendFeatures(features: FeatureSet): Outcome<void> {
    const mask = featureMask(features);
    return this.opened(() => {
      const checked = checkFeatures(this.parent, this.era, mask);
      if (checked.ok) this.acked = mask;
      return checked;
    });
  }

  /** Features that are acknowledged, a mask. They survive a reset, not an open. */
  get ackedFeatures(): bigint {
    return this.acked;
  }

  /** VHOST_VDPA_SET_STATUS: 0 resets; other values may not take bits away (EINVAL). */
  setStatus(status: number): Outcome<void> {
    if (!Number.isInteger(status) || status < 0 || status > 255) {
      const message = `status must be 0 to 255, got ${String(status)}`;
      throw new ArgumentError("E_LIMIT", message, { argument: "status" });
    }
    return this.opened(() => {
      if (status === 0) return this.reset();
      if ((this.status & ~status) !== 0) {
        return failed("EINVAL", "status-bits", `status ${this.status} has bits ${status} lacks`);
      }
      this.status = status;
      this.core.isLive = this.isRunning;
      return done(undefined);
    });
  }

  /** DRIVER_OK is set, and the device not suspended. */
  get isRunning(): boolean {
    return (this.status & DRIVER_OK) !== 0 && !this.suspended;
  }

  /** VHOST_VDPA_SUSPEND: nothing before DRIVER_OK; EOPNOTSUPP. */
  suspend(): Outcome<void> {
    return this.halt("suspend", true);
  }

  /** VHOST_VDPA_RESUME: as {@link VhostVdpa.suspend}. */
  resume(): Outcome<void> {
    return this.halt("resume", false);
  }

  private halt(op: "suspend" | "resume", suspended: boolean): Outcome<void> {
    return this.opened(() => {
      if ((this.status & DRIVER_OK) === 0) return done(undefined);
      if (!has(this.parent, op)) return failed("EOPNOTSUPP", "no-op", `the parent has no ${op}`);
      const errno = this.parent[op]!();
      this.core.note({ step: op }, errno);
      if (errno !== undefined) return failed(errno, "parent", `${op} failed`);
      this.suspended = suspended;
      this.core.isLive = this.isRunning;
      return done(undefined);
    });
  }

  /** VHOST_VDPA_SET_GROUP_ASID: ENOBUFS, EINVAL, EOPNOTSUPP in this order. */
  setGroupAsid(group: number, asid: number): Outcome<void> {
    return this.opened(() => {
      if (group >= (this.parent.virtqueues ?? 2)) {
        return failed("ENOBUFS", "no-group", `group ${group} is beyond the virtqueues`);
      }
      if (asid >= (this.parent.addressSpaces ?? 1)) {
        return failed("EINVAL", "asid-beyond", `no address space ${asid}`);
      }
      if (!has(this.parent, "setGroupAsid")) {
        return failed("EOPNOTSUPP", "no-op", "the parent has no set_group_asid");
      }
      const errno = this.parent.setGroupAsid!(group, asid);
      return errno === undefined ? done(undefined) : failed(errno, "parent", `group ${group}`);
    });
  }

  /** The address space a group of virtqueues uses. */
  groupAsid(group: number): number {
    return this.parent.groupAsid?.(group) ?? 0;
  }

  private reset(): Outcome<void> {
    const { core, parent } = this;
    this.suspended = false;
    const isKept = hasBit(this.acked, VDPA_FEATURES.IOTLB_PERSIST);
    const cleans = this.era.resetOps && this.hasQueues && !isKept;
    const flags = cleans ? RESET_CLEAN_MAP : 0;
    const compat = flags !== 0 && has(parent, "compatReset");
    const clears = parent.clears ?? 0;
    const errno = compat ? parent.compatReset!(flags) : parent.reset();
    if ((parent.clears ?? 0) > clears) core.dropPushed();
    if (compat) core.counts.compatResets++;
    else core.counts.resets++;
    core.note(compat ? { step: "compat-reset", flags } : { step: "reset" }, errno);
    if (errno !== undefined) return failed(errno, "parent", "the reset failed");
    this.status = 0;
    core.isLive = false;
    return done(undefined);
  }

  /* Messages. */

  /**
   * write(2) of a message by its owner, or by `writer`: the bytes written. What goes wrong inside
   * is EFAULT for the writer; `inner` and `cause` tell what it was. A header that is malformed, and
   * an UPDATE of size 0, are EINVAL. INVALIDATE and BATCH_END succeed whatever the parent does.
   * @throws ArgumentError E_TYPE, E_LIMIT; E_ALIGN for an UPDATE in VA mode; ShootdownError
   * E_DEADLOCK from within a callback of the parent
   */
  write(message: VdpaMessage | Uint8Array, writer?: UserMm): Outcome<number> {
    const parsed = parseMessage(message);
    const isUpdate = !("ok" in parsed) && parsed.type === VDPA_MESSAGES.update;
    if (isUpdate && this.parent.useVa === true) checkAligned(parsed);
    return this.opened(() => {
      this.core.counts.messages++;
      if ("ok" in parsed) return parsed;
      if (parsed.version !== 1 && parsed.version !== 2) {
        return failed("EINVAL", "bad-header", `no message has type ${parsed.version}`);
      }
      if (parsed.type === VDPA_MESSAGES.update && parsed.size === 0n) {
        return failed("EINVAL", "size-zero", "an UPDATE of size 0");
      }
      const withAsid = parsed.version === 2 && hasBit(this.acked, VDPA_FEATURES.IOTLB_ASID);
      const asid = withAsid ? parsed.asid : 0;
      const result = this.handle(parsed, asid, writer ?? this.core.mm);
      return result.ok ? done(MESSAGE_BYTES) : flattened(result, "EFAULT");
    });
  }

  private handle(message: ParsedMessage, asid: number, writer?: UserMm): Outcome<void> {
    const { core } = this;
    if (core.mm === undefined || writer !== core.mm) {
      return failed("EPERM", "not-owner", "the writer is not the owner");
    }
    const { type } = message;
    const finds = type === VDPA_MESSAGES.update || type === VDPA_MESSAGES["batch-begin"];
    const found = finds ? this.findSpace(asid) : done(undefined);
    if (!found.ok) return found;
    if (core.inBatch && core.batchAsid !== asid) {
      const message = `a batch of address space ${core.batchAsid} is open, not of ${asid}`;
      return failed("EINVAL", "other-asid-in-batch", message);
    }
    if (!core.spaces.has(asid)) {
      return failed("EINVAL", "no-address-space", `address space ${asid} does not exist`);
    }
    return this.act(message, asid);
  }

  private findSpace(asid: number): Outcome<void> {
    const { core } = this;
    if (core.spaces.has(asid)) return done(undefined);
    if (asid >= core.asidCount) {
      return failed("EINVAL", "asid-beyond", `there are ${core.asidCount} address spaces`);
    }
    if (!core.allocations.take("address-space")) {
      return failed("EINVAL", "no-memory", `no memory for address space ${asid}`);
    }
    core.spaces.add(asid);
    return done(undefined);
  }

  private act(message: ParsedMessage, asid: number): Outcome<void> {
    const { core } = this;
    const { iova, size } = message;
    switch (message.type) {
      case VDPA_MESSAGES.update:
        return this.update(message, asid);
      case VDPA_MESSAGES.invalidate:
        core.unmap(asid, pageOf(iova), pageOf(lastOf(iova, size)), wholePagesOf(iova, size));
        return done(undefined);
      case VDPA_MESSAGES["batch-begin"]:
        core.batchAsid = asid;
        core.inBatch = true;
        return done(undefined);
      case VDPA_MESSAGES["batch-end"]:
        if (core.inBatch && has(this.parent, "setMap")) core.push(asid);
        core.inBatch = false;
        return done(undefined);
      default:
        return failed("EINVAL", "bad-type", `no message is of type ${message.type}`);
    }
  }

  private update({ iova, size, uaddr, perm }: ParsedMessage, asid: number): Outcome<void> {
    const { core } = this;
    const [first, last] = this.range;
    const end = iova + size - 1n;
    if (end >= SPACE) {
      return failed("EINVAL", "wraps", `${hex(iova)} and ${hex(size)} bytes go beyond 2^64`);
    }
    if (iova < first || end > last) {
      const asked = `[${hex(iova)}, ${hex(end)}]`;
      const message = `${asked} is outside of [${hex(first)}, ${hex(last)}]`;
      return failed("EINVAL", "out-of-range", message);
    }
    const overlap = core.firstIn(asid, pageOf(iova), pageOf(end));
    if (overlap !== undefined) {
      const message = `pages ${overlap.start} to ${overlap.last} are mapped already`;
      return failed("EEXIST", "overlap", message);
    }
    const request = { asid, iova, size, uaddr, perm };
    if (this.parent.useVa === true) return mapVa(core, core.mm!, request);
    return mapPages(core, core.mm!, request, this.options.failedRun ?? "unpinned");
  }

  /* Looking at it. */

  /** dev->mm. */
  get owner(): UserMm | undefined {
    return this.core.mm;
  }

  get inBatch(): boolean {
    return this.core.inBatch;
  }

  /** The address space of the batch that is, or was last, open. */
  get batchAsid(): number {
    return this.core.batchAsid;
  }

  /** Address spaces that exist, ascending. */
  addressSpaces(): number[] {
    return [...this.core.spaces].sort((a, b) => a - b);
  }

  /** The core's table of an address space, by I/O address. */
  table(asid = 0): VdpaEntry[] {
    return [...entriesOf(this.core.iotlb, asid)];
  }

  /** What the device translates there, if its parent tells. */
  translations(asid = 0): "identity" | VdpaEntry[] | undefined {
    const found = this.core.translations(asid);
    if (found === undefined || found === "identity") return found as "identity" | undefined;
    return Array.from(found, ({ start, last, addr, perm }) => ({ start, last, addr, perm }));
  }

  /** Is the parent's view the core's? Else where they differ first. See docs/vdpa.md. */
  consistent(): VdpaConsistency {
    return consistency(this.core);
  }

  /** Pages the device translates to frames that nobody holds. Walks all of them. */
  exposedPages(): number {
    const { core } = this;
    const checked = this.parent.useVa !== true;
    const translations = (asid: number): VdpaTranslations | undefined => core.translations(asid);
    return exposedPages({ frames: core.frames, checked, asids: core.asidCount, translations });
  }

  /**
   * A DMA of the device to an I/O address in an address space: where it goes, and whether somebody
   * holds that page (in VA mode there is nothing to hold). Whether the device is running is not
   * looked at.
   * @throws ArgumentError E_TYPE, E_LIMIT; E_NOENT: the parent does not tell its translations
   */
  access(iova: Bytes, write = false, asid = 0): DeviceAccessResult {
    const page = pageOf(checkBytes("iova", iova));
    const found = this.core.translations(asid);
    if (found === undefined) {
      throw new ArgumentError("E_NOENT", "the parent has no translations to look at", {
        argument: "asid",
      });
    }
    if (found === "identity") return this.reached(page, true);
    for (const { start, last, addr, perm } of found) {
      if (page < start || page > last) continue;
      if ((perm & (write ? 2 : 1)) === 0) return { outcome: "denied" };
      return this.reached(addr + (page - start), false);
    }
    return { outcome: "fault" };
  }

  private reached(page: number, identity: boolean): DeviceAccessResult {
    const held = this.parent.useVa === true ? null : this.core.frames.refs(page) > 0;
    return { outcome: "hit", page, identity, held };
  }

  /** Pages that are pinned for mappings that no table has any more. */
  leakedPages(): number {
    const { core } = this;
    if (this.parent.useVa === true) return 0;
    let mapped = core.waitingPages;
    for (const asid of core.spaces) {
      for (const { start, last } of entriesOf(core.iotlb, asid)) mapped += last - start + 1;
    }
    return core.pinned - mapped;
  }

  /** Operations so far, or since {@link VhostVdpa.clearCounts}. */
  counts(): VdpaCounts {
    return { ...this.core.counts, clears: (this.parent.clears ?? 0) - this.clearsBefore };
  }

  clearCounts(): void {
    this.core.counts = noCounts();
    this.clearsBefore = this.parent.clears ?? 0;
  }

  /** Steps in their order; none without `trace`. */
  get events(): readonly VdpaEvent[] {
    return this.core.trace?.events ?? [];
  }

  /** Steps after which a translation led to a page nobody held; none without `trace`. */
  get violations(): readonly VdpaViolation[] {
    return this.core.trace?.violations ?? [];
  }

  clearTrace(): void {
    this.core.trace?.clear();
  }

  /** The `nth` next iommu_map fails so. @throws ArgumentError E_NOENT: not behind the IOMMU */
  failNextIommuMap(errno: Errno, nth = 1): void {
    if (this.core.iommu === undefined) {
      throw new ArgumentError("E_NOENT", "the parent is not behind the IOMMU", { argument: "op" });
    }
    this.core.iommu.failNext(errno, nth);
  }

  dispose(): void {
    this.core.iotlb.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private opened<T>(act: () => Outcome<T>): Outcome<T> {
    return this.run(() => (this.isOpen ? act() : failed("EBADF", "not-open", "it is not open")));
  }

  /** dev->mutex. */
  private run<T>(act: () => Outcome<T>): Outcome<T> {
    if (this.busy) {
      const message = "a callback of the parent called its own device, which holds its mutex";
      throw new ShootdownError("E_DEADLOCK", message);
    }
    this.busy = true;
    try {
      return act();
    } finally {
      this.busy = false;
    }
  }
}

const ORDERS = ["unpin-first", "unmap-first"];
const FAILED_RUNS = ["unpinned", "leaked"];

function checkOptions(options: VhostVdpaOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new ArgumentError("E_TYPE", "options must be an object", { argument: "options" });
  }
  const { parent } = options;
  if (typeof parent !== "object" || parent === null || typeof parent.reset !== "function") {
    throw new ArgumentError("E_TYPE", "parent must have a reset", { argument: "parent" });
  }
  if (has(parent, "setMap") && has(parent, "dmaMap")) {
    throw new ArgumentError("E_TYPE", "parent has set_map or dma_map, not both", {
      argument: "parent",
    });
  }
  checkWord("era", options.era ?? "7.0", VDPA_ERA_NAMES);
  checkWord("order", options.order ?? "unpin-first", ORDERS);
  checkWord("failedRun", options.failedRun ?? "unpinned", FAILED_RUNS);
  for (const [name, range] of Object.entries({ range: parent.range, aperture: options.aperture })) {
    if (range === undefined) continue;
    if (checkBytes(name, range[0]) > checkBytes(name, range[1])) {
      throw new ArgumentError("E_INVERTED", `${name} ends before it begins`, { argument: name });
    }
  }
}
