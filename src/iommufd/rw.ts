/**
 * Copies between a driver's buffer and mapped pages without pinning them for long: by the address
 * space where it is at hand, else by whatever knows the frames.
 */
import { failed, type Failed } from "../uapi/outcome.js";
import { PAGE_BYTES } from "./addresses.js";
import type { IommufdEnv } from "./env.js";
import type { IoptPages } from "./iopt-pages.js";
import { PfnReader } from "./pfn-reader.js";
import { findFrame, isGone } from "./source.js";
import type { Task } from "./task.js";

/** How to copy. */
export interface RwOptions {
  /** Into the mapped pages; false, out of them, by default. */
  readonly write?: boolean;
  /** The caller is a kernel thread and may borrow the address space; false by default. */
  readonly kthread?: boolean;
  /** Not by the caller's own address space, even where that is possible; false by default. */
  readonly slowPath?: boolean;
  /** Who calls; the process that opened iommufd by default. */
  readonly task?: Task;
}

const PAGE = Number(PAGE_BYTES);

interface Copy {
  readonly env: IommufdEnv;
  readonly pages: IoptPages;
  readonly data: Uint8Array;
  readonly write: boolean;
}

/** Copies all of `data` to or from byte `startByte` on; what precedes a fault stays. */
export function rwPages(
  env: IommufdEnv,
  pages: IoptPages,
  startByte: bigint,
  data: Uint8Array,
  { write = false, kthread = false, slowPath = false, task = env.task }: RwOptions,
): Failed | undefined {
  const copy = { env, pages, data, write };
  const first = Number(startByte / PAGE_BYTES);
  const offset = Number(startByte % PAGE_BYTES);
  const last = first + Math.floor((offset + data.length - 1) / PAGE);
  const { source } = pages;
  if (source.kind === "file") return slow(copy, first, last, offset);
  const foreign = slowPath || task.mm !== source.mm;
  if (isGone(source) || (foreign && !kthread && first !== last)) {
    return slow(copy, first, last, offset);
  }
  if (foreign && !kthread && !env.allocations.take("pin_user_pages")) {
    return failed("EINVAL", "injected", "pinning was made to fail");
  }
  return byAddressSpace(copy, first, offset);
}

function byAddressSpace(copy: Copy, first: number, offset: number): Failed | undefined {
  const { pages, data, write } = copy;
  for (let at = 0, index = first; at < data.length; index++) {
    const from = index === first ? offset : 0;
    const count = Math.min(PAGE - from, data.length - at);
    const pfn = findFrame(pages.source, index, write);
    if (typeof pfn !== "number") return failed(pfn, "not-mapped", `page ${index} cannot be read`);
    copyPart(copy, pfn, from, at, count);
    at += count;
  }
  return undefined;
}

function slow(copy: Copy, first: number, last: number, offset: number): Failed | undefined {
  const reader = PfnReader.open(copy.env, copy.pages, first, last);
  if (!(reader instanceof PfnReader)) return reader;
  let at = 0;
  let from = offset;
  let failure: Failed | undefined;
  for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
    if (!Array.isArray(batch)) {
      failure = batch;
      break;
    }
    for (const { pfn, count: frames } of batch) {
      for (let i = 0; i < frames; i++) {
        const count = Math.min(PAGE - from, copy.data.length - at);
        copyPart(copy, pfn + i, from, at, count);
        at += count;
        from = 0;
      }
    }
  }
  reader.release();
  return failure;
}

function copyPart(
  { env, data, write }: Copy,
  pfn: number,
  offset: number,
  at: number,
  count: number,
): void {
  const part = data.subarray(at, at + count);
  if (write) env.memory.write(pfn, offset, part);
  else env.memory.read(pfn, offset, part);
}
