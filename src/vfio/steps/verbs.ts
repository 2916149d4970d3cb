/** What steps of `vfio` can do. */
import { z } from "zod";
import { checkBytes, pageOf } from "../addresses.js";
import { dirtyIovas } from "../dirty.js";
import { isShootdownError } from "../../errors.js";
import {
  type Amount,
  type Call,
  given,
  makeCall,
  type Verb,
  verb,
  vmaOf,
  vmaShape,
} from "../../step-files/index.js";
import { ERRNOS } from "../../uapi/errno.js";
import { done } from "../../uapi/outcome.js";
import { validateVfio } from "../validate.js";
import type { VfioProt } from "../map.js";
import { deviceFields, groupShape, mapShape, protShape } from "./shapes.js";
import { deviceOf, groupOf, mapIn, openIn, processOf, type World } from "./world.js";

/** A call that never returns, or would wait, is a result here. */
export function answered(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (!isShootdownError(error)) throw error;
    const { code, message, details } = error;
    if (code === "E_DEADLOCK" || code === "E_FATAL") {
      return { ok: false, verdict: details["verdict"], cause: "never-returns", message };
    }
    if (code === "E_BUSY") return { ok: false, cause: "would-wait", message };
    throw error;
  }
}

interface Pages {
  readonly device: string;
  readonly iova?: Amount | undefined;
  readonly pages?: Amount | undefined;
  readonly iovas?: readonly Amount[] | undefined;
  readonly prot?: VfioProt | undefined;
  readonly times?: Amount | undefined;
}

function pin(world: World, { device, iova, pages = 1, iovas, prot = "rw" }: Pages): unknown {
  const count = iovas?.length ?? Number(pages);
  const out = new Float64Array(Math.max(0, count)).fill(-1);
  const { container } = world;
  const row = deviceOf(world, device);
  const outcome =
    iovas === undefined
      ? container.pinPages(row, iova ?? 0, count, prot, out)
      : container.pinList(row, iovas, prot, out);
  return outcome.ok ? { ok: true, value: count, pfns: out } : { ...outcome, out };
}

function unpin(world: World, { device, iova, pages = 1, iovas }: Pages): unknown {
  const row = deviceOf(world, device);
  if (iovas !== undefined) return world.container.unpinList(row, iovas);
  return world.container.unpinPages(row, iova ?? 0, Number(pages));
}

/** The same call several times: what the last gave, and how many succeeded. */
function repeated(times: Amount | undefined, run: () => unknown): unknown {
  if (times === undefined) return answered(run);
  let succeeded = 0;
  let last: unknown;
  for (let i = 0; i < Number(times); i++) {
    last = answered(run);
    if ((last as { ok?: boolean }).ok === true) succeeded++;
  }
  return { ...(last as object), succeeded };
}

const pages: Verb<World>["shape"] = (amount) =>
  z.strictObject({
    device: z.string(),
    iova: amount.optional(),
    pages: z.union([amount, z.number().int()]).optional(),
    iovas: z.array(amount).optional(),
    prot: protShape.optional(),
    times: amount.optional(),
  });

const nothing = () => z.strictObject({});

/** A call inside of another. */
export function callIn(world: World, call: Call): unknown {
  return makeCall(VERBS, world, call);
}

function entry<A>(
  summary: string,
  shape: (amount: z.ZodType<Amount>) => z.ZodType,
  run: (world: World, args: A) => unknown,
): Verb<World> {
  const typed = shape as (amount: z.ZodType<Amount>) => z.ZodType<A>;
  return verb<World, A>(summary, typed, (world, args) => answered(() => run(world, args)));
}

const process = { process: z.string().optional() };

