/** Files named on the command line. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { scenarioNamed } from "../drivers/check.js";
import { ShootdownError } from "../errors.js";
import type { CostProfile } from "../kernel/profile.js";
import { checkProfile } from "../kernel/profile-file.js";
import type { Scenario } from "../scenarios/scenario.js";
import { checkScenario } from "../scenarios/validate.js";

/** @throws ShootdownError E_PARSE for what is not JSON. */
export async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ShootdownError("E_PARSE", `${path} is not JSON`, { path }, { cause });
  }
}

/** Writes beside the target and renames, so that a full disk leaves no half file. */
export async function save(path: string, text: string): Promise<void> {
  const temporary = `${path}.part`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}

/** A built-in scenario by name, or one from a file whose name ends in .json. */
export async function scenarioFrom(name: string): Promise<Scenario> {
  return name.endsWith(".json") ? checkScenario(await readJson(name)) : scenarioNamed(name);
}

/**
 * A built-in profile's name as it is, or the profile in a file whose name ends in .json: a profile,
 * or what `calibrate --json` printed.
 */
export async function profileFrom(name: string): Promise<string | CostProfile> {
  if (!name.endsWith(".json")) return name;
  const value = await readJson(name);
  const isResult = typeof value === "object" && value !== null && "profile" in value;
  return checkProfile(isResult ? value.profile : value);
}
