/**
 * A /dev/vhost-vdpa device: what is written to its file, the ioctls that matter for mappings, and
 * what becomes of the mappings when the device is reset and the file closed.
 *
 * Facts: vfio-vdpa.md 3, and drivers/vhost/vdpa.c, vhost.c, iotlb.c. Addresses and sizes of
 * messages are bytes; tables, parents and traces count in pages of 4 KiB.
 */
import { ArgumentError, ShootdownError } from "../errors.js";
import { Iotlb } from "../iotlb.js";
import { HostFrames } from "../mm/frames.js";
import { UserMm } from "../mm/user-mm.js";
import { Allocations } from "../uapi/allocations.js";
import type { Errno } from "../uapi/errno.js";
import { done, failed, flattened, type Outcome } from "../uapi/outcome.js";
import { accessDevice, type DeviceAccessResult } from "./access.js";
import { type Bytes, checkBytes, LAST_BYTE, pageOf } from "./addresses.js";
import { consistency, type VdpaConsistency } from "./consistency.js";
import { VdpaCore, entriesOf } from "./core.js";
import { noCounts, type VdpaCounts } from "./counts.js";
import { VDPA_ERAS, type VdpaEra } from "./eras.js";
import { checkFeatures, offeredFeatures } from "./features.js";
import { featureMask, type FeatureSet, hasBit, VDPA_FEATURES } from "./feature-bits.js";
import { handleMessage } from "./handle-message.js";
import { checkAligned } from "./map-va.js";
import { MESSAGE_BYTES, parseMessage, VDPA_MESSAGES, type VdpaMessage } from "./messages.js";
import { checkOptions, type VhostVdpaOptions } from "./options.js";
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
      const limits = { range: this.range, failedRun: this.options.failedRun ?? "unpinned" };
      const result = handleMessage(this.core, parsed, asid, writer ?? this.core.mm, limits);
      return result.ok ? done(MESSAGE_BYTES) : flattened(result, "EFAULT");
    });
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
    return accessDevice(this.core, pageOf(checkBytes("iova", iova)), write, asid);
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
