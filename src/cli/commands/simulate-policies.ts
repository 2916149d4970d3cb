/** `simulate WORKLOAD`: policies over numbers of CPUs, as a table, a document, a log. */
import { ArgumentError } from "../../errors.js";
import { type LogEntry, histogramLog } from "../../simulation/histogram.js";
import {
  comparePolicies,
  type ComparePoliciesOptions,
  type PolicyComparison,
  type PolicyDifference,
  type PolicyRun,
} from "../../simulation/policies.js";
import type { Estimate } from "../../simulation/statistics.js";
import type { PolicyVerdict } from "../../simulation/verdicts.js";
import { GENERATORS, SCRIPTED } from "../../workloads/index.js";
import { PARAMETERS } from "../../workloads/generator.js";
import { save } from "../files.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import { wholeNumber } from "../options.js";
import { Progress } from "../progress.js";
import { formatTable } from "../table.js";

const CPUS_MOST = 1024;

/** The powers of two from `first` to `last`, both included. */
function powersOfTwo(first: number, last: number): number[] {
  const list: number[] = [];
  for (let n = 1; n <= last; n *= 2) if (n >= first) list.push(n);
  return list;
}

/**
 * `8`, `2,8,64`, `2..256` (the powers of two within), or a mixture.
 * @throws ArgumentError E_LIMIT, E_PARSE, E_DUP
 */
export function cpuList(text: string): number[] {
  const list = text.split(",").flatMap((part) => {
    const range = /^([0-9]+)\.\.([0-9]+)$/.exec(part);
    if (range === null) return [wholeNumber("--cpus", part, 1, CPUS_MOST)];
    const [first, last] = [range[1], range[2]].map((n) => wholeNumber("--cpus", n, 1, CPUS_MOST));
    const powers = powersOfTwo(first, last);
    if (powers.length > 0) return powers;
    throw new ArgumentError("E_PARSE", `--cpus: no power of two lies in ${part}`, {
      argument: "--cpus",
    });
  });
  if (new Set(list).size === list.length) return list;
  throw new ArgumentError("E_DUP", `--cpus names a number twice: ${text}`, { argument: "--cpus" });
}

/** A share, as `0.9`. @throws ArgumentError E_PARSE; what is no share is refused later */
export function shareOf(option: string, text: string): number {
  if (/^[0-9]{0,9}(\.[0-9]{1,9})?$/.test(text) && text !== "") return Number(text);
  throw new ArgumentError("E_PARSE", `${option} must be a share from 0 to 1, got ${text}`, {
    argument: option,
  });
}

/** `--list`: the workloads, and what their parameters are. */
export async function listWorkloads(json: boolean): Promise<number> {
  const workloads = [...GENERATORS, ...SCRIPTED].map((one) => ({
    name: one.name,
    title: one.title,
    standsFor: one.standsFor,
    source: one.source,
    parameters: one.takes ?? PARAMETERS.map(({ name }) => name),
    scenarios: one.scenarios.map(({ name }) => name),
  }));
  if (json) await printJson({ workloads, parameters: PARAMETERS });
  else {
    const rows = workloads.map(({ name, title }) => [name, title]);
    const facts = PARAMETERS.map(({ name, unit, least, most, says }) => [
      name,
      unit,
      `${least} to ${most}`,
      says,
    ]);
    await print(
      `${formatTable(["workload", "a round"], rows, 2)}\n\n` +
        `${formatTable(["parameter", "unit", "range", "meaning"], facts, 4)}\n`,
    );
  }
  return EXIT_OK;
}

const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const percent = (share: number): string => (share * 100).toFixed(2);

/** Half of an interval, as a share of the mean. */
function margin({ mean, high }: Estimate): string {
  return high === null || mean === 0 ? "" : `${percent((high - mean) / Math.abs(mean))} %`;
}

function rowOf(run: PolicyRun, verdicts: readonly PolicyVerdict[]): string[] {
  const { figures, latencyNs } = run;
  const verdict = verdicts.find(({ policy }) => policy === run.policy)?.verdict ?? "not asked";
  return [
    String(run.cpus),
    run.policy,
    whole(figures.throughputOpsPerSecond.mean),
    margin(figures.throughputOpsPerSecond),
    ...[latencyNs.p50, latencyNs.p90, latencyNs.p99, latencyNs.p999, latencyNs.max].map(whole),
    percent(figures.stolenShareMean.mean),
    percent(figures.stolenShareMax.mean),
    whole(figures.ipis.mean),
    whole(figures.ipisCoalesced.mean),
    whole(figures.ipisFiltered.mean),
    whole(figures.refills.mean),
    whole(figures.deferredPagesMost.mean),
    run.violations.length > 0 ? `${verdict}, ${run.violations[0].invariant}` : verdict,
  ];
}

