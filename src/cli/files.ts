/** Files named on the command line. */
import { createReadStream } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { scenarioNamed } from "../drivers/check.js";
import { ShootdownError } from "../errors.js";
import type { CostProfile } from "../kernel/profile.js";
import { checkProfile } from "../kernel/profile-file.js";
import { FILE_BYTES_MOST, loadScenario, shippedScenario } from "../scenario-files/index.js";
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

/** As much of a file as a scenario file may have, and one byte more: then it is refused. */
export async function readScenarioText(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { end: FILE_BYTES_MOST })) {
    chunks.push(chunk as Buffer);
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
    return text;
  } catch (cause) {
    const isCut = chunks.reduce((sum, chunk) => sum + chunk.length, 0) > FILE_BYTES_MOST;
    if (isCut) return " ".repeat(FILE_BYTES_MOST + 1);
    throw new ShootdownError("E_PARSE", `${path} is not UTF-8`, { path }, { cause });
  }
}

/**
 * A scenario by name, built in or from the package's scenario files, or one from a file whose name
 * ends in .yaml, .yml or .json.
 */
export async function scenarioFrom(name: string): Promise<Scenario> {
  if (/\.ya?ml$/.test(name)) return loadScenario(await readScenarioText(name), { file: name });
  if (name.endsWith(".json")) return checkScenario(await readJson(name));
  return (await shippedScenario(name)) ?? scenarioNamed(name);
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
