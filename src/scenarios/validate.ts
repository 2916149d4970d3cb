/**
 * Scenarios from outside: checked as a whole before anything is built from them. The shape is a
 * schema, which the package also ships as JSON Schema; what a schema cannot say is checked after.
 */
import { z } from "zod";
import { checkGeometry, EXPLORED_GEOMETRY, pagesOf } from "../core/geometry.js";
import { ArgumentError } from "../errors.js";
import type { ScriptStep } from "../kernel/image.js";
import { type KernelStep, nestingFault } from "../kernel/kernel-steps.js";
import {
  isSubscriberStep,
  SUBSCRIBER_DEVICES,
  type SubscriberStep,
} from "../kernel/subscriber-steps.js";
import { FAULTS } from "../kernel/subscribers.js";
import { OP_NAMES } from "../program/ops.js";
import { type Scenario, TURN_ALIASES, type Turn, VERDICTS } from "./scenario.js";
import { kernelStep, pagesOfKernelStep, subscriberSteps } from "./step-schemas.js";

/** Deepest nesting of arrays and objects; a scenario needs 8, loops in loops a few more. */
const DEPTH_MOST = 32;
/** Turns of an exact interleaving. */
export const TURNS_MOST = 1_000;
const PAGE_PARAMS = new Set(["start", "vpn", "target"]);

const word = z.int().min(0).max(0xffff_ffff);
const name = z.string().min(1).max(200);
const size = z
  .int()
  .min(0)
  .max(2 ** 22);
const verdict = z.enum(VERDICTS);

const step: z.ZodType<ScriptStep> = z.lazy(() =>
  z.union([
    z.strictObject({ call: name, args: z.record(z.string(), word).exactOptional() }),
    z.strictObject({ device: z.enum(["read", "write"]), vpn: word }),
    z.strictObject({ signal: z.int().min(0).max(7) }),
    z.strictObject({ await: z.int().min(0).max(7), count: z.int().min(0).max(255) }),
    z.strictObject({
      interrupt: z.int().min(0).max(1023),
      access: z.enum(["read", "write"]),
      vpn: word,
      async: z.boolean().exactOptional(),
    }),
    z.strictObject({ repeat: word.min(1), steps: z.array(step) }),
    z.strictObject({ kernel: z.array(kernelStep) }),
    ...subscriberSteps,
  ]),
);

const actor = z.strictObject({
  name,
  cpu: z.int().min(0).exactOptional(),
  device: z.int().min(0).exactOptional(),
  steps: z.array(step),
});

const sizes = Object.keys(EXPLORED_GEOMETRY).map((key) => [key, size.exactOptional()] as const);

/** The shape of a scenario. */
export const scenarioSchema = z.strictObject({
  name,
  title: z.string(),
  source: z.string(),
  story: z.array(z.string()),
  geometry: z.strictObject(Object.fromEntries(sizes)),
  mms: z.array(
    z.strictObject({
      vmas: z.array(z.strictObject({ start: word, end: word, prot: z.int().min(0).max(31) })),
    }),
  ),
  threads: z.array(z.int().min(0).nullable()).min(1),
  devices: z.array(z.int().min(0)),
  consumers: z.array(name.nullable()).exactOptional(),
  unsubscribed: z.array(z.int().min(0)).exactOptional(),
  faults: z.enum(FAULTS).exactOptional(),
  watch: z.array(z.strictObject({ mm: z.int().min(0), vpn: word })).exactOptional(),
  setup: z.array(actor),
  actors: z.array(actor).min(1),
  interleaving: z
    .array(z.tuple([name, name]))
    .max(TURNS_MOST)
    .exactOptional(),
  assume: z
    .strictObject({
      delayedIpi: z.boolean().exactOptional(),
      speculativeWalks: z.boolean().exactOptional(),
      nmi: z.boolean().exactOptional(),
      preempt: z.boolean().exactOptional(),
      dirty: z.boolean().exactOptional(),
    })
    .exactOptional(),
  expect: z.record(z.string(), z.record(z.string(), verdict)),
  expectPolicy: z.record(z.string(), verdict).exactOptional(),
});

type FaultCode = "E_EMPTY" | "E_TYPE" | "E_LIMIT" | "E_ADDR_RANGE" | "E_NOENT" | "E_DUP";

function fail(path: string, says: string, code: FaultCode): never {
  throw new ArgumentError(code, `scenario${path}: ${says}`, { argument: `scenario${path}` });
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
}

function childrenOf(value: object): unknown[] {
  return Object.values(value);
}

