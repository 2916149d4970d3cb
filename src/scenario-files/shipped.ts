/** The scenario files that come with the package, in `scenarios/`. */
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Scenario } from "../scenarios/scenario.js";
import { loadScenario } from "./load.js";

const FOLDER = new URL("../../scenarios/", import.meta.url);

/** Their names, without the ending, sorted. */
export async function shippedNames(): Promise<string[]> {
  const files = await readdir(FOLDER);
  const names = files.flatMap((file) => (file.endsWith(".yaml") ? [file.slice(0, -5)] : []));
  return names.sort();
}

/** One of them, or null. */
export async function shippedScenario(name: string): Promise<Scenario | null> {
  if (!(await shippedNames()).includes(name)) return null;
  const url = new URL(`${name}.yaml`, FOLDER);
  return loadScenario(await readFile(url, "utf8"), { file: fileURLToPath(url) });
}

/** All of them. */
export async function shippedScenarios(): Promise<Scenario[]> {
  const all = await Promise.all((await shippedNames()).map(shippedScenario));
  return all.filter((scenario) => scenario !== null);
}
