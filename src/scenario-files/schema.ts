/**
 * The shape of a scenario file. What is shipped as JSON Schema is made from this, with the
 * operations of the standard catalogue.
 */
import { z } from "zod";
import { EXPLORED_GEOMETRY } from "../core/geometry.js";
import type { Operation } from "../kernel/operation.js";
import { FAULTS } from "../kernel/subscribers.js";
import { VERDICTS } from "../scenarios/scenario.js";
import { kernelStepSchema, subscriberStepSchemas } from "../scenarios/step-schemas.js";
import { TURNS_MOST } from "../scenarios/validate.js";

/** What a file says it is. */
export const FILE_FORMAT = "shootdown-scenario";
/** Version of the format. */
export const FILE_VERSION = 1;

/** CPUs, and devices, of a scenario file. An explored machine of more is beyond any bound. */
export const ACTORS_MOST = 16;

/** Words of a protection, as PROT_* and VMA_* bits. */
export const PROT_WORDS = { read: 1, write: 2, exec: 4, shared: 8, file: 16 } as const;

/** Parameters of operations that are pages; `end` and the like stand behind the last. */
export const PAGE_PARAMS: ReadonlySet<string> = new Set(["start", "end", "inner", "target", "vpn"]);

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const EXPRESSION = /^[A-Za-z_][A-Za-z0-9_]*(\+[0-9]{1,9})?$/;

const word = z.int().min(0).max(0xffff_ffff);
const name = z.string().regex(NAME).max(64);
const label = z.string().min(1).max(200);
const verdict = z.enum(VERDICTS);

/** A number, or the name of a page of `pages`, also `NAME+1`. */
const page = z.union([word, z.string().regex(EXPRESSION).max(64)]).meta({ id: "page" });
const span = z.tuple([page, page]).meta({ id: "pages" });
const protWord = z.enum(Object.keys(PROT_WORDS) as (keyof typeof PROT_WORDS)[]);
const prot = z.union([z.int().min(0).max(31), z.array(protWord).max(5)]).meta({ id: "protection" });
const nameOrNumber = z.union([word, name]);

function operandOf(param: string): z.ZodType {
  if (PAGE_PARAMS.has(param)) return page;
  if (param === "prot") return prot;
  if (param === "device") return z.union([word, label]);
  return param === "mm" ? nameOrNumber : word;
}

/** `munmap: { start: A, end: B }`, `munmap: [A, B]`, `read: A`. */
function callOf({ name: operation, params }: Operation): z.ZodType {
  const operands = params.map(operandOf) as [z.ZodType, ...z.ZodType[]];
  const named = z.strictObject(Object.fromEntries(params.map((param, i) => [param, operands[i]])));
  const forms = [named, z.tuple(operands), ...(params.length === 1 ? operands : [])];
  return z.strictObject({ [operation]: z.union(forms) });
}

function stepOf(operations: readonly Operation[]): z.ZodType {
  const bare = operations.filter(({ params }) => params.length === 0).map((each) => each.name);
  const signal = z.union([z.int().min(0).max(7), name]);
  const step: z.ZodType = z.lazy(() =>
    z.union([
      z.enum(bare),
      ...operations.filter(({ params }) => params.length > 0).map(callOf),
      z.strictObject({ signal }),
      z.strictObject({ await: signal, count: z.int().min(0).max(255).exactOptional() }),
      z.strictObject({
        interrupt: z.union([z.int().min(0).max(1023), label]),
        access: z.enum(["read", "write"]),
        page,
        async: z.boolean().exactOptional(),
      }),
      z.strictObject({ repeat: z.int().min(1).max(1_000), steps: z.array(step) }),
      z.strictObject({ kernel: z.array(kernelStepSchema({ page, span, prot })) }),
      ...subscriberStepSchemas({ page, span, device: label }),
    ]),
  );
  return step;
}

const size = z
  .int()
  .min(0)
  .max(2 ** 22);
const sizes = Object.keys(EXPLORED_GEOMETRY).map((key) => [key, size.exactOptional()] as const);
const flag = z.boolean().exactOptional();

/** The shape, with the steps that these operations allow. */
export function scenarioFileSchema(operations: readonly Operation[]) {
  const program = z.strictObject({ actor: label, steps: z.array(stepOf(operations)) });
  const byEra = z.union([verdict, z.record(z.string(), verdict)]);
  return z.strictObject({
    format: z.literal(FILE_FORMAT),
    version: z.literal(FILE_VERSION),
    name: z.string().min(1).max(200),
    title: z.string().max(500),
    source: z.string().max(500),
    story: z.union([z.string(), z.array(z.string())]).exactOptional(),
    pages: z.record(name, word).exactOptional(),
    geometry: z.strictObject(Object.fromEntries(sizes)).exactOptional(),
    mms: z.array(
      z.strictObject({
        name,
        map: z.array(
          z.strictObject({
            pages: span,
            prot,
            present: z.enum(["read", "write", "huge"]).exactOptional(),
          }),
        ),
      }),
    ),
    cpus: z
      .array(z.strictObject({ name: label, mm: name.nullable() }))
      .min(1)
      .max(ACTORS_MOST),
    devices: z
      .array(
        z.strictObject({
          name: label,
          mm: name,
          consumer: label.exactOptional(),
          subscribed: flag,
        }),
      )
      .max(ACTORS_MOST)
      .exactOptional(),
    watch: z
      .array(z.strictObject({ mm: name, page }))
      .max(8)
      .exactOptional(),
    faults: z.enum(FAULTS).exactOptional(),
    setup: z.array(program).exactOptional(),
    programs: z.array(program).min(1),
    interleaving: z
      .array(z.tuple([label, label]))
      .max(TURNS_MOST)
      .exactOptional(),
    assume: z
      .strictObject({
        delayedIpi: flag,
        speculativeWalks: flag,
        nmi: flag,
        preempt: flag,
        dirty: flag,
      })
      .exactOptional(),
    expect: z.union([verdict, z.record(z.string(), byEra)]),
    expectPolicy: z.record(z.string(), verdict).exactOptional(),
  });
}
