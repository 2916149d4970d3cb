/**
 * Calls inside of steps: what drivers do in their callbacks, and what others do meanwhile. Each is
 * a verb with its arguments, without expectations; their numbers are looked up with the step's.
 */
import { z } from "zod";
import { ArgumentError } from "../errors.js";
import type { Amount } from "./amounts.js";
import { resolved } from "./schema.js";
import type { Verb } from "./system.js";

/** One call: a verb and its arguments. */
export type Call = Readonly<Record<string, unknown>>;

/** What a driver does when it is told of an unmap. */
export interface OnUnmapText {
  /** Gives back all that it has pinned in the range it is told; true by default. */
  readonly unpin?: boolean | undefined;
  /** The call, counted from 1, from which it does that; 1 by default. */
  readonly from?: Amount | undefined;
  /** Calls it makes before and after that, each time. */
  readonly before?: readonly Call[] | undefined;
  readonly after?: readonly Call[] | undefined;
}

/** `unpin`: gives back what it has pinned there; `ignore`: nothing; `none`: it has no callback. */
export type BehaviourText = "unpin" | "ignore" | "none" | OnUnmapText;

export const callsShape = z.array(z.record(z.string(), z.unknown()));

/** Shape of {@link BehaviourText}. */
export function behaviourShape(amount: z.ZodType<Amount>) {
  const own = z.strictObject({
    unpin: z.boolean().optional(),
    from: amount.optional(),
    before: callsShape.optional(),
    after: callsShape.optional(),
  });
  return z.union([z.enum(["unpin", "ignore", "none"]), own]);
}

/**
 * Makes a call; what it gave.
 * @throws ArgumentError E_NOENT for a verb nobody knows, E_TYPE for arguments of another shape
 */
export function makeCall<W>(
  verbs: Readonly<Record<string, Verb<W>>>,
  world: W,
  call: Call,
): unknown {
  const [[name, args], ...others] = Object.entries(call);
  const known = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (known === undefined || others.length > 0) {
    const message = `a call is one verb: ${Object.keys(call).join(", ")} is not`;
    throw new ArgumentError("E_NOENT", message, { argument: name, value: name });
  }
  const shape = known.shape(resolved).safeParse(args);
  if (shape.success) return known.run(world, shape.data);
  const [{ path, message }] = shape.error.issues;
  const field = [name, ...path.map(String)].join(".");
  throw new ArgumentError("E_TYPE", `${field}: ${message}`, { argument: field });
}