/** Without recursion: the input may be nested deeper than any stack. */
function checkDepth(value: unknown): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MOST) fail("", `nested deeper than ${DEPTH_MOST}`, "E_LIMIT");
    level = level.flatMap((v) => (typeof v === "object" && v !== null ? childrenOf(v) : []));
  }
}

/** Pages of steps, as operations and devices see them. */
function checkPages(steps: readonly ScriptStep[], pages: number, path: string): void {
  steps.forEach((one, i) => {
    const at = `${path}[${i}]`;
    const page = (key: string, value: number, most: number): void => {
      if (value > most) fail(`${at}.${key}`, `must be 0 to ${most}, got ${value}`, "E_ADDR_RANGE");
    };
    if ("steps" in one) checkPages(one.steps, pages, `${at}.steps`);
    if ("device" in one || "interrupt" in one) page("vpn", one.vpn, pages - 1);
    if ("kernel" in one) checkKernel(one.kernel, pages, `${at}.kernel`);
    if (isSubscriberStep(one)) checkSubscriberPages(one, page, pages, at);
    if (!("call" in one)) return;
    for (const [key, value] of Object.entries(one.args ?? {})) {
      if (PAGE_PARAMS.has(key)) page(`args.${key}`, value, pages - 1);
      if (key === "end") page(`args.${key}`, value, pages);
    }
  });
}

/** Pages of steps about subscriptions; ranges are half-open, and not empty. */
function checkSubscriberPages(
  step: SubscriberStep,
  page: (key: string, value: number, most: number) => void,
  pages: number,
  path: string,
): void {
  if ("page" in step) page("page", step.page, pages - 1);
  const key = "hole" in step ? "hole" : "pages";
  const span = "hole" in step ? step.hole : "pages" in step ? step.pages : null;
  if (span === null) return;
  page(`${key}[0]`, span[0], pages - 1);
  page(`${key}[1]`, span[1], pages);
  if (span[0] >= span[1]) fail(`${path}.${key}`, "is an empty range", "E_EMPTY");
}

/** Devices that steps about subscriptions name; they are steps of CPUs. */
function checkDevices(
  steps: readonly ScriptStep[],
  devices: number,
  isDevice: boolean,
  path: string,
): void {
  steps.forEach((one, i) => {
    const at = `${path}[${i}]`;
    if ("steps" in one) checkDevices(one.steps, devices, isDevice, `${at}.steps`);
    const named = "call" in one ? one.args?.["device"] : undefined;
    if (named !== undefined && named >= devices) {
      fail(`${at}.args.device`, `there are ${devices} devices, got ${named}`, "E_LIMIT");
    }
    if (!isSubscriberStep(one)) return;
    if (isDevice) fail(at, "subscriptions are changed by programs of CPUs", "E_TYPE");
    for (const [key, value] of Object.entries(one) as [string, unknown][]) {
      if (!SUBSCRIBER_DEVICES.has(key) || typeof value !== "number" || value < devices) continue;
      fail(`${at}.${key}`, `there are ${devices} devices, got ${value}`, "E_LIMIT");
    }
  });
}

/** Pages of kernel steps, blocks included. */
function checkKernelPages(steps: readonly KernelStep[], pages: number, path: string): void {
  steps.forEach((one, i) => {
    for (const { key, page, most } of pagesOfKernelStep(one)) {
      const last = pages - 1 + most;
      const says = `must be 0 to ${last}, got ${page}`;
      if (page > last) fail(`${path}[${i}].${key}`, says, "E_ADDR_RANGE");
    }
    if ("do" in one) checkKernelPages(one.do, pages, `${path}[${i}].do`);
    if ("gather" in one) checkKernelPages(one.gather, pages, `${path}[${i}].gather`);
  });
}

function checkKernel(steps: readonly KernelStep[], pages: number, path: string): void {
  const fault = nestingFault(steps);
  if (fault !== null) fail(`${path}${pathOf(fault.path)}`, fault.says, "E_TYPE");
  checkKernelPages(steps, pages, path);
}

const BY_THEMSELVES = ["step", "end", "irq", "broadcast", "preempt"];

/** Why `to` is no place to go to; null: it is one. */
export function turnFault(to: string, watched: readonly number[]): string | null {
  if (BY_THEMSELVES.includes(to)) return null;
  const choice = /^(walk|nmi) (\d+)$/.exec(to);
  if (choice) {
    return watched.includes(Number(choice[2])) ? null : `page ${choice[2]} is not watched`;
  }
  const [, word] = /^(?:before )?(\S+)(?: \d+)?$/.exec(to) ?? [];
  if (word === undefined) return `"${to}" is no place in a program`;
  if (Object.hasOwn(TURN_ALIASES, word) || Object.hasOwn(OP_NAMES, word)) return null;
  return `no micro-op is called ${word}; there are ${Object.keys(TURN_ALIASES).join(", ")}, …`;
}

