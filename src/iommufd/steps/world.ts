/** The world of a step file: an iommufd, and by name what is in and around it. */
import { ArgumentError } from "../../errors.js";
import { HostFrames } from "../../mm/frames.js";
import { UserMm } from "../../mm/user-mm.js";
import { type Amount, type BehaviourText, given, vmaOf } from "../../step-files/index.js";
import type { Outcome } from "../../uapi/outcome.js";
import type { IommufdAccess, UnmapCallback } from "../access.js";
import { hex } from "../addresses.js";
import { lengthOf } from "../slice.js";
import type { DeviceOptions, Hwpt, IommufdDevice } from "../device.js";
import type { IommufdEra } from "../era.js";
import type { Ioas, MapOptions, PendingMap } from "../ioas.js";
import { Iommufd } from "../iommufd.js";
import { describeIommufd } from "../describe.js";
import { SharedFile } from "../source.js";
import { type Task, UserAccount } from "../task.js";
import type { AccessText, DeviceText, MapText, SetupText, TaskText } from "./shapes.js";

/** One call that a callback made. */
export interface CallbackCall {
  readonly access: string;
  readonly call: string;
  readonly result: unknown;
}

/** A driver was told of an unmap, bytes. */
export interface Told {
  readonly access: string;
  readonly iova: bigint;
  readonly size: bigint;
}

/** See the file comment. */
export interface World {
  readonly fd: Iommufd;
  readonly frames: HostFrames;
  readonly users: Map<string, UserAccount>;
  readonly tasks: Map<string, Task>;
  readonly files: Map<string, SharedFile>;
  readonly ioases: Map<string, Ioas>;
  readonly accesses: Map<string, IommufdAccess>;
  readonly behaviours: Map<string, BehaviourText>;
  readonly devices: Map<string, IommufdDevice>;
  readonly hwpts: Map<string, Hwpt>;
  readonly pending: Map<string, PendingMap>;
  readonly callbacks: CallbackCall[];
  readonly told: Told[];
  /** Runs a call of a callback. */
  readonly run: (world: World, call: Readonly<Record<string, unknown>>) => unknown;
}

const MEMORY_PAGES = 2 ** 39;

/** What has a name; the first if none is given. @throws ArgumentError E_NOENT */
export function named<T>(all: ReadonlyMap<string, T>, what: string, name?: string): T {
  const found = name === undefined ? [...all.values()].at(0) : all.get(name);
  if (found !== undefined) return found;
  const message = `${name ?? "nothing"} is no ${what}: there are ${[...all.keys()].join(", ")}`;
  throw new ArgumentError("E_NOENT", message, { argument: what });
}

/** What a driver or a device can be attached to. */
export function target(world: World, name?: string): Ioas | Hwpt {
  const hwpt = name === undefined ? undefined : world.hwpts.get(name);
  return hwpt ?? named(world.ioases, "address space", name);
}

export function taskOf(world: World, name?: string): Task {
  return named(world.tasks, "process", name);
}

export function protOf(prot: MapText["prot"] = "rw"): { read: boolean; write: boolean } {
  return { read: prot.includes("r"), write: prot.includes("w") };
}

/** IOMMU_IOAS_MAP as a step says it. */
export function mapOptions(world: World, text: MapText): MapOptions {
  const { iova, vaddr, size, prot, process } = text;
  return {
    va: vaddr ?? iova ?? 0,
    length: size,
    ...(iova === undefined ? {} : { iova }),
    ...protOf(prot),
    task: taskOf(world, process),
  };
}

export function addTask(world: World, name: string, text: TaskText): void {
  const mm = new UserMm(world.frames, {
    name,
    ...(text.limit === undefined ? {} : { rlimitMemlock: Number(text.limit) }),
    ...(text.capIpcLock === undefined ? {} : { capIpcLock: text.capIpcLock }),
  });
  if (text.memory === undefined) mm.map({ at: 0, pages: MEMORY_PAGES });
  for (const vma of text.memory ?? []) mm.map(vmaOf(vma));
  const user = text.user ?? "user";
  const account = world.users.get(user) ?? new UserAccount(user);
  world.users.set(user, account);
  const { capSysResource = false } = text;
  world.tasks.set(name, { mm, user: account, capSysResource });
}

