/**
 * iommufd as a process opens it: address spaces, drivers' accesses, devices and page tables by id,
 * options of accounting, and a change of the process. Linux: main.c, ioas.c.
 */
import { HostFrames } from "../mm/frames.js";
import { UserMm } from "../mm/user-mm.js";
import { Allocations } from "../uapi/allocations.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import { checkWithin } from "../arguments.js";
import { type AccessOptions, IommufdAccess } from "./access.js";
import { changeProcess } from "./change-process.js";
import { type DeviceOptions, Hwpt, type HwptMaker, IommufdDevice } from "./device.js";
import {
  type IommufdCounters,
  type IommufdEnv,
  type IommufdViolation,
  type IommufdWarning,
  newCounters,
} from "./env.js";
import { type IommufdEra, type IommufdPolicy, iommufdPolicy } from "./era.js";
import { FrameMemory } from "./frame-memory.js";
import { Ioas } from "./ioas.js";
import { IommuDomain } from "./iommu-domain.js";
import { noMemory } from "./iopt-pages.js";
import { type Task, UserAccount } from "./task.js";
import { VfioCompat } from "./vfio-compat.js";

/** How it is opened. */
export interface IommufdOptions {
  /** Who opens it, and calls where a call does not say; a process without memory by default. */
  readonly task?: Task;
  /** Frames of the host; those of `task` by default. */
  readonly frames?: HostFrames;
  /** What is in the frames. */
  readonly memory?: FrameMemory;
  /** Failures to inject. */
  readonly allocations?: Allocations;
  /** Which kernel; 7.0 by default. */
  readonly era?: IommufdEra;
  /** Single differences from the era. */
  readonly policy?: Partial<IommufdPolicy>;
  /** `/dev/iommu`, or `/dev/vfio/vfio`, which accounts as type1 does. */
  readonly openedAs?: "iommu" | "vfio";
  /** Bytes for temporary lists of frames: at least 16; 65536 by default. */
  readonly tempMemoryLimit?: number;
}

/** What a page table is to be. */
export interface HwptOptions {
  /** IOMMU_HWPT_ALLOC_DIRTY_TRACKING; false by default. */
  readonly dirtyTracking?: boolean;
}

type IommufdObject = Ioas | IommufdAccess | IommufdDevice | Hwpt;

/** See the file comment. */
export class Iommufd implements HwptMaker {
  /** @internal */
  readonly env: IommufdEnv;
  /** The ioctls of a VFIO container. */
  readonly vfio: VfioCompat;
  private readonly objects = new Map<number, IommufdObject>();
  private nextId = 1;
  private perProcess: boolean;

  /** @throws ArgumentError E_TYPE, E_LIMIT */
  constructor(options: IommufdOptions = {}) {
    const frames = options.frames ?? options.task?.mm.frames ?? new HostFrames();
    const task = options.task ?? { mm: new UserMm(frames), user: new UserAccount() };
    const limit = options.tempMemoryLimit ?? 65_536;
    this.env = {
      frames,
      task,
      memory: options.memory ?? new FrameMemory(),
      allocations: options.allocations ?? new Allocations(),
      policy: iommufdPolicy(options.era, options.policy),
      tempMemoryLimit: checkWithin("tempMemoryLimit", limit, 16, 2 ** 32),
      counters: newCounters(),
      warnings: [],
      violations: [],
    };
    this.perProcess = options.openedAs === "vfio";
    this.vfio = new VfioCompat(this.env.policy);
  }

  /** What the kernel has warned about, oldest first. */
  get warnings(): readonly IommufdWarning[] {
    return this.env.warnings;
  }

  /** What went wrong without the kernel noticing, oldest first. */
  get violations(): readonly IommufdViolation[] {
    return this.env.violations;
  }

  /** What was done so far. */
  get counters(): Readonly<IommufdCounters> {
    return { ...this.env.counters };
  }

  get frames(): HostFrames {
    return this.env.frames;
  }

  /** What is in the frames. */
  get memory(): FrameMemory {
    return this.env.memory;
  }

  /** Address spaces, in the order they were made. */
  get ioases(): Ioas[] {
    return [...this.objects.values()].filter((each) => each instanceof Ioas);
  }

  get accesses(): IommufdAccess[] {
    return [...this.objects.values()].filter((each) => each instanceof IommufdAccess);
  }

  get devices(): IommufdDevice[] {
    return [...this.objects.values()].filter((each) => each instanceof IommufdDevice);
  }

  get hwpts(): Hwpt[] {
    return [...this.objects.values()].filter((each) => each instanceof Hwpt);
  }

  /** The object with an id. */
  object(id: number): IommufdObject | undefined {
    return this.objects.get(id);
  }

