/** What happens around iommufd: processes, their memory, and failing allocations. */
import { z } from "zod";
import {
  type Amount,
  processShape,
  type Verb,
  vmaOf,
  vmaShape,
  type VmaText,
} from "../../step-files/index.js";
import { ERRNOS, type Errno } from "../../uapi/errno.js";
import { done } from "../../uapi/outcome.js";
import { SharedFile } from "../source.js";
import { entry, text } from "./entry.js";
import type { TaskText } from "./shapes.js";
import { addTask, taskOf, type World } from "./world.js";

interface OfProcess {
  readonly process?: string;
}

const process = { process: text.optional() };

function pageOf(address: Amount): number {
  return Number(BigInt(address) / 4096n);
}

/** See the file comment. */
export const HOST_VERBS: Record<string, Verb<World>> = {
  process: entry(
    "a new process",
    (amount) => ({
      ...processShape(amount).shape,
      name: text,
      user: text.optional(),
      capSysResource: z.boolean().optional(),
    }),
    (world, { name, ...args }: TaskText & { name: string }) => {
      addTask(world, name, args);
      return done(null);
    },
  ),
  exit: entry(
    "a process exits",
    () => process,
    (world, args: OfProcess) => {
      taskOf(world, args.process).mm.exit();
      return done(null);
    },
  ),
  limit: entry(
    "RLIMIT_MEMLOCK of a process, in pages",
    (amount) => ({ ...process, pages: amount }),
    (world, args: OfProcess & { pages: Amount }) => {
      taskOf(world, args.process).mm.rlimitMemlock = Number(args.pages);
      return done(null);
    },
  ),
  capIpcLock: entry(
    "gives or takes CAP_IPC_LOCK",
    () => ({ ...process, has: z.boolean() }),
    (world, args: OfProcess & { has: boolean }) => {
      taskOf(world, args.process).mm.capIpcLock = args.has;
      return done(null);
    },
  ),
  mmap: entry(
    "maps memory of a process, in place of what was there",
    (amount) => ({ ...vmaShape(amount).shape, ...process }),
    (world, { process: name, ...args }: OfProcess & VmaText) => {
      taskOf(world, name).mm.map(vmaOf(args));
      return done(null);
    },
  ),
  munmap: entry(
    "unmaps memory of a process",
    (amount) => ({ ...process, at: amount, size: amount }),
    (world, { process: name, at, size }: OfProcess & { at: Amount; size: Amount }) => {
      taskOf(world, name).mm.unmap(pageOf(at), pageOf(size));
      return done(null);
    },
  ),
  replacePage: entry(
    "a page gets another frame (copy-on-write); gives it",
    (amount) => ({ ...process, at: amount }),
    (world, { process: name, at }: OfProcess & { at: Amount }) =>
      done(taskOf(world, name).mm.replace(pageOf(at))),
  ),
  failFault: entry(
    "the next fault of a page fails so",
    (amount) => ({ ...process, at: amount, errno: z.enum(ERRNOS).optional() }),
    (world, args: OfProcess & { at: Amount; errno?: Errno }) => {
      taskOf(world, args.process).mm.failNextFault(pageOf(args.at), args.errno ?? "EFAULT");
      return done(null);
    },
  ),
  file: entry(
    "a new file of so many pages",
    (amount) => ({ name: text, pages: amount }),
    (world, { name, pages }: { name: string; pages: Amount }) => {
      world.files.set(name, new SharedFile(world.frames, Number(pages), undefined, name));
      return done(null);
    },
  ),
  failNth: entry(
    "the n-th allocation from now on fails; 0: none does",
    (amount) => ({ n: amount }),
    (world, { n }: { n: Amount }) => {
      world.fd.env.allocations.failNth(Number(n));
      return done(null);
    },
  ),
  forget: entry(
    "empties the lists of what was recorded",
    () => ({}),
    (world) => {
      const { warnings, violations } = world.fd.env;
      for (const list of [warnings, violations, world.told, world.callbacks]) list.length = 0;
      return done(null);
    },
  ),
};
