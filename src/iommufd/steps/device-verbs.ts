/** Devices and page tables. */
import type { Amount, Verb } from "../../step-files/index.js";
import { done, failed, type Outcome } from "../../uapi/outcome.js";
import type { Hwpt, IommufdDevice } from "../device.js";
import { entry, flag, text } from "./entry.js";
import { deviceFields, type DeviceText } from "./shapes.js";
import { addDevice, named, target, type World } from "./world.js";

interface OfDevice {
  readonly device?: string;
}

function deviceOf({ devices }: World, { device }: OfDevice): IommufdDevice {
  return named(devices, "device", device);
}

/** A page table by its name, or that of a device. */
function hwptOf(world: World, { hwpt, device }: { hwpt?: string; device?: string }): Hwpt {
  if (hwpt !== undefined) return named(world.hwpts, "page table", hwpt);
  const own = deviceOf(world, { device }).hwpt;
  return own ?? named(world.hwpts, "page table");
}

function id(outcome: Outcome<{ readonly id: number }>): Outcome<number> {
  return outcome.ok ? done(outcome.value.id) : outcome;
}

interface BitmapText {
  readonly hwpt?: string;
  readonly device?: string;
  readonly iova: Amount;
  readonly size: Amount;
  readonly pageSize?: Amount;
  readonly noClear?: boolean;
}

function dirty(world: World, args: BitmapText): unknown {
  const { iova, size, pageSize = 4096, noClear = false } = args;
  const outcome = hwptOf(world, args).dirtyBitmap({ iova, length: size, pageSize, noClear });
  if (!outcome.ok) return outcome;
  const { bits } = outcome.value;
  const iovas: bigint[] = [];
  for (let i = 0; i < bits.length * 8; i++) {
    const isSet = ((bits[i >> 3] >> (i & 7)) & 1) === 1;
    if (isSet) iovas.push(BigInt(iova) + BigInt(i) * BigInt(pageSize));
  }
  return { ok: true, value: outcome.value.dirty, iovas };
}

/** See the file comment. */
export const DEVICE_VERBS: Record<string, Verb<World>> = {
  device: entry(
    "a new device; `attach`: to an address space or a page table",
    (amount) => ({ ...deviceFields(amount), name: text }),
    (world, { name, ...args }: DeviceText & { name: string }) => addDevice(world, name, args),
  ),
  attach: entry(
    "a device attaches to an address space or a page table; gives the page table's id",
    () => ({ device: text.optional(), to: text.optional() }),
    (world, args: OfDevice & { to?: string }) =>
      id(deviceOf(world, args).attach(target(world, args.to))),
  ),
  replace: entry(
    "a device changes to another address space or page table",
    () => ({ device: text.optional(), to: text }),
    (world, args: OfDevice & { to: string }) =>
      id(deviceOf(world, args).replace(target(world, args.to))),
  ),
  detach: entry(
    "a device leaves its page table",
    () => ({ device: text.optional() }),
    (world, args: OfDevice) => {
      deviceOf(world, args).detach();
      return done(null);
    },
  ),
  hwptAlloc: entry(
    "HWPT_ALLOC: a page table as the device's IOMMU makes them",
    () => ({
      name: text,
      device: text.optional(),
      ioas: text.optional(),
      dirtyTracking: flag,
    }),
    (world, args: OfDevice & { name: string; ioas?: string; dirtyTracking?: boolean }) => {
      const { name, ioas, dirtyTracking = false } = args;
      const space = named(world.ioases, "address space", ioas);
      const outcome = world.fd.hwptAlloc(deviceOf(world, args), space, { dirtyTracking });
      if (outcome.ok) world.hwpts.set(name, outcome.value);
      return id(outcome);
    },
  ),
  setDirtyTracking: entry(
    "HWPT_SET_DIRTY_TRACKING",
    () => ({ hwpt: text.optional(), device: text.optional(), on: flag }),
    (world, args: { hwpt?: string; device?: string; on?: boolean }) =>
      hwptOf(world, args).setDirtyTracking(args.on ?? true),
  ),
  dirtyBitmap: entry(
    "HWPT_GET_DIRTY_BITMAP: how many bits are set, and `iovas` of them",
    (amount) => ({
      hwpt: text.optional(),
      device: text.optional(),
      iova: amount,
      size: amount,
      pageSize: amount.optional(),
      noClear: flag,
    }),
    dirty,
  ),
  dma: entry(
    "a device reads or writes: EFAULT, with the cause, where it may not",
    (amount) => ({
      device: text.optional(),
      iova: amount,
      size: amount.optional(),
      write: flag,
    }),
    (world, args: OfDevice & { iova: Amount; size?: Amount; write?: boolean }) => {
      const why = deviceOf(world, args).dma(args.iova, args.size ?? 1, args.write ?? false);
      return why === undefined ? done(null) : failed("EFAULT", why, `DMA at ${args.iova}`);
    },
  ),
  translate: entry(
    "the physical address behind an iova, and the bytes of its leaf",
    (amount) => ({ device: text.optional(), hwpt: text.optional(), iova: amount }),
    (world, args: OfDevice & { hwpt?: string; iova: Amount }) => {
      const { domain } = hwptOf(world, args);
      const paddr = domain.translate(args.iova);
      if (paddr === undefined) return failed("ENOENT", "no-translation", `${args.iova}`);
      return { ok: true, value: paddr, leaf: domain.leafSize(args.iova) };
    },
  ),
};
