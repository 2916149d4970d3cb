/** Processes and their memory, as step files of every system write them. Bytes. */
import { z } from "zod";
import { ArgumentError } from "../errors.js";
import type { VmaOptions } from "../mm/user-mm.js";
import { pageOf } from "../uapi/bytes.js";
import type { Amount } from "./amounts.js";

/** A mapping of a process. */
export interface VmaText {
  readonly at: Amount;
  readonly size: Amount;
  readonly kind?: "anon" | "file" | "pfnmap" | undefined;
  readonly shared?: boolean | undefined;
  readonly write?: boolean | undefined;
  /** The first frame, or one a page. */
  readonly frames?: Amount | readonly Amount[] | undefined;
  /** Pages of runs of neighbouring frames; the last repeats. */
  readonly runs?: readonly Amount[] | undefined;
}

/** Shape of {@link VmaText}. */
export function vmaShape(amount: z.ZodType<Amount>) {
  return z.strictObject({
    at: amount,
    size: amount,
    kind: z.enum(["anon", "file", "pfnmap"]).optional(),
    shared: z.boolean().optional(),
    write: z.boolean().optional(),
    frames: z.union([amount, z.array(amount).min(1)]).optional(),
    runs: z.array(amount).min(1).optional(),
  });
}

/** A process. */
export interface ProcessText {
  /** RLIMIT_MEMLOCK, pages. */
  readonly limit?: Amount | undefined;
  readonly capIpcLock?: boolean | undefined;
  /** Its memory; each system says what there is by default. */
  readonly memory?: readonly VmaText[] | undefined;
}

/** Shape of {@link ProcessText}. */
export function processShape(amount: z.ZodType<Amount>) {
  return z.strictObject({
    limit: amount.optional(),
    capIpcLock: z.boolean().optional(),
    memory: z.array(vmaShape(amount)).optional(),
  });
}

/** Keys that are there. */
export function given<T extends object>(text: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(text).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

/** Bytes that must be whole pages, as pages. @throws ArgumentError E_ALIGN */
export function wholePages(name: string, bytes: Amount): number {
  if (BigInt(bytes) % 4096n === 0n) return pageOf(BigInt(bytes));
  throw new ArgumentError("E_ALIGN", `${name} must be a multiple of 4096, got ${bytes}`, {
    argument: name,
  });
}

/** A mapping as `UserMm` takes it. @throws ArgumentError E_ALIGN */
export function vmaOf(text: VmaText): VmaOptions {
  const { at, size, frames, runs, ...rest } = text;
  const list = Array.isArray(frames) ? frames.map(Number) : undefined;
  return {
    ...given(rest),
    at: wholePages("at", at),
    pages: wholePages("size", size),
    ...(frames === undefined ? {} : { frames: list ?? Number(frames) }),
    ...(runs === undefined ? {} : { runs: runs.map(Number) }),
  };
}
