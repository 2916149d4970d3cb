/** Step files: YAML in, checked steps out, every fault with its line and its column. */
import type { ErrorCode } from "../errors.js";
import { failAt } from "../scenario-files/context.js";
import { type Path, readYamlFile, type YamlValue } from "../scenario-files/read-yaml.js";
import { shapeFault } from "../scenario-files/shape.js";
import { type Amount, amountOf, resolve } from "./amounts.js";
import { resolvedArgs, resolvedSetup, STEP_KEYS, writtenFile } from "./schema.js";
import type { AnySystem, Cell } from "./system.js";

/** What is expected, by cell: the first key whose parts (`a+b`) are all in the cell decides. */
export type ByCell = Readonly<Record<string, unknown>>;

/** One step, its numbers looked up. */
export interface Step {
  readonly verb: string;
  readonly args: unknown;
  /** As it is written. */
  readonly text: string;
  readonly note: string;
  /** Values of axes: it is left out of cells that have none of them. Empty: in all. */
  readonly in: readonly string[];
  readonly expect: unknown;
  readonly expectIn: ByCell;
  readonly state: unknown;
  readonly stateIn: ByCell;
  /** Where it is in the file. */
  readonly line: number;
}

/** A file that has been read. */
export interface StepFile {
  readonly system: AnySystem;
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly story: readonly string[];
  readonly setup: unknown;
  readonly steps: readonly Step[];
  /** What it is run in. */
  readonly cells: readonly Cell[];
  /** The verdict that is expected, by cell. */
  readonly expect: ByCell;
}

interface FileText {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly story?: string | string[];
  readonly names?: Record<string, number | string>;
  readonly for?: Record<string, string[]>;
  readonly setup?: unknown;
  readonly steps: Record<string, unknown>[];
  readonly expect?: string | Record<string, string>;
}

/** What `values` has for a cell. */
export function forCell(values: ByCell, cell: Cell): unknown {
  const inside = Object.values(cell);
  const key = Object.keys(values).find(
    (each) => each === "*" || each.split("+").every((part) => inside.includes(part)),
  );
  return key === undefined ? undefined : values[key];
}

function cellsOf(axes: Readonly<Record<string, readonly string[]>>): Cell[] {
  return Object.entries(axes).reduce<Cell[]>(
    (cells, [axis, values]) =>
      cells.flatMap((cell) => values.map((value) => ({ ...cell, [axis]: value }))),
    [{}],
  );
}

class Reader {
  readonly names = new Map<string, Amount>();

  constructor(
    readonly system: AnySystem,
    readonly yaml: YamlValue,
    readonly file: string,
  ) {}

  fail(path: Path, says: string, code: ErrorCode, isKey = false): never {
    return failAt(this.yaml, this.file, path, says, code, {}, isKey);
  }

  /** Names may be made of those before them. */
  declare(names: Readonly<Record<string, number | string>>): void {
    for (const [name, text] of Object.entries(names)) {
      const value = typeof text === "number" ? text : amountOf(text, this.names);
      if (value === undefined) {
        const says = `${text} is no number of 0 to 2^64, with the names before it`;
        this.fail(["names", name], says, "E_NOENT");
      }
      this.names.set(name, value);
    }
  }

  /** Keys of what is expected by cell name values of axes. */
  checkCells(value: unknown, path: Path): ByCell {
    const known = new Set(["*", ...Object.values(this.system.axes).flat()]);
    const byCell = (value ?? {}) as Record<string, unknown>;
    for (const key of Object.keys(byCell)) {
      const wrong = key.split("+").find((part) => !known.has(part));
      if (wrong === undefined) continue;
      const says = `${wrong} is none of ${[...known].join(", ")}`;
      this.fail([...path, key], says, "E_NOENT", true);
    }
    return Object.fromEntries(
      Object.entries(byCell).map(([key, item]) => [key, resolve(item, this.names)]),
    );
  }

  step(raw: Record<string, unknown>, index: number): Step {
    const path = ["steps", index];
    const verb = Object.keys(raw).find((key) => !STEP_KEYS.some((each) => each === key)) ?? "";
    const args = resolve(raw[verb], this.names);
    const shape = resolvedArgs(this.system, verb).safeParse(args);
    if (!shape.success) this.wrongShape(shape.error.issues[0], args, [...path, verb]);
    const inside = (raw["in"] ?? []) as string[];
    this.checkCells(Object.fromEntries(inside.map((key) => [key, 0])), [...path, "in"]);
    const lookUp = (key: string): unknown =>
      raw[key] === undefined ? undefined : resolve(raw[key], this.names);
    return {
      verb,
      args: shape.data,
      text: `${verb}: ${JSON.stringify(raw[verb])}`,
      note: (raw["note"] as string | undefined) ?? "",
      in: inside,
      expect: lookUp("expect"),
      expectIn: this.checkCells(raw["expectIn"], [...path, "expectIn"]),
      state: lookUp("state"),
      stateIn: this.checkCells(raw["stateIn"], [...path, "stateIn"]),
      line: this.yaml.placeOf(path).line,
    };
  }

  setup(raw: unknown): unknown {
    const value = resolve(raw ?? {}, this.names);
    const shape = resolvedSetup(this.system).safeParse(value);
    if (!shape.success) this.wrongShape(shape.error.issues[0], value, ["setup"]);
    return shape.data;
  }

  private wrongShape(issue: Parameters<typeof shapeFault>[0], value: unknown, before: Path): never {
    const { path, says, code, more, isKey } = shapeFault(issue, value, before);
    const text = says.startsWith("cannot be") ? `${says}: is it a name of \`names\`?` : says;
    return failAt(this.yaml, this.file, path, text, code, more, isKey === true);
  }
}

function systemOf(systems: readonly AnySystem[], yaml: YamlValue, file: string): AnySystem {
  const named = (yaml.value as Record<string, unknown> | null)?.["system"];
  const system = systems.find(({ name }) => name === named);
  if (system !== undefined) return system;
  const says = `must be one of ${systems.map(({ name }) => name).join(", ")}`;
  return failAt(yaml, file, ["system"], says, named === undefined ? "E_TYPE" : "E_NOENT");
}

/**
 * Reads a file of one of these systems.
 * @throws ShootdownError E_PARSE for what is not YAML; ArgumentError E_TYPE for a wrong shape,
 * E_NOENT for a name that nothing has; E_LIMIT; `details` has `argument` (the field), `line`,
 * `column`
 */
export function loadSteps(
  text: string,
  systems: readonly AnySystem[],
  file = "scenario",
): StepFile {
  const yaml = readYamlFile(text, file);
  const system = systemOf(systems, yaml, file);
  const result = writtenFile(system).safeParse(yaml.value);
  const reader = new Reader(system, yaml, file);
  if (!result.success) {
    const { path, says, code, more, isKey } = shapeFault(result.error.issues[0], yaml.value);
    failAt(yaml, file, path, says, code, more, isKey === true);
  }
  const raw = result.data as FileText;
  reader.declare(raw.names ?? {});
  const expect =
    typeof raw.expect === "string"
      ? { "*": raw.expect }
      : reader.checkCells(raw.expect, ["expect"]);
  const axes = { ...system.axes, ...system.usual, ...raw.for };
  return {
    system,
    name: raw.name,
    title: raw.title,
    source: raw.source,
    story: typeof raw.story === "string" ? raw.story.trimEnd().split("\n") : (raw.story ?? []),
    setup: reader.setup(raw.setup),
    steps: raw.steps.map((step, i) => reader.step(step, i)),
    cells: cellsOf(axes),
    expect,
  };
}
