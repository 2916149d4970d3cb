/** What steps of `iommufd` can do: all verbs, and those of address spaces and VFIO's ioctls. */
import { z } from "zod";
import { type Amount, type Call, makeCall, type Verb } from "../../step-files/index.js";
import { done, failed, type Outcome } from "../../uapi/outcome.js";
import type { Ioas } from "../ioas.js";
import { ACCESS_VERBS } from "./access-verbs.js";
import { DEVICE_VERBS } from "./device-verbs.js";
import { entry, flag, text } from "./entry.js";
import { HOST_VERBS } from "./host-verbs.js";
import { mapFields, type MapText } from "./shapes.js";
import { addIoas, mapOptions, named, protOf, taskOf, type World } from "./world.js";

interface OfIoas {
  readonly ioas?: string;
}

function ioasOf({ ioases }: World, { ioas }: OfIoas): Ioas {
  return named(ioases, "address space", ioas);
}

type Pair = readonly [Amount, Amount];

interface CopyText extends Omit<MapText, "vaddr" | "process"> {
  readonly from?: string;
  readonly srcIova: Amount;
}

interface FileText extends Omit<MapText, "vaddr"> {
  readonly file: string;
  readonly start?: Amount;
}

/** Calls of user space. */
const SPACES: Record<string, Verb<World>> = {
  ioasAlloc: entry(
    "IOAS_ALLOC: a new address space",
    () => ({ name: text }),
    (world, { name }: { name: string }) => addIoas(world, name),
  ),
  map: entry("IOAS_MAP: memory of a process; gives the iova", mapFields, (world, args: MapText) =>
    ioasOf(world, args as OfIoas).map(mapOptions(world, args)),
  ),
  mapBegin: entry(
    "the first half of map: the addresses are taken, nobody can use them",
    (amount) => ({ ...mapFields(amount), name: text }),
    (world, { name, ...args }: MapText & { name: string }) => {
      const outcome = ioasOf(world, args).mapBegin(mapOptions(world, args));
      if (!outcome.ok) return outcome;
      world.pending.set(name, outcome.value);
      return done(outcome.value.iova);
    },
  ),
  mapFinish: entry(
    "the second half of map",
    () => ({ name: text }),
    (world, { name }: { name: string }) => named(world.pending, "mapping", name).finish(),
  ),
  mapFile: entry(
    "IOAS_MAP_FILE: pages of a file; gives the iova",
    (amount) => {
      const { vaddr: _, ...fields } = mapFields(amount);
      return { ...fields, file: text, start: amount.optional() };
    },
    (world, args: FileText) =>
      ioasOf(world, args as OfIoas).mapFile({
        file: named(world.files, "file", args.file),
        start: args.start ?? 0,
        length: args.size,
        ...(args.iova === undefined ? {} : { iova: args.iova }),
        ...protOf(args.prot),
        task: taskOf(world, args.process),
      }),
  ),
  copy: entry(
    "IOAS_COPY: the same pages once more, also in another space; gives the iova",
    (amount) => ({
      from: text.optional(),
      srcIova: amount,
      ioas: text.optional(),
      iova: amount.optional(),
      size: amount,
      prot: z.enum(["", "r", "w", "rw"]).optional(),
    }),
    (world, { from, srcIova, iova, size, prot, ioas }: CopyText) =>
      named(world.ioases, "address space", ioas).copy({
        from: named(world.ioases, "address space", from ?? ioas),
        srcIova,
        length: size,
        ...(iova === undefined ? {} : { iova }),
        ...protOf(prot),
      }),
  ),
  unmap: entry(
    "IOAS_UNMAP: whole areas; all: everything. Gives bytes",
    (amount) => ({
      ioas: text.optional(),
      iova: amount.optional(),
      size: amount.optional(),
      all: flag,
    }),
    (world, args: OfIoas & { iova?: Amount; size?: Amount; all?: boolean }) =>
      args.all === true
        ? ioasOf(world, args).unmap(0, 2n ** 64n - 1n)
        : ioasOf(world, args).unmap(args.iova ?? 0, args.size ?? 4096),
  ),
  iovaRanges: entry(
    "IOAS_IOVA_RANGES with room for `most` of them",
    (amount) => ({ ioas: text.optional(), most: amount.optional() }),
    (world, args: OfIoas & { most?: Amount }) =>
      ioasOf(world, args).iovaRanges(args.most === undefined ? Infinity : Number(args.most)),
  ),
  allowIovas: entry(
    "IOAS_ALLOW_IOVAS: where the kernel may find places",
    (amount) => ({ ioas: text.optional(), ranges: z.array(z.tuple([amount, amount])) }),
    (world, args: OfIoas & { ranges: readonly Pair[] }) =>
      ioasOf(world, args).allowIovas(args.ranges.map(([start, last]) => ({ start, last }))),
  ),
  reserve: entry(
    "reserves a closed range of addresses",
    (amount) => ({ ioas: text.optional(), range: z.tuple([amount, amount]) }),
    (world, args: OfIoas & { range: Pair }) =>
      ioasOf(world, args).reserve(args.range[0], args.range[1]),
  ),
  hugePages: entry(
    "OPTION_HUGE_PAGES",
    () => ({ ioas: text.optional(), on: z.boolean() }),
    (world, args: OfIoas & { on: boolean }) => ioasOf(world, args).setHugePages(args.on),
  ),
  rlimitMode: entry(
    "OPTION_RLIMIT_MODE: 0 per user, 1 per process",
    () => ({ mode: z.number().int(), process: text.optional() }),
    (world, { mode, process }: { mode: number; process?: string }) =>
      world.fd.setRlimitMode(mode, taskOf(world, process)),
  ),
  changeProcess: entry(
    "IOAS_CHANGE_PROCESS: mappings of files move to a process",
    () => ({ process: text }),
    (world, { process }: { process: string }) => world.fd.changeProcess(taskOf(world, process)),
  ),
  destroy: entry(
    "DESTROY: what has a name",
    () => ({ name: text }),
    (world, { name }: { name: string }) => {
      const { ioases, accesses, devices, hwpts } = world;
      const object = ioases.get(name) ?? accesses.get(name) ?? devices.get(name) ?? hwpts.get(name);
      if (object === undefined) return failed("ENOENT", "no-object", `there is no ${name}`);
      return world.fd.destroy(object);
    },
  ),
  close: entry(
    "closes iommufd: everything is destroyed",
    () => ({}),
    (world) => {
      world.fd.close();
      return done(null);
    },
  ),
};

