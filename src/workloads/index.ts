/** The workloads that come with the library, by name. */
import { ArgumentError } from "../errors.js";
import { WORKLOADS } from "../workloads.js";
import { forkCow } from "./fork-cow.js";
import type { WorkloadGenerator } from "./generator.js";
import { madvisePingpong } from "./madvise-pingpong.js";
import { mprotectJit } from "./mprotect-jit.js";
import { mappedIo } from "./mapped-io.js";
import { mappedReader } from "./mapped-reader.js";
import { mremapGrowth } from "./mremap-growth.js";
import { munmapStorm } from "./munmap-storm.js";
import { numaMigration } from "./numa-migration.js";
import { reclaim } from "./reclaim.js";
import { recycle } from "./recycle.js";
import { generatorOf } from "./scripted.js";
import { serverMix } from "./server-mix.js";

/** What threads do, drawn from a seed. */
export const GENERATORS: readonly WorkloadGenerator[] = [
  madvisePingpong,
  munmapStorm,
  mprotectJit,
  forkCow,
  reclaim,
  mappedReader,
  mappedIo,
  recycle,
  mremapGrowth,
  numaMigration,
  serverMix,
];

/** The small ones with a script, as generators. */
export const SCRIPTED: readonly WorkloadGenerator[] = WORKLOADS.map(generatorOf);

/**
 * A generator by name; also the small workloads of {@link WORKLOADS}.
 * @throws ArgumentError E_NOENT, naming those there are.
 */
export function generatorNamed(name: string): WorkloadGenerator {
  const all = [...GENERATORS, ...SCRIPTED];
  const found = all.find((generator) => generator.name === name);
  if (found) return found;
  const known = all.map((generator) => generator.name).join(", ");
  throw new ArgumentError("E_NOENT", `no workload is called ${name}; there are ${known}`, {
    argument: "workload",
    value: name,
  });
}
