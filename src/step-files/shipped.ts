/** The step files that come with the package: `scenarios/SYSTEM/NAME.yaml`. */
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { loadSteps, type StepFile } from "./load.js";
import type { AnySystem } from "./system.js";

const FOLDER = new URL("../../scenarios/", import.meta.url);

/** Names of a system's files, without the ending, sorted. */
export async function shippedStepNames(system: AnySystem): Promise<string[]> {
  const folders = await readdir(FOLDER);
  if (!folders.includes(system.name)) return [];
  const files = await readdir(new URL(`${system.name}/`, FOLDER));
  return files.flatMap((file) => (file.endsWith(".yaml") ? [file.slice(0, -5)] : [])).sort();
}

/** One of them, or null. */
export async function shippedStepFile(
  systems: readonly AnySystem[],
  name: string,
): Promise<StepFile | null> {
  for (const system of systems) {
    if ((await shippedStepNames(system)).includes(name)) return read(system, name);
  }
  return null;
}

/** All of a system's. */
export async function shippedStepFiles(system: AnySystem): Promise<StepFile[]> {
  return Promise.all((await shippedStepNames(system)).map((name) => read(system, name)));
}

async function read(system: AnySystem, name: string): Promise<StepFile> {
  const url = new URL(`${system.name}/${name}.yaml`, FOLDER);
  return loadSteps(await readFile(url, "utf8"), [system], fileURLToPath(url));
}