/** Calls of user space. */
const CALLS: Record<string, Verb<World>> = {
  setIommu: entry(
    "SET_IOMMU: TYPE1, TYPE1v2, NESTING",
    () => z.strictObject({ type: z.string() }),
    ({ container }, { type }: { type: string }) => container.setIommu(type),
  ),
  attach: entry("attaches a group", groupShape, (world, args: Parameters<typeof groupOf>[0]) =>
    world.container.attachGroup(groupOf(args)),
  ),
  detach: entry(
    "detaches a group",
    () => z.strictObject({ group: z.string() }),
    ({ container }, { group }: { group: string }) => container.detachGroup(group),
  ),
  release: entry("closes the container", nothing, ({ container }) => container.release()),
  map: entry("MAP_DMA", mapShape, mapIn),
  unmap: entry(
    "UNMAP_DMA",
    (amount) =>
      z.strictObject({
        iova: amount.optional(),
        size: amount.optional(),
        all: z.boolean().optional(),
        invalidateVaddr: z.boolean().optional(),
        getDirty: z.boolean().optional(),
        dirtyPageSize: amount.optional(),
        bitmapBytes: amount.optional(),
        badBitmapFrom: amount.optional(),
        process: z.string().optional(),
        unknownFlags: amount.optional(),
        argsz: amount.optional(),
      }),
    unmapIn,
  ),
  dirtyStart: entry("DIRTY_PAGES, START", nothing, ({ container }) =>
    container.startDirtyTracking(),
  ),
  dirtyStop: entry("DIRTY_PAGES, STOP", nothing, ({ container }) => container.stopDirtyTracking()),
  dirtyGet: entry(
    "DIRTY_PAGES, GET_BITMAP: addresses of written pages, and how many",
    (amount) =>
      z.strictObject({
        iova: amount,
        size: amount,
        pageSize: amount.optional(),
        bitmapBytes: amount.optional(),
      }),
    ({ container }, args: Record<"iova" | "size", Amount> & Record<string, Amount>) => {
      const outcome = container.dirtyPages({
        iova: args.iova,
        size: args.size,
        ...(args["pageSize"] === undefined ? {} : { pageSize: Number(args["pageSize"]) }),
        ...(args["bitmapBytes"] === undefined ? {} : { bitmapBytes: Number(args["bitmapBytes"]) }),
      });
      if (!outcome.ok) return outcome;
      return { ok: true, value: outcome.value.count, iovas: dirtyIovas(outcome.value) };
    },
  ),
};

interface UnmapText extends Readonly<Record<string, unknown>> {
  readonly iova?: Amount;
  readonly size?: Amount;
  readonly process?: string;
  readonly getDirty?: boolean;
  readonly dirtyPageSize?: Amount;
  readonly bitmapBytes?: Amount;
}

function unmapIn(world: World, args: UnmapText): unknown {
  const {
    process: name,
    getDirty,
    dirtyPageSize,
    bitmapBytes,
    unknownFlags,
    argsz,
    ...rest
  } = args;
  const outcome = world.container.unmap({
    ...given(rest),
    mm: processOf(world, name),
    ...(unknownFlags === undefined ? {} : { unknownFlags: Number(unknownFlags) }),
    ...(argsz === undefined ? {} : { argsz: Number(argsz) }),
    ...(getDirty === true
      ? {
          getDirty: {
            ...(dirtyPageSize === undefined ? {} : { pageSize: Number(dirtyPageSize) }),
            ...(bitmapBytes === undefined ? {} : { bitmapBytes: Number(bitmapBytes) }),
          },
        }
      : {}),
  });
  if (!outcome.ok) return outcome;
  const { size, dirty, ...more } = outcome.value;
  const iovas = dirty === undefined ? {} : { iovas: dirtyIovas(dirty) };
  return { ok: true, value: size, size, ...more, ...iovas };
}

/** Calls of drivers, and what devices do. */
const DRIVERS: Record<string, Verb<World>> = {
  open: entry(
    "opens a device",
    (amount) => z.strictObject({ device: z.string(), ...deviceFields(amount) }),
    (world, { device, ...text }: { device: string }) => openIn(world, device, text),
  ),
  close: entry(
    "closes a device",
    () => z.strictObject({ device: z.string() }),
    (world, { device }: { device: string }) => world.container.closeDevice(deviceOf(world, device)),
  ),
  register: entry(
    "a driver registers its notifier",
    (amount) => z.strictObject({ device: z.string(), events: amount.optional() }),
    (world, { device, events = 1 }: { device: string; events?: Amount }) =>
      world.container.registerNotifier(deviceOf(world, device), Number(events)),
  ),
  unregister: entry(
    "a driver takes its notifier back",
    () => z.strictObject({ device: z.string() }),
    (world, { device }: { device: string }) =>
      world.container.unregisterNotifier(deviceOf(world, device)),
  ),
  pin: entry("pins pages: a range, or a list", pages, (world, args: Pages) =>
    repeated(args.times, () => pin(world, args)),
  ),
  unpin: entry("gives pins back: of a range, or a list", pages, (world, args: Pages) =>
    repeated(args.times, () => unpin(world, args)),
  ),
  dma: entry(
    "a device reads or writes an iova",
    (amount) => z.strictObject({ device: z.string(), iova: amount, write: z.boolean().optional() }),
    (world, { device, iova, write = true }: { device: string; iova: Amount; write?: boolean }) =>
      world.container.dma(deviceOf(world, device), iova, { write }),
  ),
  dmaRw: entry(
    "a driver copies from or to memory without pinning it",
    (amount) =>
      z.strictObject({
        device: z.string(),
        iova: amount,
        length: z.union([amount, z.number().int()]),
        write: z.boolean().optional(),
      }),
    (world, args: { device: string; iova: Amount; length: Amount; write?: boolean }) =>
      world.container.dmaRw(deviceOf(world, args.device), {
        iova: args.iova,
        length: Number(args.length),
        write: args.write ?? false,
      }),
  ),
};