function checkTurns(turns: readonly Turn[], scenario: Scenario): void {
  const names = scenario.actors.map(({ name: actor }) => actor);
  const watched = scenario.watch?.map(({ vpn }) => vpn) ?? [];
  turns.forEach(([actor, to], i) => {
    const at = `.interleaving[${i}]`;
    const found = names.filter((known) => known === actor).length;
    if (found === 0) fail(`${at}[0]`, `no actor is called ${actor}`, "E_NOENT");
    if (found > 1) fail(`${at}[0]`, `${found} actors are called ${actor}`, "E_DUP");
    const fault = turnFault(to, watched);
    if (fault !== null) fail(`${at}[1]`, fault, "E_NOENT");
  });
}

/** CPUs that are called. */
function checkCalls(steps: readonly ScriptStep[], cpus: number, path: string): void {
  steps.forEach((one, i) => {
    if ("steps" in one) checkCalls(one.steps, cpus, `${path}[${i}].steps`);
    if ("interrupt" in one && one.interrupt >= cpus) {
      fail(`${path}[${i}].interrupt`, `there are ${cpus} CPUs, got ${one.interrupt}`, "E_LIMIT");
    }
  });
}

function checkActors(scenario: Scenario, which: "setup" | "actors", pages: number): void {
  const taken = new Set<string>();
  scenario[which].forEach(({ cpu, device, steps }, i) => {
    const at = `.${which}[${i}]`;
    if ((cpu === undefined) === (device === undefined)) {
      fail(at, "must have either cpu or device", "E_TYPE");
    }
    const [key, value, rows] =
      cpu === undefined
        ? (["device", device ?? 0, scenario.devices.length] as const)
        : (["cpu", cpu, scenario.threads.length] as const);
    if (value >= rows) fail(`${at}.${key}`, `there are ${rows}, got ${value}`, "E_LIMIT");
    if (which === "actors" && taken.has(`${key} ${value}`)) {
      fail(`${at}.${key}`, `${key} ${value} has a program already`, "E_LIMIT");
    }
    taken.add(`${key} ${value}`);
    checkPages(steps, pages, `${at}.steps`);
    checkCalls(steps, scenario.threads.length, `${at}.steps`);
    checkDevices(steps, scenario.devices.length, device !== undefined, `${at}.steps`);
  });
}

/**
 * Checks a scenario given as data.
 * @throws ArgumentError E_TYPE for a wrong shape, E_LIMIT, E_ADDR_RANGE and E_NOENT for what does
 * not exist, E_DUP for an actor that a turn cannot tell from another;
 * `details.argument` is the path of the field.
 */
export function checkScenario(value: unknown): Scenario {
  checkDepth(value);
  const parsed = scenarioSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    fail(pathOf(issue?.path ?? []), issue?.message ?? "is not a scenario", "E_TYPE");
  }
  const scenario: Scenario = parsed.data;
  const mms = scenario.mms.length;
  const geometry = checkGeometry(
    { ...scenario.geometry, cpus: scenario.threads.length, mms: Math.max(1, mms) },
    EXPLORED_GEOMETRY,
  );
  const pages = pagesOf(geometry);
  const isMm = (path: string, mm: number | null): void => {
    if (mm !== null && mm >= mms) fail(path, `there are ${mms} mms, got ${mm}`, "E_LIMIT");
  };
  scenario.threads.forEach((mm, i) => {
    isMm(`.threads[${i}]`, mm);
  });
  scenario.devices.forEach((mm, i) => {
    isMm(`.devices[${i}]`, mm);
  });
  scenario.watch?.forEach(({ mm, vpn }, i) => {
    isMm(`.watch[${i}].mm`, mm);
    if (vpn >= pages) fail(`.watch[${i}].vpn`, `must be below ${pages}`, "E_ADDR_RANGE");
  });
  checkActors(scenario, "setup", pages);
  checkActors(scenario, "actors", pages);
  const { consumers = [], devices } = scenario;
  if (consumers.length > devices.length) {
    fail(".consumers", `there are ${devices.length} devices, got ${consumers.length}`, "E_LIMIT");
  }
  scenario.unsubscribed?.forEach((device, i) => {
    const says = `there are ${devices.length} devices, got ${device}`;
    if (device >= devices.length) fail(`.unsubscribed[${i}]`, says, "E_LIMIT");
  });
  if (scenario.interleaving !== undefined) checkTurns(scenario.interleaving, scenario);
  return scenario;
}
