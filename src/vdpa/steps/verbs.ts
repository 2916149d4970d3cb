/** What steps of `system: vdpa` can do. Arguments are called as in the API; sizes are bytes. */
import { z } from "zod";
import { ArgumentError } from "../../errors.js";
import type { UserMm } from "../../mm/user-mm.js";
import {
  type Amount,
  type Verb,
  verb,
  vmaShape,
  type VmaText,
  wholePages,
} from "../../step-files/index.js";
import { ERRNOS, type Errno } from "../../uapi/errno.js";
import { done, type Outcome } from "../../uapi/outcome.js";
import { byteOf } from "../addresses.js";
import type { FeatureSet, VdpaFeature } from "../feature-bits.js";
import type { VdpaMessageName } from "../messages.js";
import { PARENT_OPS, type ParentOp } from "../model-parent.js";
import { VDPA_STRATEGIES, vdpaStrategy, VdpaUserspace } from "../userspace.js";
import { DRIVER_OK } from "../vhost-vdpa.js";
import { featureList, MEMORY_AT } from "./setup.js";
import { addVma, consistencyText, entryInBytes, featureNames, type VdpaWorld } from "./world.js";

type AmountShape = z.ZodType<Amount>;
type VdpaVerb = Verb<VdpaWorld>;

function processOf(world: VdpaWorld, name: string | undefined): UserMm {
  const [first] = world.processes.values();
  const found = name === undefined ? first : world.processes.get(name);
  if (found !== undefined) return found;
  const known = [...world.processes.keys()].join(", ");
  throw new ArgumentError("E_NOENT", `there is no process ${String(name)}, only ${known}`, {
    argument: "process",
  });
}

const nothing = () => z.strictObject({});
const process = z.string().optional();
const perm = z.union([z.enum(["ro", "wo", "rw"]), z.literal([1, 2, 3])]).optional();

/** An outcome whose value is features. */
function withNames(outcome: Outcome<bigint>): Outcome<(string | number)[]> {
  return outcome.ok ? done(featureNames(outcome.value)) : outcome;
}

interface MessageText {
  readonly iova?: Amount | undefined;
  readonly size?: Amount | undefined;
  readonly uaddr?: Amount | undefined;
  readonly perm?: "ro" | "wo" | "rw" | 1 | 2 | 3 | undefined;
  readonly asid?: Amount | undefined;
  readonly version?: Amount | undefined;
  readonly by?: string | undefined;
}

interface RawText extends MessageText {
  readonly type: Amount | VdpaMessageName;
}

function messageFields(amount: AmountShape) {
  return {
    iova: amount.optional(),
    size: amount.optional(),
    uaddr: amount.optional(),
    perm,
    asid: amount.optional(),
    version: amount.optional(),
    by: process,
  };
}

/** `uaddr` is, if it is not given, what lies `iova` bytes into the memory of a process. */
function write(world: VdpaWorld, type: VdpaMessageName | number, text: MessageText) {
  const { iova = 0, size = 0, asid = 0, version = 2, by } = text;
  const uaddr = text.uaddr ?? BigInt.asUintN(64, BigInt(MEMORY_AT) + BigInt(iova));
  const rights = text.perm === undefined ? {} : { perm: text.perm };
  const message = { type, iova, size, uaddr, asid: Number(asid), version: Number(version) };
  const writer = by === undefined ? undefined : processOf(world, by);
  return world.device.write({ ...message, ...rights }, writer);
}

function messageVerb(summary: string, type: VdpaMessageName): VdpaVerb {
  return verb<VdpaWorld, MessageText>(
    summary,
    (amount) => z.strictObject(messageFields(amount)),
    (world, text) => write(world, type, text),
  );
}

const messages: Record<string, VdpaVerb> = {
  update: messageVerb("UPDATE: maps iova, size, uaddr, perm, asid; version, by", "update"),
  invalidate: messageVerb("INVALIDATE: unmaps what overlaps iova, size, asid", "invalidate"),
  batchBegin: messageVerb("BATCH_BEGIN of an asid", "batch-begin"),
  batchEnd: messageVerb("BATCH_END of an asid", "batch-end"),
  write: verb<VdpaWorld, RawText>(
    "any message: type by name or number, version (the header's type), and the rest",
    (amount) => {
      const names = ["miss", "update", "invalidate", "access-fail", "batch-begin", "batch-end"];
      const type = z.union([z.enum(names as [VdpaMessageName]), amount]);
      return z.strictObject({ type, ...messageFields(amount) });
    },
    (world, { type, ...text }) =>
      write(world, typeof type === "string" ? type : Number(type), text),
  ),
  writeBytes: verb<VdpaWorld, { bytes: Amount[]; by?: string | undefined }>(
    "a message as bytes, each a number",
    (amount) => z.strictObject({ bytes: z.array(amount).max(4096), by: process }),
    (world, { bytes, by }) =>
      world.device.write(
        Uint8Array.from(bytes, Number),
        by === undefined ? undefined : processOf(world, by),
      ),
  ),
};

