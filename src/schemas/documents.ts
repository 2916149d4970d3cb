/**
 * Shapes of the documents that the command line prints with --json, and of scenario files. Ints are
 * exact numbers.
 */
import { z } from "zod";
import { profileSchema } from "../kernel/profile-file.js";
import { OPERATIONS } from "../kernel/operations/index.js";
import { scenarioFileSchema } from "../scenario-files/schema.js";
import { scenarioSchema } from "../scenarios/validate.js";
import { COMPLETION } from "../kernel/completion.js";
import { audit } from "./sites.js";
import { VERDICTS } from "../scenarios/scenario.js";
import { stepFileSchema } from "../step-files/schema.js";
import { iommufdSystem } from "../iommufd/steps/system.js";
import { vdpaSystem } from "../vdpa/steps/system.js";
import { stepResultsSchema } from "./steps.js";
import { vfioSystem } from "../vfio/steps/system.js";
import { vdpaDowntime, vdpaTable } from "./vdpa.js";
import { type Figure, FIGURES } from "../simulation/policies.js";
import { TRACE_FORMATS } from "../traces/format.js";

const count = z.int().min(0);
const name = z.string().min(1);
const seed = z.string().regex(/^[0-9]{1,20}$/);

const level = z.enum(Object.keys(COMPLETION) as (keyof typeof COMPLETION)[]);
/** Operations that need more of a flush request than the policy gives. */
const completion = z.array(
  z.strictObject({
    operation: name,
    policy: name,
    of: z.enum(["data", "tables"]),
    needs: level,
    gives: level,
  }),
);

const inferred = z.strictObject({ mms: count, vmas: count, pages: count, switches: count });
const trace = z.strictObject({
  format: z.enum(TRACE_FORMATS),
  /** `inferred`: the recording has no page faults, a model stands in for them. */
  residency: z.enum(["recorded", "inferred"]),
  lines: count,
  events: count,
  lostEvents: count,
  lostMarks: count,
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
  sites: z.array(
    z.strictObject({
      row: z.string().regex(/^(-|[0-9]{1,2}[a-z-]?)$/),
      title: z.string(),
      brackets: count,
      notifications: count,
      flushes: count,
      full: count,
      pages: count,
      deviceNs: count,
    }),
  ),
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
  completion,
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
  interleavings: z.enum(["given", "all"]),
  exact: z.boolean(),
  completion,
  verdict,
  states: count,
  transitions: count,
  depth: count,
  also: z.array(verdict),
  collisionBound: share,
  schedule: z.string(),
  isShortest: z.boolean(),
  /** Of the reduced search, if there was one. */
  reduction: z.strictObject({ states: count, transitions: count, runs: count }).nullable(),
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

/** Of `check all`. */
export const matrix = z.strictObject({
  cells: z.array(
    z.strictObject({
      scenario: name,
      era: name,
      policy: name,
      consumer: name,
      verdict: verdict,
      expected: verdict.nullable(),
      states: count,
      steps: count,
    }),
  ),
  unexpected: count,
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
  /** `broken`: on purpose, to be caught. */
  policies: z.array(
    z.strictObject({ name, kind: z.enum(["sound", "broken"]), title: name, source: name }),
  ),
});

const counters = z.record(z.string(), count);

const simulateOnce = z.strictObject({
  driver: z.enum(["timed", "parallel"]),
  workload: name,
  era: name,
  policy: name,
  completion,
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

const finite = z.number();
/** Mean over seeds, and the ends of its 95 % interval: null from one seed. */
const estimate = z.strictObject({ mean: finite, low: finite.nullable(), high: finite.nullable() });
const figures = z.strictObject(
  Object.fromEntries((Object.keys(FIGURES) as Figure[]).map((figure) => [figure, estimate])),
);
const percentiles = z.strictObject({
  count,
  p50: count,
  p90: count,
  p99: count,
  p999: count,
  max: count,
  mean: z.number().min(0),
});

/** Policies over numbers of CPUs. Times in ns of simulated time, counts of a run. */
const simulatePolicies = z.strictObject({
  driver: z.literal("timed"),
  workload: name,
  title: name,
  era: name,
  profile: name,
  seeds: z.array(seed).min(1),
  parameters: z.strictObject({ locality: share, pages: count, thinkNs: count, lazy: count }),
  runs: z
    .array(
      z.strictObject({
        policy: name,
        cpus: z.int().min(1),
        threads: z.int().min(1),
        rounds: z.int().min(1),
        ops: count,
        figures,
        latencyNs: percentiles,
        violations: z.array(z.strictObject({ seed, invariant: name, detail: name })),
      }),
    )
    .min(1),
  differences: z.array(
    z.strictObject({ policy: name, baseline: name, cpus: z.int().min(1), figures }),
  ),
  verdicts: z.array(
    z.strictObject({
      policy: name,
      mutant: z.boolean(),
      verdict: z.enum([...VERDICTS, "not explored"]),
      scenarios: z.array(z.strictObject({ scenario: name, verdict, states: count, steps: count })),
    }),
  ),
});

/** One run with its counters, or policies compared on a workload. */
export const simulate = z.union([simulateOnce, simulatePolicies]);

/** `simulate --list`. */
export const workloads = z.strictObject({
  workloads: z.array(
    z.strictObject({
      name,
      title: name,
      standsFor: name,
      source: name,
      parameters: z.array(name),
      scenarios: z.array(name),
    }),
  ),
  parameters: z.array(
    z.strictObject({ name, unit: name, least: finite, most: finite, says: name }),
  ),
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

const duration = z.number();
const measured = {
  count: z.int().min(1),
  ns: duration,
  method: z.enum(["median", "mean without outliers"]),
  p10Ns: duration,
  medianNs: duration,
  p90Ns: duration,
  residualNs: duration,
  lowNs: duration,
  highNs: duration,
};

/** `flushLine` is null when all ranged flushes were of one size. */
export const calibrate = z.strictObject({
  seed,
  trace: trace.omit({ format: true, residency: true }),
  resolutionNs: z.int().min(1),
  figures: z.array(z.strictObject({ name, title: name, ...measured })),
  flushLine: z
    .strictObject({
      fixedNs: duration,
      pageNs: duration,
      count: z.int().min(1),
      groups: z.array(
        z.strictObject({ pages: z.int().min(1), count: z.int().min(1), ns: duration }),
      ),
      residualNs: duration,
      r2: z.number().max(1).nullable(),
      fixedLowNs: duration,
      fixedHighNs: duration,
      pageLowNs: duration,
      pageHighNs: duration,
    })
    .nullable(),
  calls: z.array(
    z.strictObject({
      call: z.enum(["madvise", "mprotect", "munmap"]),
      flush: z.enum(["none", "local", "shootdown"]),
      pages: z.int().min(-1),
      ...measured,
    }),
  ),
  prices: z.array(
    z.strictObject({ name, ns: count, from: z.enum(["recording", "base"]), source: name }),
  ),
  profile: profileSchema,
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
  matrix,
  sample,
  scenarios,
  simulate,
  calibrate,
  profile: profileSchema,
  workloads,
  record,
  audit,
  error,
  scenario: scenarioSchema,
  "scenario-file": scenarioFileSchema(OPERATIONS),
  vdpa: stepResultsSchema([vdpaSystem], check),
  vfio: stepResultsSchema([vfioSystem, iommufdSystem], check),
  "vdpa-table": vdpaTable,
  "vdpa-downtime": vdpaDowntime,
  "vdpa-file": stepFileSchema(vdpaSystem),
  "vfio-file": stepFileSchema(vfioSystem),
  "iommufd-file": stepFileSchema(iommufdSystem),
};
