/** Shapes of what `shootdown vdpa table` and `shootdown vdpa downtime` print with --json. */
import { z } from "zod";
import { VDPA_ERA_NAMES } from "../vdpa/eras.js";
import { ERRNOS } from "../uapi/errno.js";
import { noCounts } from "../vdpa/counts.js";

const count = z.int().min(0);
const name = z.string().min(1);
const KEYS = Object.keys(noCounts()) as [string];
const era = z.enum(VDPA_ERA_NAMES);
const state = z.enum(["kept", "identity", "empty", "other"]);

const row = {
  parent: name,
  era,
  persist: z.enum(["not offered", "offered", "acked"]),
  core: state,
  device: state,
  consistent: z.boolean(),
  /** Those that happened. */
  ops: z.partialRecord(z.enum(KEYS), z.int().min(1)),
};

/** See `TruthTable` in src/vdpa/truth-table.ts. */
export const vdpaTable = z.strictObject({
  guest: z.strictObject({ regions: count, entries: count, pages: count, addressSpaces: count }),
  reset: z.array(z.strictObject(row)),
  followUps: z.array(
    z.strictObject({
      parent: name,
      updateAgain: z.enum(ERRNOS).nullable(),
      invalidateUpdate: z.boolean(),
      all: z.boolean(),
      updateOther: z.boolean(),
      emptyBatch: z.boolean(),
    }),
  ),
  close: z.array(z.strictObject(row)),
  cycle: z.array(z.strictObject({ ...row, strategy: name })),
});

const cost = z.strictObject({
  ns: z.number().min(0),
  basis: z.enum(["published", "derived", "assumed"]),
  source: name,
});
const byPages = z.strictObject({ small: cost, thp: cost, hugetlb: cost });
const ms = z.number().min(0);

/** See `Downtime` in src/vdpa/downtime.ts. */
export const vdpaDowntime = z.strictObject({
  guestBytes: count,
  devices: z.int().min(1),
  parent: name,
  pages: z.enum(["small", "thp", "hugetlb"]),
  entries: z.int().min(1),
  regions: z.int().min(1),
  profile: z.strictObject({
    name,
    pin: byPages,
    unpin: byPages,
    zero: cost,
    keyCreate: cost,
    keyDestroy: cost,
    clear: cost,
    suspend: cost,
  }),
  rows: z.array(
    z.strictObject({
      strategy: name,
      persists: z.boolean(),
      counts: z.strictObject(Object.fromEntries(KEYS.map((key) => [key, count]))),
      ms: z.strictObject({ unpin: ms, pin: ms, keys: ms, clear: ms, suspend: ms, total: ms }),
      firstStartMs: ms,
    }),
  ),
  comparisons: z.array(
    z.strictObject({
      what: name,
      published: z.tuple([z.number(), z.number()]),
      predicted: z.number(),
      ratio: z.number().min(0),
      source: name,
    }),
  ),
});
