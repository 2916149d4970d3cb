/**
 * Shapes of the documents that the command line prints with --json, and of scenario files. Ints are
 * exact numbers.
 */
import { z } from "zod";
import { scenarioSchema } from "../scenarios/validate.js";
import { VERDICTS } from "../scenarios/scenario.js";
import { TRACE_FORMATS } from "../traces/format.js";

const count = z.int().min(0);
const name = z.string().min(1);
const seed = z.string().regex(/^[0-9]{1,20}$/);

const inferred = z.strictObject({ mms: count, vmas: count, pages: count, switches: count });
const trace = z.strictObject({
  format: z.enum(TRACE_FORMATS),
  /** `inferred`: the recording has no page faults, a model stands in for them. */
  residency: z.enum(["recorded", "inferred"]),
  lines: count,
  events: count,
  lostEvents: count,
  skipped: z.record(z.string(), count),
  cpus: z.int().min(1),
  durationNs: count,
});

const run = z.strictObject({
  era: name,
  policy: name,
  consumer: name,
  notifications: z.strictObject({ start: count, end: count, secondary: count }),
  flushes: z.strictObject({ local: count, remote: count, full: count, pages: count }),
  ipis: count,
  latencyNs: z.strictObject({ p50: count, p99: count, max: count, total: count }),
  operations: z.record(z.string(), z.strictObject({ count, totalNs: count })),
  stolenNs: count,
  hazards: z.array(
    z.strictObject({ code: name, count: z.int().min(1), firstVpn: count, firstTimeNs: count }),
  ),
  device: z.strictObject({
    accesses: count,
    hits: count,
    misses: count,
    faults: count,
    zaps: count,
    busyNs: count,
  }),
  inferred,
});

const share = z.number().min(0).max(1);
const score = { precision: share, recall: share, f1: share };
const counts = z.strictObject({
  local: count,
  remote: count,
  send: count,
  switch: count,
  wrongCpu: count,
  full: count,
  csd: count,
  ipis: count,
});
const kindScore = z.strictObject({ ...score, predicted: count, observed: count });

/** Null when the recording has no tlb_flush lines. */
const fidelity = z
  .strictObject({
    ...score,
    anyPages: z.strictObject(score),
    pagesExact: share,
    byKind: z.strictObject({
      local: kindScore,
      remote: kindScore,
      send: kindScore,
      switch: kindScore,
      wrongCpu: kindScore,
    }),
  })
  .nullable();

export const compare = z.strictObject({
  seed,
  profile: name,
  trace,
  fidelity,
  attached: z.strictObject({ tid: count, events: count }),
  runs: z.array(run).min(1),
});

export const replay = z.strictObject({
  era: name,
  policy: name,
  profile: name,
  seed,
  trace,
  predicted: counts,
  byCause: z.record(z.string(), counts),
  observed: counts,
  fidelity,
  inferred,
  hazards: count,
  counters: z.record(z.string(), count),
  /** Only with `trace.residency` inferred. */
  model: z.strictObject({ residentPages: count, touched: count, guessedThreads: count }).optional(),
});

const verdict = z.enum(VERDICTS);

export const check = z.strictObject({
  scenario: name,
  title: name,
  source: name,
  era: name,
  policy: name,
  consumer: name,
  exact: z.boolean(),
  verdict,
  states: count,
  transitions: count,
  depth: count,
  also: z.array(verdict),
  collisionBound: share,
  schedule: z.string(),
  assumptions: z.array(name).min(1),
  expected: verdict.nullable(),
  steps: z.array(
    z.strictObject({
      actor: count,
      choice: count,
      text: name,
      hazard: name.optional(),
    }),
  ),
  switches: count,
});

export const scenarios = z.strictObject({
  scenarios: z.array(
    z.strictObject({
      name,
      title: name,
      source: name,
      expect: z.record(z.string(), z.record(z.string(), verdict)),
    }),
  ),
});

const counters = z.record(z.string(), count);

export const simulate = z.strictObject({
  driver: z.enum(["timed", "parallel"]),
  workload: name,
  era: name,
  policy: name,
  cpus: z.int().min(1),
  seed,
  ops: z.strictObject({ asked: count, done: count }),
  shootdowns: count,
  messages: count,
  ipis: count,
  counters,
  perCpu: z.array(counters),
  violations: z.array(z.strictObject({ invariant: name, detail: name })),
  simulated: z
    .strictObject({ profile: name, ns: count, latencyNsMean: z.number().min(0) })
    .optional(),
  wall: z
    .strictObject({
      workers: count,
      steps: count,
      seconds: z.number().min(0),
      shootdownsPerSecond: z.number().min(0),
    })
    .optional(),
});

/** `found` is null when no schedule that was tried went wrong, which proves nothing. */
export const sample = z.strictObject({
  scenario: name,
  era: name,
  policy: name,
  consumer: name,
  seed,
  schedules: count,
  steps: count,
  found: z
    .strictObject({ invariant: name, detail: name, seed, schedule: z.string(), replay: name })
    .nullable(),
});

export const record = z.strictObject({
  command: z.array(z.string()).min(1),
  /** Of the command; one of the two is null. */
  exitCode: z.int().min(0).nullable(),
  signal: name.nullable(),
  /** The signal that ended the recording early. */
  interrupted: name.nullable(),
  output: name,
  clock: z.literal("mono"),
  scope: z.enum(["tree", "all"]),
  bufferKb: count,
  seconds: z.number().min(0),
  lines: count,
  cpus: z.array(z.strictObject({ cpu: count, entries: count, lost: count })),
  lostEvents: count,
  events: z.array(name),
  missing: z.array(name),
});

export const error = z.strictObject({
  error: z.strictObject({
    code: z.string().regex(/^E_[A-Z_]+$/),
    message: name,
    details: z.record(z.string(), z.unknown()),
  }),
});

/** By file name. */
export const DOCUMENTS = {
  compare,
  replay,
  check,
  sample,
  scenarios,
  simulate,
  record,
  error,
  scenario: scenarioSchema,
};