const file: Record<string, VdpaVerb> = {
  open: verb("open(2)", nothing, ({ device }: VdpaWorld) => device.open()),
  close: verb("the last close(2)", nothing, ({ device }: VdpaWorld) => device.close()),
  setOwner: verb<VdpaWorld, { process?: string | undefined }>(
    "VHOST_SET_OWNER by a process, the first by default",
    () => z.strictObject({ process }),
    (world, { process }) => world.device.setOwner(processOf(world, process)),
  ),
  getFeatures: verb("GET_BACKEND_FEATURES", nothing, ({ device }: VdpaWorld) =>
    withNames(device.getBackendFeatures()),
  ),
  setFeatures: verb<VdpaWorld, { features: (VdpaFeature | number)[] | Amount }>(
    "SET_BACKEND_FEATURES: names and bits, or a mask",
    (amount) => z.strictObject({ features: z.union([featureList, amount]) }),
    ({ device }, { features }) => {
      const set: FeatureSet = Array.isArray(features) ? features : BigInt(features);
      return device.setBackendFeatures(set);
    },
  ),
  setStatus: verb<VdpaWorld, { status: Amount }>(
    "SET_STATUS: 0 resets, 4 is DRIVER_OK",
    (amount) => z.strictObject({ status: amount }),
    ({ device }, { status }) => device.setStatus(Number(status)),
  ),
  reset: verb("SET_STATUS 0", nothing, ({ device }: VdpaWorld) => device.setStatus(0)),
  driverOk: verb("sets DRIVER_OK beside what is set", nothing, ({ device }: VdpaWorld) =>
    device.setStatus(device.status | DRIVER_OK),
  ),
  suspend: verb("SUSPEND", nothing, ({ device }: VdpaWorld) => device.suspend()),
  resume: verb("RESUME", nothing, ({ device }: VdpaWorld) => device.resume()),
  setGroupAsid: verb<VdpaWorld, { group: Amount; asid: Amount }>(
    "SET_GROUP_ASID: the address space of a group of virtqueues",
    (amount) => z.strictObject({ group: amount, asid: amount }),
    ({ device }, { group, asid }) => device.setGroupAsid(Number(group), Number(asid)),
  ),
};

const faults: Record<string, VdpaVerb> = {
  fail: verb<VdpaWorld, { op: ParentOp | "iommuMap"; errno: Errno; nth?: Amount | undefined }>(
    "the nth next call of a callback of the parent, or of iommuMap, fails with an errno",
    (amount) =>
      z.strictObject({
        op: z.enum([...PARENT_OPS, "iommuMap"]),
        errno: z.enum(ERRNOS),
        nth: amount.optional(),
      }),
    ({ device, parent }, { op, errno, nth = 1 }) => {
      if (op === "iommuMap") device.failNextIommuMap(errno, Number(nth));
      else parent.failNext(op, errno, Number(nth));
    },
  ),
  failAlloc: verb<VdpaWorld, { nth: Amount }>(
    "the nth next allocation of the kernel fails; 0: none does",
    (amount) => z.strictObject({ nth: amount }),
    ({ allocations }, { nth }) => {
      allocations.failNth(Number(nth));
    },
  ),
  failFault: verb<VdpaWorld, { at: Amount; errno: Errno; process?: string | undefined }>(
    "the next fault of a process at an address fails with an errno",
    (amount) => z.strictObject({ at: amount, errno: z.enum(ERRNOS), process }),
    (world, { at, errno, process }) => {
      processOf(world, process).failNextFault(wholePages("at", at), errno);
    },
  ),
};

interface MmapText extends VmaText {
  readonly process?: string | undefined;
}

const memory: Record<string, VdpaVerb> = {
  mmap: verb<VdpaWorld, MmapText>(
    "maps memory of a process: at, size, kind, shared, write, runs, frames",
    (amount) => vmaShape(amount).extend({ process }),
    (world, { process, ...vma }) => {
      addVma(processOf(world, process), vma);
    },
  ),
  munmap: verb<VdpaWorld, { at: Amount; size: Amount; process?: string | undefined }>(
    "unmaps memory of a process",
    (amount) => z.strictObject({ at: amount, size: amount, process }),
    (world, { at, size, process }) => {
      processOf(world, process).unmap(wholePages("at", at), wholePages("size", size));
    },
  ),
  limit: verb<VdpaWorld, { pages: Amount; process?: string | undefined }>(
    "sets RLIMIT_MEMLOCK of a process, pages",
    (amount) => z.strictObject({ pages: amount, process }),
    (world, { pages, process }) => {
      processOf(world, process).rlimitMemlock = Number(pages);
    },
  ),
  exit: verb<VdpaWorld, { process?: string | undefined }>(
    "a process exits, without closing the device",
    () => z.strictObject({ process }),
    (world, { process }) => {
      processOf(world, process).exit();
    },
  ),
};

