/** Steps of a file as steps of a scenario. */
import type { ScriptStep } from "../kernel/image.js";
import type { KernelStep } from "../kernel/kernel-steps.js";
import { isSubscriberStep, SUBSCRIBER_DEVICES } from "../kernel/subscriber-steps.js";
import type { Context } from "./context.js";
import type { FileStep, PageText, ProtText, SpanText } from "./file-types.js";
import type { Path } from "./read-yaml.js";
import { PAGE_PARAMS } from "./schema.js";

type Keyed = Readonly<Record<string, unknown>>;

/** Operands of kernel steps that are pages, ranges of them, or further steps. */
const KERNEL_PAGES = new Set([
  ...["lock", "second", "clear", "clearFlush", "gatherPage", "set", "setHuge", "protect", "clean"],
  ...["move", "to", "split", "table", "collect"],
]);
const KERNEL_SPANS = new Set([
  ...["pages", "promise", "zap", "unhook", "flush", "flushLocked", "notify", "vma"],
]);

function kernelStep(context: Context, step: Keyed, path: Path): KernelStep {
  const entries = Object.entries(step).map(([key, value]): [string, unknown] => {
    const at = [...path, key];
    if (key === "do" || key === "gather") {
      return [key, (value as Keyed[]).map((one, i) => kernelStep(context, one, [...at, i]))];
    }
    if (KERNEL_PAGES.has(key)) return [key, context.page(value as PageText, at)];
    if (KERNEL_SPANS.has(key)) return [key, context.span(value as SpanText, at)];
    return [key, key === "prot" ? context.prot(value as ProtText) : value];
  });
  return Object.fromEntries(entries) as unknown as KernelStep;
}

function operand(context: Context, param: string, value: unknown, path: Path): number {
  if (PAGE_PARAMS.has(param)) return context.page(value as PageText, path);
  if (param === "prot") return context.prot(value as ProtText);
  // Operations name an mm by its index + 1.
  if (param === "mm" && typeof value === "string") return context.mm(value, path) + 1;
  if (param === "device" && typeof value === "string") return context.device(value, path);
  return value as number;
}

function callStep(context: Context, name: string, given: unknown, path: Path): ScriptStep {
  const { params } = context.catalogue.operation(name);
  const isNamed = typeof given === "object" && given !== null && !Array.isArray(given);
  const isPositional = Array.isArray(given) && !(params.length === 1 && params[0] === "prot");
  const values = isNamed
    ? params.map((param) => [(given as Keyed)[param], [...path, param]] as const)
    : isPositional
      ? (given as unknown[]).map((value, i) => [value, [...path, i]] as const)
      : [[given, path] as const];
  const args = params.map((param, i) => {
    const [value, at] = values[i];
    return [param, operand(context, param, value, at)] as const;
  });
  return { call: name, args: Object.fromEntries(args) };
}

function oneStep(
  context: Context,
  step: FileStep,
  path: Path,
  isDevice: boolean,
  at: string,
): ScriptStep {
  if (typeof step === "string") {
    if (isDevice) context.fail(path, NO_OPERATIONS, "E_TYPE");
    return { call: step };
  }
  const [key] = Object.keys(step);
  if ("signal" in step) {
    return { signal: context.signal(step["signal"] as number, [...path, "signal"]) };
  }
  if ("await" in step) {
    const index = context.signal(step["await"] as number, [...path, "await"]);
    return { await: index, count: (step["count"] as number | undefined) ?? 1 };
  }
  if ("repeat" in step) {
    const steps = step["steps"] as FileStep[];
    const inner = [...path, "steps"];
    const repeat = step["repeat"] as number;
    return { repeat, steps: scriptSteps(context, steps, inner, isDevice, `${at}.steps`) };
  }
  if (isDevice) {
    if (key !== "read" && key !== "write") context.fail(path, NO_OPERATIONS, "E_TYPE");
    const call = callStep(context, key, step[key], [...path, key]);
    return { device: key, vpn: "args" in call ? (call.args?.["vpn"] ?? 0) : 0 };
  }
  if ("interrupt" in step) return interruptStep(context, step, path);
  if ("kernel" in step) {
    const list = step["kernel"] as Keyed[];
    return { kernel: list.map((one, i) => kernelStep(context, one, [...path, "kernel", i])) };
  }
  if (isSubscriberStep(step)) return subscriberStep(context, step, path);
  return callStep(context, key, step[key], [...path, key]);
}

/** Devices by their names; pages and ranges of them as everywhere. */
function subscriberStep(context: Context, step: Keyed, path: Path): ScriptStep {
  const entries = Object.entries(step).map(([key, value]): [string, unknown] => {
    const at = [...path, key];
    if (SUBSCRIBER_DEVICES.has(key)) return [key, context.device(value as string, at)];
    if (key === "page") return [key, context.page(value as PageText, at)];
    if (key === "pages" || key === "hole") return [key, context.span(value as SpanText, at)];
    return [key, value];
  });
  return Object.fromEntries(entries) as unknown as ScriptStep;
}

const NO_OPERATIONS = "a device reads and writes pages, signals and waits; operations run on CPUs";

function interruptStep(context: Context, step: Keyed, path: Path): ScriptStep {
  const cpu = step["interrupt"] as number | string;
  const access = step["access"] as "read" | "write";
  const vpn = context.page(step["page"] as PageText, [...path, "page"]);
  const isAsync = step["async"] as boolean | undefined;
  return {
    interrupt: typeof cpu === "number" ? cpu : context.cpu(cpu, [...path, "interrupt"]),
    access,
    vpn,
    ...(isAsync === undefined ? {} : { async: isAsync }),
  };
}

/** @param at - the list's path in the scenario that is made of the file */
export function scriptSteps(
  context: Context,
  steps: readonly FileStep[],
  path: Path,
  isDevice: boolean,
  at: string,
): ScriptStep[] {
  return steps.map((step, i) => {
    const here = `${at}[${i}]`;
    context.origins.set(here, [...path, i]);
    return oneStep(context, step, [...path, i], isDevice, here);
  });
}

/** Numbers of signals that steps use, so that names get others. */
export function reserveSignals(context: Context, steps: readonly FileStep[]): void {
  for (const step of steps) {
    if (typeof step === "string") continue;
    for (const key of ["signal", "await"]) {
      if (typeof step[key] === "number") context.reserveSignal(step[key]);
    }
    if ("repeat" in step) reserveSignals(context, step["steps"] as FileStep[]);
  }
}