/** A driver; it is there only if it could be attached. */
export function addAccess(world: World, name: string, text: AccessText): Outcome<unknown> {
  const { ioas, pins, internal, onUnmap = "unpin" } = text;
  world.behaviours.set(name, onUnmap);
  const unmap = onUnmap === "none" ? "none" : callbackOf(world, name);
  const made = world.fd.accessCreate({ name, unmap, ...given({ pins, internal }) });
  if (!made.ok) return made;
  world.accesses.set(name, made.value);
  if (ioas === null) return { ok: true, value: made.value.id };
  const attached = made.value.attach(named(world.ioases, "address space", ioas));
  if (attached.ok) return { ok: true, value: made.value.id };
  world.fd.destroy(made.value);
  world.accesses.delete(name);
  return attached;
}

function callbackOf(world: World, name: string): UnmapCallback {
  return (access, iova, length) => {
    world.told.push({ access: name, iova, size: length });
    const behaviour = world.behaviours.get(name);
    const own = typeof behaviour === "object" ? behaviour : { unpin: behaviour === "unpin" };
    const { unpin = true, from = 1, before = [], after = [] } = own;
    const make = (call: Readonly<Record<string, unknown>>): void => {
      const result = world.run(world, call);
      world.callbacks.push({ access: name, call: Object.keys(call).join(), result });
    };
    before.forEach(make);
    if (unpin && access.notifications >= Number(from)) access.unpinOverlapping(iova, length);
    after.forEach(make);
  };
}

/** A device; attached, if it is to be. */
export function addDevice(world: World, name: string, text: DeviceText): Outcome<unknown> {
  const { pageSizes, aperture, reserved, dirtyTracking, ownDomain, attach } = text;
  const range = (pair: readonly [Amount, Amount]): { start: Amount; last: Amount } => ({
    start: pair[0],
    last: pair[1],
  });
  const options: DeviceOptions = {
    name,
    iommu: given({
      pageSizes,
      aperture: aperture === undefined ? undefined : range(aperture),
      dirtyTracking,
    }),
    ...given({ reserved: reserved?.map(range), ownDomain }),
  };
  const made = world.fd.createDevice(options);
  if (!made.ok) return made;
  world.devices.set(name, made.value);
  if (attach === undefined) return { ok: true, value: made.value.id };
  const attached = made.value.attach(target(world, attach));
  if (attached.ok) return { ok: true, value: made.value.id };
  world.fd.destroy(made.value);
  world.devices.delete(name);
  return attached;
}

/** Sets a world up. @throws ArgumentError E_NOENT; what the kernel refuses */
export function openWorld(setup: SetupText, era: string, run: World["run"]): World {
  const frames = new HostFrames();
  const parts = {
    frames,
    users: new Map(),
    tasks: new Map<string, Task>(),
    files: new Map(),
    ioases: new Map(),
    accesses: new Map(),
    behaviours: new Map(),
    devices: new Map(),
    hwpts: new Map(),
    pending: new Map(),
    callbacks: [],
    told: [],
    run,
  } satisfies Omit<World, "fd">;
  const world: { fd: Iommufd } & Omit<World, "fd"> = { ...parts, fd: new Iommufd({ frames }) };
  for (const [name, text] of Object.entries(setup.processes ?? { qemu: {} })) {
    addTask(world, name, text);
  }
  const { tempMemoryLimit, openedAs } = setup;
  world.fd = new Iommufd({
    task: taskOf(world),
    era: era as IommufdEra,
    policy: given(setup.knobs ?? {}),
    ...given({ openedAs }),
    ...(tempMemoryLimit === undefined ? {} : { tempMemoryLimit: Number(tempMemoryLimit) }),
  });
  for (const [name, pages] of Object.entries(setup.files ?? {})) {
    world.files.set(name, new SharedFile(frames, Number(pages), undefined, name));
  }
  for (const name of setup.ioases ?? ["ioas"]) must(addIoas(world, name));
  for (const [name, text] of Object.entries(setup.devices ?? {})) {
    must(addDevice(world, name, text));
  }
  for (const [name, text] of Object.entries(setup.accesses ?? { A: {} })) {
    must(addAccess(world, name, text));
  }
  for (const text of setup.mappings ?? []) {
    must(named(world.ioases, "address space", text.ioas).map(mapOptions(world, text)));
  }
  return world;
}