  private add<T extends IommufdObject>(what: string, make: (id: number) => T): Outcome<T> {
    if (!this.env.allocations.take(what)) return noMemory(what);
    const made = make(this.nextId);
    this.objects.set(this.nextId++, made);
    return done(made);
  }

  /** IOMMU_IOAS_ALLOC. @returns ENOMEM */
  ioasAlloc(): Outcome<Ioas> {
    const made = this.add("ioas", (id) => new Ioas(id, this.env));
    if (made.ok) made.value.mode = this.perProcess ? "mm" : "user";
    return made;
  }

  /** A driver's access, attached to nothing. @returns ENOMEM */
  accessCreate(options: AccessOptions = {}): Outcome<IommufdAccess> {
    return this.add("access", (id) => new IommufdAccess(id, this.env, options));
  }

  /** A device, attached to nothing. @returns ENOMEM */
  createDevice(options: DeviceOptions = {}): Outcome<IommufdDevice> {
    return this.add("device", (id) => new IommufdDevice(id, this.env, this, options));
  }

  /** IOMMU_HWPT_ALLOC: a page table as the device's IOMMU makes them. @returns EOPNOTSUPP, … */
  hwptAlloc(device: IommufdDevice, ioas: Ioas, options: HwptOptions = {}): Outcome<Hwpt> {
    const { dirtyTracking = false } = options;
    const missing = ioas.missing();
    if (missing !== undefined) return missing;
    if (dirtyTracking && !device.dirtyCapable) {
      const message = `${device.name} cannot track what it writes`;
      return failed("EOPNOTSUPP", "no-dirty-tracking", message);
    }
    return this.makeHwpt(ioas, device.newDomain(), false, dirtyTracking);
  }

  /** @internal */
  makeHwpt(ioas: Ioas, domain: IommuDomain, auto: boolean, dirty: boolean): Outcome<Hwpt> {
    if (!this.env.allocations.take("hwpt")) return noMemory("hwpt");
    const added = ioas.addDomain(domain);
    if (!added.ok) return added;
    const hwpt = new Hwpt(this.nextId, ioas, domain, auto, dirty);
    this.objects.set(this.nextId++, hwpt);
    ioas.users++;
    return done(hwpt);
  }

  /** @internal */
  putHwpt(hwpt: Hwpt): void {
    this.objects.delete(hwpt.id);
    hwpt.destroyNow();
  }

  /** IOMMU_DESTROY. @returns ENOENT; EBUSY it is in use; EDEADLOCK an access, in its callback */
  destroy(object: IommufdObject): Outcome<undefined> {
    if (this.objects.get(object.id) !== object) {
      return failed("ENOENT", "no-object", `there is no object ${object.id}`);
    }
    const failure = this.destroyKind(object);
    if (failure !== undefined) return failure;
    this.objects.delete(object.id);
    return done(undefined);
  }

  private destroyKind(object: IommufdObject): Failed | undefined {
    if (object instanceof IommufdAccess) {
      const outcome = object.destroy();
      return outcome.ok ? undefined : outcome;
    }
    if (object instanceof IommufdDevice) {
      object.detach();
      return undefined;
    }
    if (object.users > 0) {
      return failed("EBUSY", "in-use", `object ${object.id} has ${object.users} users`);
    }
    object.destroyNow();
    if (object === this.vfio.ioas) this.vfio.clear();
    return undefined;
  }

  /** Destroys everything: drivers first, then devices, page tables, address spaces. */
  close(): void {
    for (const each of [...this.accesses, ...this.devices, ...this.hwpts, ...this.ioases]) {
      if (this.objects.has(each.id)) this.destroy(each);
    }
  }

  /** Is charged per process (mm) instead of per user? IOMMU_OPTION_RLIMIT_MODE. */
  get rlimitMode(): 0 | 1 {
    return this.perProcess ? 1 : 0;
  }

  /**
   * IOMMU_OPTION_RLIMIT_MODE: 0 per user, 1 per process.
   * @returns EPERM without CAP_SYS_RESOURCE; EBUSY there are objects; EINVAL
   */
  setRlimitMode(mode: number, task: Task = this.env.task): Outcome<undefined> {
    if (task.capSysResource !== true) {
      return failed("EPERM", "no-capability", "CAP_SYS_RESOURCE is needed");
    }
    if (this.objects.size > 0) return failed("EBUSY", "objects", "there are objects");
    if (mode !== 0 && mode !== 1) return failed("EINVAL", "bad-mode", `mode ${mode}`);
    this.perProcess = mode === 1;
    return done(undefined);
  }

  /**
   * IOMMU_IOAS_CHANGE_PROCESS: `task` has inherited the files, and is charged from now on.
   * @returns EINVAL a mapping of memory; ENOMEM it may not pin so much; EOPNOTSUPP
   */
  changeProcess(task: Task): Outcome<undefined> {
    return changeProcess(this.env, this.ioases, task);
  }
}
