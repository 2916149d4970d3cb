/**
 * Shapes of kernel steps, in scenarios given as data and in scenario files: the same but for how a
 * page, a protection and a range of pages are written.
 */
import { z } from "zod";
import type { KernelStep } from "../kernel/kernel-steps.js";
import type { SubscriberStep } from "../kernel/subscriber-steps.js";
import { EVENT_NAMES } from "../program/events.js";

/** Shapes of operands. */
export interface Operands {
  readonly page: z.ZodType;
  /** A half-open range of pages. */
  readonly span: z.ZodType;
  readonly prot: z.ZodType;
}

const flag = z.boolean().exactOptional();

/** Steps about subscriptions: see `SubscriberStep`. */
export function subscriberStepSchemas({
  page,
  span,
  device,
}: Pick<Operands, "page" | "span"> & { readonly device: z.ZodType }): z.ZodType[] {
  return [
    z.strictObject({ insert: device, pages: span, unstamped: flag }),
    z.strictObject({ remove: device, page, locked: flag }),
    z.strictObject({ removeDeferred: device, page }),
    z.strictObject({ update: device, page, pages: span, posted: flag }),
    z.strictObject({ replace: device, hole: span }),
    z.strictObject({ find: device, page, posted: flag }),
    z.strictObject({ register: device }),
    z.strictObject({ unregister: device, unsynchronized: flag }),
    z.strictObject({ get: device }),
    z.strictObject({ put: device, keep: flag, now: flag }),
    z.strictObject({ synchronize: z.enum(["readers", "puts"]) }),
    z.strictObject({
      claim: device,
      event: z.enum(["EXCLUSIVE", "MIGRATE"]),
      page,
      owner: device.exactOptional(),
    }),
  ];
}

/** One kernel step: see {@link KernelStep}. */
export function kernelStepSchema({ page, span, prot }: Operands): z.ZodType {
  const step: z.ZodType = z.lazy(() => {
    const steps = z.array(step);
    return z.union([
      z.strictObject({ mmapLock: z.enum(["read", "write"]), do: steps }),
      z.strictObject({
        bracket: z.enum(EVENT_NAMES),
        pages: span,
        site: z
          .strictObject({
            row: z.int().min(1).max(34),
            clearFlush: flag,
            keepsLocked: flag,
            notifiesAtEnd: flag,
          })
          .exactOptional(),
        do: steps,
      }),
      z.strictObject({ lock: page, second: page.exactOptional(), do: steps }),
      z.strictObject({ gather: steps }),
      z.strictObject({ promise: span, do: steps }),
      z.strictObject({ clear: page }),
      z.strictObject({ clearFlush: page }),
      z.strictObject({ flushLocked: span }),
      z.strictObject({ gatherPage: page }),
      z.strictObject({ zap: span }),
      z.strictObject({
        unhook: span,
        mode: z.enum(["by-vmas", "inside", "leaves-inside"]).exactOptional(),
      }),
      z.strictObject({ flush: span, freed: flag }),
      z.strictObject({ notify: span }),
      z.strictObject({ set: page, prot }),
      z.strictObject({ setHuge: page }),
      z.strictObject({ protect: page, prot }),
      z.strictObject({ clean: page }),
      z.strictObject({ move: page, to: page }),
      z.strictObject({ split: page }),
      z.strictObject({ table: page }),
      z.strictObject({ vma: span, prot }),
      z.strictObject({ collect: page }),
      z.strictObject({ put: z.literal(true) }),
      z.strictObject({ free: z.enum(["gathered", "tables"]) }),
    ]);
  });
  return step;
}

const word = z.int().min(0).max(0xffff_ffff);

/** A kernel step with numbers for pages and PROT_* bits. */
export const kernelStep = kernelStepSchema({
  page: word,
  span: z.tuple([word, word]),
  prot: z.int().min(0).max(31),
}) as z.ZodType<KernelStep>;

/** Steps about subscriptions, with numbers. */
export const subscriberSteps = subscriberStepSchemas({
  page: word,
  span: z.tuple([word, word]),
  device: z.int().min(0).max(63),
}) as z.ZodType<SubscriberStep>[];

/** Operands of a kernel step that are pages, and those that end a range and are behind them. */
export function pagesOfKernelStep(step: KernelStep): { key: string; page: number; most: 0 | 1 }[] {
  return Object.entries(step).flatMap(([key, value]) => {
    if (["prot", "do", "gather", "site"].includes(key)) return [];
    if (typeof value === "number") return [{ key, page: value, most: 0 as const }];
    if (!Array.isArray(value)) return [];
    const [start, end] = value as number[];
    return [
      { key: `${key}[0]`, page: start, most: 0 as const },
      { key: `${key}[1]`, page: end, most: 1 as const },
    ];
  });
}