function must(outcome: Outcome<unknown>): void {
  if (outcome.ok) return;
  const message = `the setup is refused: ${outcome.errno}, ${outcome.message}`;
  throw new ArgumentError("E_LIMIT", message, { argument: "setup" });
}

export function addIoas(world: World, name: string): Outcome<unknown> {
  const made = world.fd.ioasAlloc();
  if (!made.ok) return made;
  world.ioases.set(name, made.value);
  return { ok: true, value: made.value.id };
}

function ioasState(ioas: Ioas): unknown {
  const areas = [...ioas.areas].map((area) => [
    hex(area.iova),
    {
      size: lengthOf(area),
      read: area.prot.read,
      write: area.prot.write,
      accesses: area.accesses,
      closed: area.preventAccess,
      locks: area.locks,
      making: area.pages === undefined,
    },
  ]);
  const range = ({ start, last }: { start: bigint; last: bigint }): bigint[] => [start, last];
  return {
    destroyed: ioas.destroyed,
    alignment: ioas.alignment,
    hugePages: ioas.hugePages,
    areas: Object.fromEntries(areas) as unknown,
    count: areas.length,
    reserved: ioas.reserved.map(range),
    allowed: ioas.allowed.map(range),
    domains: ioas.domains.list.length,
    mapped: ioas.domains.list.map(({ bytes }) => bytes),
  };
}

function fromEach<T>(all: ReadonlyMap<string, T>, of: (each: T) => unknown): unknown {
  return Object.fromEntries([...all].map(([name, each]) => [name, of(each)]));
}

/** Everything that can be expected of a world. */
export function stateOf(world: World): unknown {
  const { pages, warnings, violations } = describeIommufd(world.fd);
  return {
    ioases: fromEach(world.ioases, ioasState),
    pages,
    refs: world.frames.held,
    frames: Object.fromEntries(world.frames) as unknown,
    locked: fromEach(world.users, ({ lockedVm }) => lockedVm),
    processes: fromEach(world.tasks, ({ mm }) => ({
      locked: mm.lockedVm,
      pinned: mm.pinnedVm,
      alive: mm.alive,
    })),
    accesses: fromEach(world.accesses, (access) => ({
      attached: access.ioas !== undefined,
      told: access.notifications,
      pins: Object.fromEntries(
        access.pins.map(({ iova, length, count }) => [hex(iova), { size: length, count }]),
      ) as unknown,
    })),
    devices: fromEach(world.devices, ({ hwpt }) => ({ attached: hwpt !== undefined })),
    told: world.told,
    callbacks: world.callbacks,
    counters: world.fd.counters,
    warnings,
    violations,
    rlimitMode: world.fd.rlimitMode,
    verdict: verdictOf(world),
  };
}

/** What is wrong, the worst of it. */
export function verdictOf({ fd }: World): string {
  if (fd.violations.length > 0) return "VIOLATION";
  const codes = fd.warnings.map(({ code }) => code);
  if (codes.includes("destroy-leaves-areas")) return "LEAK";
  return codes.length > 0 ? "WARNED" : "SAFE";
}
