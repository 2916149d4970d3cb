/** The small workloads, whose scripts loop inside the machine, as generators: the same calls. */
import { ArgumentError } from "../errors.js";
import type { ScriptStep } from "../kernel/image.js";
import type { Workload } from "../workloads.js";
import type { WorkloadCall, WorkloadGenerator } from "./generator.js";
import { madviseUser, mprotectUser, recycleUser } from "../scenarios/workloads.js";

const SCENARIOS: Readonly<Record<string, WorkloadGenerator["scenarios"]>> = {
  madvise: [madviseUser],
  shared: [madviseUser],
  mprotect: [mprotectUser],
  remap: [recycleUser],
  mixed: [madviseUser, mprotectUser, recycleUser],
};

/** Pages of a CPU's part, more than any of them maps. */
const PART_PAGES = 64;

function callsOf(name: string, steps: readonly ScriptStep[]): WorkloadCall[] {
  return steps.flatMap((step): WorkloadCall[] => {
    if ("call" in step) return [{ call: step.call, args: step.args ?? {} }];
    if ("repeat" in step) {
      const once = callsOf(name, step.steps);
      return Array.from({ length: step.repeat }, () => once).flat();
    }
    throw new ArgumentError("E_TYPE", `${name}: only calls and repeats can be drawn`, {
      argument: "workload",
    });
  });
}

/**
 * A script workload as a generator. It knows neither locality nor pages.
 * @throws ArgumentError E_TYPE from its rounds, if they hold anything but calls and repeats
 */
export function generatorOf(workload: Workload): WorkloadGenerator {
  return {
    name: workload.name,
    title: workload.title,
    standsFor: "one loop by itself",
    source: "ours",
    defaults: {},
    takes: ["cpus", "threads", "lazy", "thinkNs", "rounds"],
    scenarios: SCENARIOS[workload.name] ?? [],
    regionPages: () => PART_PAGES,
    opsPerRound: ({ threads }) => {
      let sum = 0;
      for (let cpu = 0; cpu < threads; cpu++) sum += workload.opsPerRound(cpu);
      return sum;
    },
    maps: ({ index, own }) => workload.regions(index, own),
    round: ({ index, own }) => {
      const calls = callsOf(workload.name, workload.round(index, own));
      return calls.map((call, i) =>
        i === calls.length - 1 ? { ...call, ops: workload.opsPerRound(index) } : call,
      );
    },
  };
}
