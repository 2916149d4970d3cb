/** Scenarios as files: what `loadScenario` reads back to the same exploration. */
import { Document, isCollection, isMap, isPair, visit } from "yaml";
import { EXPLORED_GEOMETRY } from "../core/geometry.js";
import { Catalogue } from "../kernel/catalogue.js";
import type { ScriptStep } from "../kernel/image.js";
import { isSubscriberStep, SUBSCRIBER_DEVICES } from "../kernel/subscriber-steps.js";
import type { KernelStep } from "../kernel/kernel-steps.js";
import type { Expectation, Scenario, ScenarioActor } from "../scenarios/scenario.js";
import type { FileProgram, FileStep, ScenarioFile } from "./file-types.js";
import { FILE_FORMAT, FILE_VERSION, PROT_WORDS } from "./schema.js";

/** Collections up to this length are written on one line. */
const FLOW_MOST = 76;

const ASSUMPTIONS = ["delayedIpi", "speculativeWalks", "nmi", "preempt", "dirty"];

/** The same fields in the same order, whoever wrote them: equal scenarios, equal files. */
function inOrder<T>(
  value: Readonly<Record<string, T>>,
  keys: readonly string[],
): Record<string, T> {
  const present = keys.filter((key) => value[key] !== undefined);
  return Object.fromEntries(present.map((key) => [key, value[key]]));
}

function protWords(prot: number): (keyof typeof PROT_WORDS)[] {
  const words = Object.keys(PROT_WORDS) as (keyof typeof PROT_WORDS)[];
  return words.filter((word) => (prot & PROT_WORDS[word]) !== 0);
}

function kernelText(step: KernelStep): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(step).map(([key, value]: [string, unknown]) => {
      if (key === "do" || key === "gather") return [key, (value as KernelStep[]).map(kernelText)];
      return [key, key === "prot" ? protWords(value as number) : value];
    }),
  );
}

/** @param devices - their names */
function stepText(step: ScriptStep, catalogue: Catalogue, devices: readonly string[]): FileStep {
  if (isSubscriberStep(step)) {
    const entries = Object.entries(step).map(([key, value]: [string, unknown]) =>
      SUBSCRIBER_DEVICES.has(key) ? [key, devices[value as number]] : [key, value],
    );
    return Object.fromEntries(entries) as FileStep;
  }
  if ("device" in step) return { [step.device]: step.vpn };
  if ("interrupt" in step) {
    const { interrupt, access, vpn, async } = step;
    return { interrupt, access, page: vpn, ...(async === undefined ? {} : { async }) };
  }
  if ("repeat" in step) {
    const { repeat, steps } = step;
    return { repeat, steps: steps.map((one) => stepText(one, catalogue, devices)) };
  }
  if ("kernel" in step) return { kernel: step.kernel.map(kernelText) };
  if (!("call" in step)) return { ...step };
  const { params } = catalogue.operation(step.call);
  const args = step.args ?? {};
  if (params.length === 0) return step.call;
  const text = (param: string) => (param === "prot" ? protWords(args[param]) : args[param]);
  if (params.length === 1) return { [step.call]: text(params[0]) };
  return { [step.call]: Object.fromEntries(params.map((param) => [param, text(param)])) };
}

function expectText(expect: Expectation): ScenarioFile["expect"] {
  const byConsumer = Object.entries(expect).map(([consumer, byEra]) => {
    const eras = Object.keys(byEra);
    return [consumer, eras.length === 1 && eras[0] === "*" ? byEra["*"] : byEra] as const;
  });
  const [[consumer, verdict]] = byConsumer;
  const isOne = byConsumer.length === 1 && consumer === "*" && typeof verdict === "string";
  return isOne ? verdict : Object.fromEntries(byConsumer);
}

/** Column heads: the names of programs, then of set-up, each once. */
function namesOf(scenario: Scenario): { cpus: string[]; devices: string[] } {
  const taken = new Set<string>();
  const nameOf = (key: "cpu" | "device", index: number, fallback: string): string => {
    const all = [...scenario.actors, ...scenario.setup].filter((actor) => actor[key] === index);
    const free = [...all.map(({ name }) => name), fallback, `${fallback} (${key})`];
    const name = free.find((each) => !taken.has(each)) ?? `${fallback} ${taken.size}`;
    taken.add(name);
    return name;
  };
  return {
    cpus: scenario.threads.map((_, cpu) => nameOf("cpu", cpu, `CPU${cpu}`)),
    devices: scenario.devices.map((_, device) => nameOf("device", device, `device ${device}`)),
  };
}

function fileOf(scenario: Scenario, catalogue: Catalogue): ScenarioFile {
  const names = namesOf(scenario);
  const mm = (index: number): string => `mm${index}`;
  const programs = (actors: readonly ScenarioActor[]): FileProgram[] =>
    actors.map(({ cpu, device, steps }) => ({
      actor: cpu === undefined ? names.devices[device ?? 0] : names.cpus[cpu],
      steps: steps.map((step) => stepText(step, catalogue, names.devices)),
    }));
  const { geometry, watch, setup, interleaving, assume, expectPolicy, consumers } = scenario;
  return {
    format: FILE_FORMAT,
    version: FILE_VERSION,
    name: scenario.name,
    title: scenario.title,
    source: scenario.source,
    story: scenario.story,
    geometry: inOrder(geometry as Record<string, number>, Object.keys(EXPLORED_GEOMETRY)),
    mms: scenario.mms.map(({ vmas }, i) => ({
      name: mm(i),
      map: vmas.map(({ start, end, prot }) => ({ pages: [start, end], prot: protWords(prot) })),
    })),
    cpus: scenario.threads.map((index, cpu) => ({
      name: names.cpus[cpu],
      mm: index === null ? null : mm(index),
    })),
    ...(scenario.devices.length === 0
      ? {}
      : {
          devices: scenario.devices.map((index, device) => {
            const consumer = consumers?.[device] ?? null;
            const isLate = scenario.unsubscribed?.includes(device) === true;
            const own = {
              ...(consumer === null ? {} : { consumer }),
              ...(isLate ? { subscribed: false } : {}),
            };
            return { name: names.devices[device], mm: mm(index), ...own };
          }),
        }),
    ...(watch === undefined
      ? {}
      : { watch: watch.map((each) => ({ mm: mm(each.mm), page: each.vpn })) }),
    ...(scenario.faults === undefined ? {} : { faults: scenario.faults }),
    setup: programs(setup),
    programs: programs(scenario.actors),
    ...(interleaving === undefined ? {} : { interleaving }),
    ...(assume === undefined
      ? {}
      : { assume: inOrder(assume as Record<string, boolean>, ASSUMPTIONS) }),
    expect: expectText(scenario.expect),
    ...(expectPolicy === undefined ? {} : { expectPolicy: { ...expectPolicy } }),
  };
}

/** A scenario as the text of a file. */
export function writeScenario(scenario: Scenario, catalogue = Catalogue.standard): string {
  const doc = new Document(fileOf(scenario, catalogue), { aliasDuplicateObjects: false });
  visit(doc, {
    Collection(_key, node, path) {
      const isTop = path.length === 1;
      if (isTop || JSON.stringify(node.toJSON()).length > FLOW_MOST) return;
      const parent = path.at(-1);
      const hasOwnLine =
        !isPair(parent) || isMap(node) || node.items.every((i) => !isCollection(i));
      node.flow = hasOwnLine;
    },
  });
  return doc.toString({ lineWidth: 100, flowCollectionPadding: true });
}
