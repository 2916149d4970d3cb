/** `pages` objects for new mappings. */
import { ArgumentError } from "../errors.js";
import { PAGE_LIMIT } from "../pages.js";
import { failed, type Failed } from "../uapi/outcome.js";
import { PAGE_BYTES, TOP } from "./addresses.js";
import type { IommufdEnv } from "./env.js";
import { IoptPages, noMemory } from "./iopt-pages.js";
import type { SharedFile, Source } from "./source.js";
import type { AccountMode, Task } from "./task.js";

/** Part of a `pages` object. */
export interface Slice {
  readonly pages: IoptPages;
  readonly startByte: bigint;
  readonly length: bigint;
}

interface How {
  readonly write: boolean;
  /** What is charged, unless the caller has CAP_IPC_LOCK. */
  readonly mode: AccountMode;
}

/** Pages of a process; a mapping begins and ends anywhere in a page. */
export function pagesOfTask(
  env: IommufdEnv,
  task: Task,
  va: bigint,
  length: bigint,
  how: How,
): Slice | Failed {
  const source = { kind: "user", mm: task.mm, base: Number(va / PAGE_BYTES) } as const;
  return make(env, task, source, va, length, how);
}

/** Pages of a file. */
export function pagesOfFile(
  env: IommufdEnv,
  task: Task,
  file: SharedFile,
  start: bigint,
  length: bigint,
  how: How,
): Slice | Failed {
  const source = { kind: "file", file, base: Number(start / PAGE_BYTES) } as const;
  return make(env, task, source, start, length, how);
}

function make(
  env: IommufdEnv,
  task: Task,
  source: Source,
  at: bigint,
  length: bigint,
  { write, mode }: How,
): Slice | Failed {
  if (length === 0n || length > TOP - PAGE_BYTES) {
    return failed("EINVAL", "bad-length", `length ${length}`);
  }
  if (at + length > TOP) return failed("EOVERFLOW", "wraps", "address and length wrap");
  const startByte = at % PAGE_BYTES;
  const count = Number((startByte + length + PAGE_BYTES - 1n) / PAGE_BYTES);
  if (count >= PAGE_LIMIT) {
    throw new ArgumentError("E_LIMIT", "length must be below 2^52 pages", { argument: "length" });
  }
  if (!env.allocations.take("iopt_pages")) return noMemory("iopt_pages");
  const charged = task.mm.capIpcLock ? "none" : mode;
  const pages = new IoptPages(env, source, count, write, charged, task);
  return { pages, startByte, length };
}