const structure = { flags: z.number().int().optional(), argsz: z.number().int().optional() };

interface VfioMapText {
  readonly iova: Amount;
  readonly vaddr?: Amount;
  readonly size: Amount;
  readonly flags?: number;
  readonly argsz?: number;
  readonly process?: string;
}

/** VFIO's ioctls. */
const COMPAT: Record<string, Verb<World>> = {
  vfioIoas: entry(
    "VFIO_IOAS: set (by name), get, or clear (null) the address space of VFIO's ioctls",
    () => ({ set: text.nullable().optional() }),
    (world, { set }: { set?: string | null }): Outcome<unknown> => {
      if (set === null) return done((world.fd.vfio.clear(), null));
      if (set !== undefined) {
        return world.fd.vfio.setIoas(named(world.ioases, "address space", set));
      }
      const ioas = world.fd.vfio.getIoas();
      return ioas.ok ? done(ioas.value.id) : ioas;
    },
  ),
  vfioSetIommu: entry(
    "VFIO_SET_IOMMU",
    () => ({ type: z.enum(["type1", "type1v2", "spapr", "noiommu", "nesting"]) }),
    (world, { type }: { type: "type1" | "type1v2" }) => world.fd.vfio.setIommu(type),
  ),
  vfioMap: entry(
    "VFIO_IOMMU_MAP_DMA",
    (amount) => ({
      iova: amount,
      vaddr: amount.optional(),
      size: amount,
      process: text.optional(),
      ...structure,
    }),
    (world, { vaddr, process, ...args }: VfioMapText) =>
      world.fd.vfio.mapDma({
        ...args,
        vaddr: vaddr ?? args.iova,
        task: taskOf(world, process),
      }),
  ),
  vfioUnmap: entry(
    "VFIO_IOMMU_UNMAP_DMA; gives bytes",
    (amount) => ({ iova: amount.optional(), size: amount.optional(), ...structure, all: flag }),
    (
      world,
      args: { iova?: Amount; size?: Amount; flags?: number; argsz?: number; all?: boolean },
    ) =>
      world.fd.vfio.unmapDma({
        iova: args.iova ?? 0,
        size: args.size ?? 0,
        ...(args.all === true ? { flags: 2 } : {}),
        ...(args.flags === undefined ? {} : { flags: args.flags }),
        ...(args.argsz === undefined ? {} : { argsz: args.argsz }),
      }),
  ),
  vfioInfo: entry(
    "VFIO_IOMMU_GET_INFO with so much room",
    () => ({ argsz: z.number().int() }),
    (world, { argsz }: { argsz: number }) => world.fd.vfio.getInfo(argsz),
  ),
  vfioExtension: entry(
    "VFIO_CHECK_EXTENSION: 1 or 0",
    () => ({ what: text }),
    (world, { what }: { what: string }) => done(world.fd.vfio.checkExtension(what)),
  ),
};

/** All of them. */
export const VERBS: Readonly<Record<string, Verb<World>>> = {
  ...SPACES,
  ...ACCESS_VERBS,
  ...DEVICE_VERBS,
  ...COMPAT,
  ...HOST_VERBS,
};

/** A call inside of another. */
export function callIn(world: World, call: Call): unknown {
  return makeCall(VERBS, world, call);
}
