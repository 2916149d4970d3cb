/** How verbs of `iommufd` are made. */
import { z } from "zod";
import { type Amount, type Verb, verb } from "../../step-files/index.js";
import type { World } from "./world.js";

/** Shapes of a verb's arguments by name. */
export type Fields = (amount: z.ZodType<Amount>) => Record<string, z.ZodType>;

/** A verb whose arguments are a record with these fields. */
export function entry<A>(
  summary: string,
  fields: Fields,
  run: (world: World, args: A) => unknown,
): Verb<World> {
  return verb<World, A>(
    summary,
    (amount) => z.strictObject(fields(amount)) as unknown as z.ZodType<A>,
    run,
  );
}

export const text = z.string();
export const flag = z.boolean().optional();
