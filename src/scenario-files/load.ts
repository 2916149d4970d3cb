/** Scenario files: YAML in, a checked scenario out, every fault with its line and its column. */
import { pagesOf } from "../core/geometry.js";
import { geometryOf } from "../drivers/explored-machine.js";
import { ArgumentError } from "../errors.js";
import { Catalogue } from "../kernel/catalogue.js";
import type { ScriptStep } from "../kernel/image.js";
import type { Expectation, Scenario, ScenarioActor, Turn } from "../scenarios/scenario.js";
import { checkScenario } from "../scenarios/validate.js";
import { Context, failAt } from "./context.js";
import type { FileProgram, ScenarioFile } from "./file-types.js";
import { type Path, readYamlFile } from "./read-yaml.js";
import { scenarioFileSchema } from "./schema.js";
import { shapeFault } from "./shape.js";
import { reserveSignals, scriptSteps } from "./steps.js";

/** How a file is read. */
export interface LoadOptions {
  /** Whose operations, eras, policies and consumers it may name; the standard one by default. */
  readonly catalogue?: Catalogue;
  /** Its name, for messages. */
  readonly file?: string;
}

function unique(context: Context, names: readonly (readonly [string, Path])[], kind: string): void {
  const seen = new Set<string>();
  for (const [name, path] of names) {
    if (seen.has(name)) {
      context.fail(path, `${kind} ${name} is there already`, "E_DUP", { value: name });
    }
    seen.add(name);
  }
}

function declare(context: Context, file: ScenarioFile): void {
  const { mms, cpus, devices = [] } = file;
  const named = <T extends { name: string }>(list: readonly T[], key: string) =>
    list.map(({ name }, i) => [name, [key, i, "name"]] as const);
  unique(context, named(mms, "mms"), "mm");
  unique(context, [...named(cpus, "cpus"), ...named(devices, "devices")], "actor");
  mms.forEach(({ name }, i) => context.mms.set(name, i));
  cpus.forEach(({ name }, i) => context.cpus.set(name, i));
  devices.forEach(({ name }, i) => context.devices.set(name, i));
  for (const list of ["setup", "programs"] as const) {
    for (const { steps } of file[list] ?? []) reserveSignals(context, steps);
  }
}

/** Pages that are present from the beginning come with kernel accesses, which fill no TLB. */
function presentPages(context: Context, file: ScenarioFile, indexBits: number): ScenarioActor[] {
  return file.mms.flatMap(({ name, map }, i) => {
    const steps = map.flatMap(({ pages, present }, j): ScriptStep[] => {
      if (present === undefined) return [];
      const [start, end] = context.span(pages, ["mms", i, "map", j, "pages"]);
      if (present !== "huge") return [{ call: `populate.${present}`, args: { start, end } }];
      const pagesOfTable = 2 ** indexBits;
      if (start % pagesOfTable !== 0 || end % pagesOfTable !== 0) {
        const says = `huge pages hold ${pagesOfTable} pages each: [${start}, ${end}) cuts one`;
        context.fail(["mms", i, "map", j, "pages"], says, "E_ALIGN", { limit: pagesOfTable });
      }
      const count = (end - start) / pagesOfTable;
      return Array.from({ length: Math.min(count, 64) }, (_, k) => {
        return { call: "fault.huge", args: { vpn: start + k * pagesOfTable } };
      });
    });
    if (steps.length === 0) return [];
    const cpu = file.cpus.findIndex(({ mm }) => mm === name);
    if (cpu < 0) {
      context.fail(["mms", i], `no CPU runs ${name}: nobody can make its pages present`, "E_NOENT");
    }
    return [{ name: `present in ${name}`, cpu, steps }];
  });
}

function actorsOf(context: Context, list: readonly FileProgram[], key: string, before: number) {
  return list.map(({ actor, steps }, i): ScenarioActor => {
    const cpu = context.cpus.get(actor);
    const device = context.devices.get(actor);
    if (cpu === undefined && device === undefined) {
      const known = [...context.cpus.keys(), ...context.devices.keys()].join(", ");
      const says = `no CPU or device is called ${actor}; there are ${known}`;
      context.fail([key, i, "actor"], says, "E_NOENT", { value: actor });
    }
    const at = `scenario.${key === "setup" ? "setup" : "actors"}[${before + i}]`;
    context.origins.set(at, [key, i]);
    const isDevice = device !== undefined;
    const path = [key, i, "steps"];
    const script = scriptSteps(context, steps, path, isDevice, `${at}.steps`);
    return { name: actor, ...(isDevice ? { device } : { cpu }), steps: script };
  });
}

function expectation(context: Context, { expect }: ScenarioFile): Expectation {
  if (typeof expect === "string") return { "*": { "*": expect } };
  return Object.fromEntries(
    Object.entries(expect).map(([consumer, byEra]) => {
      const path = ["expect", consumer];
      context.known("consumers", consumer, path);
      if (typeof byEra === "string") return [consumer, { "*": byEra }];
      for (const era of Object.keys(byEra)) context.known("eras", era, [...path, era]);
      return [consumer, byEra];
    }),
  );
}

/** `clear A` with the page's number. */
function turnOf(context: Context, [actor, to]: readonly [string, string], path: Path): Turn {
  context.origins.set(`scenario.interleaving[${path[1]}]`, path);
  const words = to.trim().split(/\s+/);
  const last = words.at(-1) ?? "";
  const hasPage = words.length > (words[0] === "before" ? 2 : 1) && !/^\d+$/.test(last);
  if (hasPage) words.splice(-1, 1, `${context.page(last, [...path, 1])}`);
  return [actor, words.join(" ")];
}