const questions: Record<string, VdpaVerb> = {
  dma: verb<
    VdpaWorld,
    {
      iova: Amount;
      write?: boolean | undefined;
      asid?: Amount | undefined;
      group?: Amount | undefined;
    }
  >(
    "a DMA of the device at iova, in an asid or that of a group: outcome, addr, held, identity",
    (amount) =>
      z.strictObject({
        iova: amount,
        write: z.boolean().optional(),
        asid: amount.optional(),
        group: amount.optional(),
      }),
    ({ device }, { iova, write, asid, group }) => {
      const space = asid ?? device.groupAsid(Number(group ?? 0));
      const found = device.access(iova, write ?? false, Number(space));
      if (found.outcome !== "hit") return found;
      const { page, ...rest } = found;
      return { ...rest, addr: byteOf(page) };
    },
  ),
  table: verb<VdpaWorld, { asid?: Amount | undefined }>(
    "the core's table of an asid",
    (amount) => z.strictObject({ asid: amount.optional() }),
    ({ device }, { asid = 0 }) => device.table(Number(asid)).map(entryInBytes),
  ),
  consistent: verb(
    "are both views the same, and else where do they differ?",
    nothing,
    (world: VdpaWorld) => consistencyText(world.device),
  ),
  events: verb("the small steps since the trace was cleared", nothing, ({ device }: VdpaWorld) =>
    device.events.map(({ step }) => step),
  ),
  violations: verb("translations to pages nobody held", nothing, ({ device }: VdpaWorld) =>
    device.violations.map(({ step, asid, page, pages, live }) => ({
      ...{ step, asid, iova: byteOf(page), pages, live },
    })),
  ),
  clearCounts: verb("counts begin at 0 again", nothing, ({ device }: VdpaWorld) => {
    device.clearCounts();
  }),
  clearTrace: verb("forgets steps and violations", nothing, ({ device }: VdpaWorld) => {
    device.clearTrace();
  }),
};

interface ProgramText {
  readonly strategy: string;
  readonly regions: {
    readonly iova: Amount;
    readonly size: Amount;
    readonly uaddr?: Amount | undefined;
    readonly asid?: Amount | undefined;
  }[];
  readonly process?: string | undefined;
}

function programOf(world: VdpaWorld): VdpaUserspace {
  if (world.program !== undefined) return world.program;
  throw new ArgumentError("E_NOENT", "there is no program: a step `program` comes first", {
    argument: "program",
  });
}

function programVerb(summary: string, act: (program: VdpaUserspace) => void): VdpaVerb {
  return verb(summary, nothing, (world: VdpaWorld) => {
    const program = programOf(world);
    const before = program.failures.length;
    act(program);
    const failures = program.failures.slice(before);
    return { failures: failures.map(({ errno, inner, cause }) => ({ errno, inner, cause })) };
  });
}

const programs: Record<string, VdpaVerb> = {
  program: verb<VdpaWorld, ProgramText>(
    "a program with a strategy and regions opens the device, which is closed, and acknowledges",
    (amount) =>
      z.strictObject({
        strategy: z.enum([...VDPA_STRATEGIES.keys()] as [string]),
        regions: z.array(
          z.strictObject({
            iova: amount,
            size: amount,
            uaddr: amount.optional(),
            asid: amount.optional(),
          }),
        ),
        process,
      }),
    (world, { strategy, regions, process }) => {
      const list = regions.map(({ iova, size, uaddr, asid }) => ({
        ...{ iova, size, asid: Number(asid ?? 0) },
        uaddr: uaddr ?? BigInt(MEMORY_AT) + BigInt(iova),
      }));
      world.program = new VdpaUserspace(world.device, vdpaStrategy(strategy), list);
      const isOpen = world.program.open(processOf(world, process));
      return { ok: isOpen, acked: featureNames(world.device.ackedFeatures) };
    },
  ),
  start: programVerb("the program starts the driver: maps all, DRIVER_OK", (p) => p.start()),
  stop: programVerb("the program stops it: suspend, reset, unmap all", (p) => p.stop()),
  mapAll: programVerb("the program maps its regions", (p) => p.mapAll()),
  unmapAll: programVerb("the program unmaps its regions", (p) => p.unmapAll()),
};

/** All of them. */
export const VDPA_VERBS: Readonly<Record<string, VdpaVerb>> = {
  ...messages,
  ...file,
  ...programs,
  ...faults,
  ...memory,
  ...questions,
};