/** What happens to processes, and to the host. */
const EVENTS: Record<string, Verb<World>> = {
  mmap: entry(
    "a process maps memory",
    (amount) => vmaShape(amount).extend(process),
    (world, args: Parameters<typeof vmaOf>[0] & { process?: string }) => {
      const { process: name, ...vma } = args;
      processOf(world, name).map(vmaOf(vma));
      return done(null);
    },
  ),
  munmap: entry(
    "a process unmaps memory",
    (amount) => z.strictObject({ at: amount, size: amount, ...process }),
    (world, args: { at: Amount; size: Amount; process?: string }) => {
      const pages = pageOf(BigInt(args.size));
      processOf(world, args.process).unmap(pageOf(BigInt(args.at)), pages);
      return done(null);
    },
  ),
  replacePage: entry(
    "a page gets another frame (copy-on-write): which",
    (amount) => z.strictObject({ at: amount, frame: amount.optional(), ...process }),
    (world, args: { at: Amount; frame?: Amount; process?: string }) => {
      const mm = processOf(world, args.process);
      const page = pageOf(BigInt(args.at));
      return done(
        args.frame === undefined ? mm.replace(page) : mm.replace(page, Number(args.frame)),
      );
    },
  ),
  exit: entry(
    "a process exits",
    () => z.strictObject(process),
    (world, args: { process?: string }) => {
      processOf(world, args.process).exit();
      return done(null);
    },
  ),
  limits: entry(
    "changes what a process may lock, in pages, and what others have charged to it",
    (amount) =>
      z.strictObject({
        limit: amount.optional(),
        capIpcLock: z.boolean().optional(),
        lockedVm: amount.optional(),
        ...process,
      }),
    (
      world,
      args: { limit?: Amount; capIpcLock?: boolean; lockedVm?: Amount; process?: string },
    ) => {
      const mm = processOf(world, args.process);
      if (args.limit !== undefined) mm.rlimitMemlock = Number(args.limit);
      if (args.capIpcLock !== undefined) mm.capIpcLock = args.capIpcLock;
      if (args.lockedVm !== undefined) mm.lockedVm = Number(args.lockedVm);
      return done(mm.lockedVm);
    },
  ),
  failFault: entry(
    "the next fault of a page fails",
    (amount) => z.strictObject({ at: amount, errno: z.enum(ERRNOS), ...process }),
    (world, args: { at: Amount; errno: (typeof ERRNOS)[number]; process?: string }) => {
      const page = pageOf(checkBytes("at", args.at));
      processOf(world, args.process).failNextFault(page, args.errno);
      return done(null);
    },
  ),
  interruptCharge: entry(
    "who next waits to charge a process is killed",
    () => z.strictObject(process),
    (world, args: { process?: string }) => {
      processOf(world, args.process).interruptNextCharge = true;
      return done(null);
    },
  ),
  failAllocation: entry(
    "the n-th allocation from now on fails; 0: none",
    (amount) => z.strictObject({ nth: amount }),
    ({ container }, { nth }: { nth: Amount }) => {
      container.allocations.failNth(Number(nth));
      return done(null);
    },
  ),
  mmapLock: entry(
    "whether somebody holds the mmap lock of the owner, so that charges are left to work items",
    () => z.strictObject({ busy: z.boolean() }),
    ({ container }, { busy }: { busy: boolean }) => {
      container.mmapLockBusy = busy;
      return done(null);
    },
  ),
  as: entry(
    "another thread makes a call",
    () => z.strictObject({ thread: z.string(), call: z.record(z.string(), z.unknown()) }),
    (world, { thread, call }: { thread: string; call: Record<string, unknown> }) =>
      world.container.asThread(thread, () => callIn(world, call)),
  ),
  forget: entry("empties the lists of what was recorded", nothing, (world) => {
    const { notifications, warnings, misuses, hazards } = world.container.records;
    for (const list of [notifications, warnings, misuses, hazards, world.callbacks])
      list.length = 0;
    world.told.clear();
    return done(null);
  }),
  validate: entry("which invariants do not hold, and where", nothing, ({ container }) => {
    const violations = validateVfio(container);
    return { ok: violations.length === 0, violations };
  }),
};

/** All of them. */
export const VERBS: Readonly<Record<string, Verb<World>>> = { ...CALLS, ...DRIVERS, ...EVENTS };