function scenarioOf(context: Context, file: ScenarioFile): Scenario {
  declare(context, file);
  const { devices = [], watch, interleaving, expectPolicy } = file;
  const mmOf = (name: string, path: Path): number => context.mm(name, path);
  const story = typeof file.story === "string" ? file.story.trimEnd().split("\n") : file.story;
  const sizes = geometryOf({
    geometry: file.geometry ?? {},
    threads: file.cpus.map(() => null),
    devices: [],
  });
  const present = presentPages(context, file, sizes.indexBits);
  for (const policy of Object.keys(expectPolicy ?? {})) {
    context.known("policies", policy, ["expectPolicy", policy]);
  }
  devices.forEach(({ consumer }, i) => {
    if (consumer !== undefined) context.known("consumers", consumer, ["devices", i, "consumer"]);
  });
  file.mms.forEach(({ map }, i) => {
    map.forEach(({ pages }, j) => {
      const path = ["mms", i, "map", j, "pages"];
      const [, end] = context.span(pages, path);
      const most = pagesOf(sizes);
      const says = `ends at ${end}; this geometry has ${most} pages`;
      if (end > most) context.fail(path, says, "E_ADDR_RANGE", { limit: most });
    });
  });
  return {
    name: file.name,
    title: file.title,
    source: file.source,
    story: [...(story ?? [])],
    geometry: file.geometry ?? {},
    mms: file.mms.map(({ map }, i) => ({
      vmas: map.map(({ pages, prot }, j) => {
        const [start, end] = context.span(pages, ["mms", i, "map", j, "pages"]);
        return { start, end, prot: context.prot(prot) };
      }),
    })),
    threads: file.cpus.map(({ mm }, i) => (mm === null ? null : mmOf(mm, ["cpus", i, "mm"]))),
    devices: devices.map(({ mm }, i) => mmOf(mm, ["devices", i, "mm"])),
    ...(devices.some(({ consumer }) => consumer !== undefined)
      ? { consumers: devices.map(({ consumer }) => consumer ?? null) }
      : {}),
    ...(devices.some(({ subscribed }) => subscribed === false)
      ? { unsubscribed: devices.flatMap(({ subscribed }, i) => (subscribed === false ? [i] : [])) }
      : {}),
    ...(file.faults === undefined ? {} : { faults: file.faults }),
    ...(watch === undefined
      ? {}
      : {
          watch: watch.map(({ mm, page }, i) => {
            context.origins.set(`scenario.watch[${i}]`, ["watch", i, "page"]);
            const vpn = context.page(page, ["watch", i, "page"]);
            return { mm: mmOf(mm, ["watch", i, "mm"]), vpn };
          }),
        }),
    setup: [...present, ...actorsOf(context, file.setup ?? [], "setup", present.length)],
    actors: actorsOf(context, file.programs, "programs", 0),
    ...(interleaving === undefined
      ? {}
      : {
          interleaving: interleaving.map((turn, i) => turnOf(context, turn, ["interleaving", i])),
        }),
    ...(file.assume === undefined ? {} : { assume: file.assume }),
    expect: expectation(context, file),
    ...(expectPolicy === undefined ? {} : { expectPolicy }),
  };
}

/** From a field of the scenario to the nearest one of the file. */
function originOf(context: Context, argument: string): Path {
  for (let text = argument; text !== ""; text = text.slice(0, -1)) {
    const found = context.origins.get(text);
    if (found !== undefined) return found;
  }
  return /^scenario/.test(argument) ? [] : ["geometry", argument];
}

const schemas = new WeakMap<Catalogue, ReturnType<typeof scenarioFileSchema>>();

/** Made once: it has every operation in it. */
function schemaOf(catalogue: Catalogue): ReturnType<typeof scenarioFileSchema> {
  const known = schemas.get(catalogue);
  if (known !== undefined) return known;
  const schema = scenarioFileSchema(catalogue.parts.operations);
  schemas.set(catalogue, schema);
  return schema;
}

/**
 * The scenario that a file's text describes.
 * @throws ShootdownError E_PARSE for what is not YAML; ArgumentError E_TYPE for a wrong shape,
 * E_NOENT for a name that nothing has, E_DUP for one that two have, E_ADDR_RANGE, E_INVERTED,
 * E_ALIGN and E_LIMIT for numbers; `details` has `argument` (the field), `line`, `column`, and the
 * limit if any
 */
export function loadScenario(text: string, options: LoadOptions = {}): Scenario {
  const catalogue = options.catalogue ?? Catalogue.standard;
  const name = options.file ?? "scenario";
  const yaml = readYamlFile(text, name);
  const result = schemaOf(catalogue).safeParse(yaml.value);
  if (!result.success) {
    const { path, says, code, more, isKey } = shapeFault(result.error.issues[0], yaml.value);
    const operation = catalogue.parts.operations.find((each) => each.name === path.at(-1));
    const takes =
      operation !== undefined && says.startsWith("cannot be")
        ? `; it takes ${operation.params.join(", ")}`
        : "";
    failAt(yaml, name, path, says + takes, code, more, isKey === true);
  }
  const file = result.data as unknown as ScenarioFile;
  const context = new Context(yaml, catalogue, new Map(Object.entries(file.pages ?? {})), name);
  try {
    return checkScenario(scenarioOf(context, file));
  } catch (error) {
    if (!(error instanceof ArgumentError) || error.details["line"] !== undefined) throw error;
    const { argument, ...details } = error.details;
    const says = error.message.replace(/^scenario[^ ]*: /, "");
    const path = originOf(context, String(argument));
    return context.fail(path, says, error.code, { ...details, field: argument });
  }
}
