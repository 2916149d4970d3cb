/** The shape of a step file of a system. What is shipped as JSON Schema is made from this. */
import { z } from "zod";
import { FILE_FORMAT, FILE_VERSION } from "../scenario-files/schema.js";
import { type Amount, AMOUNT_TEXT } from "./amounts.js";
import type { AnySystem } from "./system.js";

/** Steps of a file. */
export const STEPS_MOST = 2_000;

/** A number as a file writes it. */
const written = z.union([
  z.int().min(0),
  z.string().regex(AMOUNT_TEXT).max(200),
]) as unknown as z.ZodType<Amount>;

/** A number when names have been looked up. */
export const resolved: z.ZodType<Amount> = z.union([z.number(), z.bigint()]);

/** Keys of a step beside its verb. */
export const STEP_KEYS = ["expect", "expectIn", "state", "stateIn", "in", "note"] as const;

const name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]*$/)
  .max(64);
const value = z.json();
const byCell = z.record(z.string(), value);

/** Schemas of a system, which have every verb in them: made when they are first needed. */
interface Schemas {
  file?: z.ZodType;
  setup?: z.ZodType;
  readonly verbs: Map<string, z.ZodType>;
}

const made = new WeakMap<AnySystem, Schemas>();

function schemasOf(system: AnySystem): Schemas {
  const known = made.get(system);
  if (known !== undefined) return known;
  const schemas = { verbs: new Map<string, z.ZodType>() };
  made.set(system, schemas);
  return schemas;
}

/** The shape of a file as it is written. */
export function writtenFile(system: AnySystem): z.ZodType {
  const schemas = schemasOf(system);
  schemas.file ??= stepFileSchema(system);
  return schemas.file;
}

/** The shape of a verb's arguments when their numbers have been looked up. */
export function resolvedArgs(system: AnySystem, verb: string): z.ZodType {
  const { verbs } = schemasOf(system);
  const known = verbs.get(verb) ?? system.verbs[verb].shape(resolved);
  verbs.set(verb, known);
  return known;
}

/** The shape of a setup when its numbers have been looked up. */
export function resolvedSetup(system: AnySystem): z.ZodType {
  const schemas = schemasOf(system);
  schemas.setup ??= system.setup(resolved);
  return schemas.setup;
}

/** See the file comment. */
export function stepFileSchema(system: AnySystem) {
  const some = (axis: string) => z.array(z.enum(system.axes[axis] as [string])).min(1);
  const axes = Object.fromEntries(
    Object.keys(system.axes).map((axis) => [axis, some(axis).exactOptional()]),
  );
  const around = {
    expect: value.exactOptional(),
    expectIn: byCell.exactOptional(),
    state: value.exactOptional(),
    stateIn: byCell.exactOptional(),
    in: z.array(z.string()).min(1).exactOptional(),
    note: z.string().max(500).exactOptional(),
  };
  const steps = Object.entries(system.verbs).map(([key, { shape, summary }]) =>
    z.strictObject({ [key]: shape(written).describe(summary), ...around }),
  );
  const verdict = z.enum(system.verdicts as [string]);
  return z.strictObject({
    format: z.literal(FILE_FORMAT),
    version: z.literal(FILE_VERSION),
    system: z.literal(system.name),
    name: z.string().min(1).max(200),
    title: z.string().max(500),
    source: z.string().max(500),
    story: z.union([z.string(), z.array(z.string())]).exactOptional(),
    names: z.record(name, written).exactOptional(),
    for: z.strictObject(axes).exactOptional(),
    setup: system.setup(written).exactOptional(),
    steps: z
      .array(z.union(steps as z.ZodType[] as [z.ZodType]))
      .min(1)
      .max(STEPS_MOST),
    expect: z.union([verdict, z.record(z.string(), verdict)]).exactOptional(),
  });
}
