// Writes the policy matrix into README.md, between its markers, from one named workload, profile and
// set of seeds. `--check` writes nothing and fails if README.md says something else; `--check --one-in N`
// computes every N-th row only and believes README.md about the others.
//
// Sound policies are compared; broken variants are only named, with the scenario that catches them:
// figures of a policy that frees what others still use would say nothing.

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Catalogue, generatorNamed, isShootdownError, SCENARIOS } from "../dist/index.js";
import { comparePolicies, Verdicts } from "../dist/simulation/index.js";

const WORKLOAD = "server-mix";
const PROFILE = "haswell-2019";
const ERA = "coupled";
const CPUS = 16;
const OPS = 4000;
const SEEDS = [1, 2, 3, 4, 5];

const BEGIN = "<!-- policy matrix: written by `npm run matrix` -->";
const END = "<!-- end of the policy matrix -->";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const path = join(root, "README.md");
const catalogue = Catalogue.standard;
const { scenarios } = generatorNamed(WORKLOAD);
/** Further scenarios that any sound policy passes, for variants that break something else. */
const others = SCENARIOS.filter(
  ({ name, devices, expect, expectPolicy }) =>
    devices.length === 0 &&
    (expectPolicy?.["*"] ?? expect["*"]?.["*"]) === "SAFE" &&
    !scenarios.some((scenario) => scenario.name === name),
);

const TEXT = new Set(["policy", "verdict", "variant", "what is broken"]);

function whole(value) {
  return Math.round(value).toLocaleString("en-US");
}

function list(named) {
  return named.map(({ name }) => `\`${name}\``).join(", ");
}

/** `12,345 ± 67` */
function withInterval({ mean, high }, digits, unit = 1) {
  const show = (value) =>
    (value / unit).toLocaleString("en-US", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
  return `${show(mean)} ± ${show(high - mean)}`;
}

/** The verdict, and what caught it. */
function verdictCell({ verdict, scenarios: explored }) {
  const found = explored.find((one) => one.verdict === verdict && verdict !== "SAFE");
  if (found === undefined) return verdict;
  return `**UNSAFE**: ${verdict}, \`${found.scenario}\` in ${found.steps} steps`;
}

async function rowOf(policy) {
  const name = `\`${policy.name}\``;
  try {
    const { runs, verdicts } = await comparePolicies({
      workload: WORKLOAD,
      policies: [policy.name],
      cpus: [CPUS],
      seeds: SEEDS,
      ops: OPS,
      era: ERA,
      profile: PROFILE,
    });
    const [{ figures, ops, violations }] = runs;
    const perOp = { mean: figures.ipis.mean / (ops / SEEDS.length) };
    const broken = violations.length === 0 ? "" : `, ${violations[0].invariant}`;
    return [
      name,
      withInterval(figures.throughputOpsPerSecond, 0),
      withInterval(figures.latencyNsP99, 1, 1000),
      withInterval(figures.stolenShareMean, 1, 0.01),
      perOp.mean.toFixed(1),
      whole(figures.deferredPagesMost.mean),
      verdictCell(verdicts[0]) + broken,
    ];
  } catch (error) {
    // A policy that does not give what an operation of the workload needs is refused before it runs.
    if (!isShootdownError(error)) throw error;
    return [name, "-", "-", "-", "-", "-", `refused: ${error.code}`];
  }
}

/** A Markdown table; what is not text is a number, on the right. */
function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((name) => (TEXT.has(name) ? "---" : "---:")))]
    .concat(rows.map(line))
    .join("\n");
}

/** How the broken variant is caught. */
async function caughtRow(policy, verdicts) {
  const verdict = await verdicts.of(policy.name, [...scenarios, ...others]);
  const cell = verdict.verdict === "SAFE" ? "not caught by these" : verdictCell(verdict);
  return [`\`${policy.name}\``, policy.title, cell];
}

/** The cells that README.md has for a policy. */
function writtenRow(written, { name }) {
  const line = written.split("\n").find((one) => one.startsWith(`| \`${name}\` |`));
  return line?.slice(2, -2).split(" | ") ?? [`no row of ${name}`];
}

async function matrix(written, oneIn) {
  const verdicts = new Verdicts(catalogue, ERA);
  const rows = [];
  const caught = [];
  for (const [i, policy] of catalogue.parts.policies.entries()) {
    const isBroken = policy.mutant === true;
    const compute = isBroken ? caughtRow : rowOf;
    const row = i % oneIn === 0 ? await compute(policy, verdicts) : writtenRow(written, policy);
    (isBroken ? caught : rows).push(row);
  }
  const head = [
    "policy",
    "operations/s",
    "p99 latency, µs",
    "stolen, %",
    "IPIs an operation",
    "deferred pages, most",
    "verdict",
  ];
  return [
    `\`${WORKLOAD}\` on ${CPUS} CPUs, profile \`${PROFILE}\`, era \`${ERA}\`, seeds ${SEEDS[0]} to ` +
      `${SEEDS.at(-1)}, ${whole(OPS)} operations each; mean ± 95 % interval. Latency is what an ` +
      `initiator spends on a flush request, stolen what interrupts take from a CPU.`,
    table(head, rows),
    `Broken variants have no figures; this is how exploration catches them, in the scenarios that ` +
      `stand beside the workload (${list(scenarios)}) and others without a device (${list(others)}):`,
    table(["variant", "what is broken", "verdict"], caught),
  ].join("\n\n");
}

const readme = readFileSync(path, "utf8");
const [before, rest] = readme.split(BEGIN);
const [written, after] = rest?.split(END) ?? [];
if (after === undefined) {
  console.error(`matrix: README.md has no markers "${BEGIN}" … "${END}"`);
  process.exit(2);
}
const isCheck = process.argv.includes("--check");
const oneInAt = process.argv.indexOf("--one-in");
const oneIn = isCheck && oneInAt > 0 ? Number(process.argv[oneInAt + 1]) : 1;
const wanted = `${before}${BEGIN}\n\n${await matrix(written, oneIn)}\n\n${END}${after}`;
if (wanted === readme) {
  console.log("matrix: README.md is up to date");
} else if (isCheck) {
  console.error("matrix: README.md is out of date. Fix: npm run matrix");
  process.exit(1);
} else {
  writeFileSync(path, wanted);
  console.log("matrix: README.md written");
}