const RUN_HEAD = (
  "CPUs|policy|ops/s|± 95 %|p50 ns|p90|p99|p99.9|max|stolen %|most %|IPIs|coalesced|filtered|" +
  "refills|deferred|verdict"
).split("|");

/** `-3.1 [-3.3, -2.9]`, in units of `scale`. */
function interval({ mean, low, high }: Estimate, scale: number, digits: number): string {
  const show = (value: number): string => {
    const text = (value / scale).toFixed(digits);
    return value > 0 ? `+${text}` : text;
  };
  if (low === null || high === null) return show(mean);
  return `${show(mean)} [${show(low)}, ${show(high)}]`;
}

function differenceRow(one: PolicyDifference, runs: readonly PolicyRun[]): string[] {
  const base = runs.find(({ policy, cpus }) => policy === one.baseline && cpus === one.cpus);
  const throughput = base?.figures.throughputOpsPerSecond.mean ?? 1;
  const { figures } = one;
  return [
    String(one.cpus),
    `${one.policy} - ${one.baseline}`,
    throughput === 0 ? "" : interval(figures.throughputOpsPerSecond, throughput / 100, 2),
    interval(figures.latencyNsP99, 1, 0),
    interval(figures.stolenShareMean, 0.01, 2),
    interval(figures.ipis, 1, 0),
  ];
}

const DIFFERENCE_HEAD = ["CPUs", "difference", "throughput, %", "p99, ns", "stolen, %", "IPIs"];

function verdictLines(verdicts: readonly PolicyVerdict[]): string {
  const lines = verdicts.map(({ policy, mutant, verdict, scenarios }) => {
    const list = scenarios
      .map((one) => {
        const steps = one.steps > 0 ? `, in ${one.steps} steps` : "";
        return `${one.scenario} ${one.verdict} (${whole(one.states)} states${steps})`;
      })
      .join(", ");
    const kind = mutant ? " (a broken variant)" : "";
    return `  ${policy}${kind}: ${verdict}${list === "" ? "" : `: ${list}`}`;
  });
  const head = "verdicts, by exploring every interleaving of small scenarios of the same kind:";
  return `${[head, ...lines].join("\n")}\n`;
}

/** The comparison for people. */
export function formatComparison(result: PolicyComparison): string {
  const { workload, title, profile, era, parameters, seeds, runs, differences, verdicts } = result;
  const { locality, pages, thinkNs, lazy } = parameters;
  const rows = runs.map((run) => rowOf(run, verdicts));
  const repeated = seeds.length > 1 ? `${seeds.length} seeds` : `seed ${seeds[0]}`;
  const paired =
    differences.length === 0
      ? ""
      : `\npaired by seed, with 95 % intervals:\n${formatTable(
          DIFFERENCE_HEAD,
          differences.map((one) => differenceRow(one, runs)),
          2,
        )}\n`;
  return (
    `${workload}: ${title}\n` +
    `profile ${profile}, era ${era}, ${repeated}; locality ${locality}, ${pages} page(s), ` +
    `think ${thinkNs} ns, ${lazy} lazy CPU(s); means a run\n\n` +
    `${formatTable(RUN_HEAD, rows, 2)}\n${paired}\n` +
    (verdicts.length === 0 ? "" : verdictLines(verdicts))
  );
}

/** What the command adds to the library's options. */
export interface ComparisonOutput {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly hlog?: string;
}

/** Compares, prints, and says with which code to exit. */
export async function runComparison(
  options: ComparePoliciesOptions,
  output: ComparisonOutput,
): Promise<number> {
  const progress = new Progress(output.quiet);
  const entries: LogEntry[] = [];
  const result = await comparePolicies({
    ...options,
    onRun: (done, of) => {
      progress.update(done < of ? `run ${done + 1} of ${of}` : "exploring scenarios");
    },
    onResult: ({ policy, parameters, seed, ns, latencies }) => {
      if (output.hlog === undefined) return;
      entries.push({ tag: `${policy}.cpus=${parameters.cpus}.seed=${seed}`, ns, latencies });
    },
  });
  progress.done();
  if (output.hlog !== undefined) {
    const { workload, profile, era } = result;
    const about = `shootdown simulate ${workload}, profile ${profile}, era ${era}`;
    await save(output.hlog, histogramLog([about, "initiator latency, ns"], entries));
  }
  if (output.json) await printJson(result);
  else await print(formatComparison(result));
  const isViolated = result.runs.some(({ violations }) => violations.length > 0);
  const isUnsafe = result.verdicts.some(
    ({ verdict }) => verdict !== "SAFE" && verdict !== "not explored",
  );
  return isViolated || isUnsafe ? EXIT_FOUND : EXIT_OK;
}
