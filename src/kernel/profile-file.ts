/**
 * Cost profiles from outside: a JSON document of the shape of {@link CostProfile}, checked as a
 * whole before a machine sees it.
 */
import { z } from "zod";
import { ArgumentError } from "../errors.js";
import { type CostProfile, costTable, isPriceName, NS_MAX } from "./profile.js";

const text = z.string().min(1).max(2000);
const price = z.strictObject({ ns: z.int().min(0).max(NS_MAX), source: text });

/** The shape of a profile. Which prices there are is checked afterwards. */
export const profileSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/),
  title: text,
  source: text,
  cpusPerSocket: z.int().min(1).max(1024).exactOptional(),
  prices: z.record(z.string(), price),
});

function fail(path: string, says: string): never {
  throw new ArgumentError("E_TYPE", `profile${path}: ${says}`, { argument: `profile${path}` });
}

/**
 * Checks a profile given as data.
 * @throws ArgumentError E_TYPE for a wrong shape, an unknown price, or a remote price without
 * `cpusPerSocket`; `details.argument` is the path of the field.
 */
export function checkProfile(value: unknown): CostProfile {
  const parsed = profileSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = (issue?.path ?? []).map((key) => `.${String(key)}`).join("");
    fail(path, issue?.message ?? "is not a profile");
  }
  const unknown = Object.keys(parsed.data.prices).find((name) => !isPriceName(name));
  if (unknown !== undefined) fail(`.prices.${unknown}`, "no price is called so");
  costTable(parsed.data);
  return parsed.data;
}
