/**
 * `npm run bench [-- SUITE] [--quick] [--full] [--largest] [--json] [--only TEXT]
 * [--contender NAME]`: all suites by default.
 *
 * Contenders that do the same work are measured in a process each: in one process the compiler
 * would see the calls of all of them in the same loop, and the first would look best.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Measured, measure, type Row, type Tallied } from "./harness.js";
import type { Extent } from "./contest.js";
import { intervalTreeRows } from "./interval-tree/rows.js";
import { iotlbRows } from "./iotlb/rows.js";
import { notifierRows } from "./notifier-rows.js";
import { pinnedPagesRows } from "./pinned-pages/rows.js";
import { pinnedSetRows } from "./pinned-sets/rows.js";
import {
  decidedRows,
  exploreRow,
  intervalRow,
  referenceRow,
  shootdownRow,
  traceRow,
} from "./rows.js";
import { traceRows } from "./trace-rows.js";

const args = process.argv.slice(2);
const quick = args.includes("--quick");
const json = args.includes("--json");
const TEXTS = ["--only", "--contender"];

function textOf(option: string): string | undefined {
  return args.includes(option) ? args[args.indexOf(option) + 1] : undefined;
}

const only = textOf("--only");
const contender = textOf("--contender");
const suite = args.find((arg, i) => !arg.startsWith("--") && !TEXTS.includes(args[i - 1]));

const extent: Extent = {
  quick,
  full: args.includes("--full"),
  largest: args.includes("--largest"),
};

const SUITES: Readonly<Record<string, () => Row[]>> = {
  machine: () => [
    referenceRow(64, quick),
    ...[2, 8, 64, 256, 1024].flatMap((cpus) => [1, 8, 33].map((p) => shootdownRow(cpus, p, quick))),
    ...[100, 1_000, 10_000].map((n) => intervalRow(n, quick)),
    exploreRow(quick),
    traceRow(quick),
  ],
  explore: () => decidedRows(quick),
  trace: () => traceRows(quick),
  notifiers: () => notifierRows(quick),
  "interval-tree": () => intervalTreeRows(extent),
  iotlb: () => iotlbRows(extent),
  "pinned-pages": () => pinnedPagesRows(extent),
  "pinned-sets": () => pinnedSetRows(extent),
};

if (suite !== undefined && !Object.hasOwn(SUITES, suite)) {
  console.error(`bench: no suite is called ${suite}; there are ${Object.keys(SUITES).join(", ")}`);
  process.exit(2);
}

function show(suiteName: string, measured: Measured | Tallied): void {
  if (json) {
    const line = { suite: suiteName, ...measured, node: process.version };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const figures =
    "amount" in measured
      ? `${measured.amount.toFixed(1).padStart(14)} ${measured.unit}`
      : rateOf(measured);
  const where = `seed ${measured.seed}  checksum ${measured.checksum}`;
  process.stdout.write(`${measured.name.padEnd(52)} ${figures}  ${where}\n`);
}

function rateOf({ perSecond, unit, rmePercent }: Measured): string {
  const rate = Math.round(perSecond).toLocaleString("en-US");
  return `${rate.padStart(14)} ${unit}/s +-${rmePercent.toFixed(1)} %`;
}

/** Everything one contender does in a suite. */
function runApart(suiteName: string, name: string): void {
  const options = args.filter((_, i) => i !== args.indexOf(suite ?? ""));
  const file = fileURLToPath(import.meta.url);
  const { status } = spawnSync(
    process.execPath,
    [file, suiteName, ...options, "--contender", name],
    { stdio: "inherit", env: { ...process.env, SHOOTDOWN_BENCH_APART: "1" } },
  );
  if (status !== 0) process.exit(status ?? 1);
}

/** How many rows there were to measure. */
async function runSuite(suiteName: string): Promise<number> {
  const rows = SUITES[suiteName]().filter((row) => {
    const isWanted = contender === undefined || row.contender === contender;
    return isWanted && (only === undefined || row.name.includes(only));
  });
  const { length } = rows;
  const apart = new Set<string>();
  // Rows leave the list: what they hold can be collected before the next one is measured.
  for (let row = rows.shift(); row !== undefined; row = rows.shift()) {
    if (row.contender === undefined || contender !== undefined || quick) {
      show(suiteName, await measure(row, quick));
    } else if (!apart.has(row.contender)) {
      apart.add(row.contender);
      runApart(suiteName, row.contender);
    }
  }
  return length;
}

let measuredRows = 0;
for (const name of Object.keys(SUITES)) {
  if (suite === undefined || suite === name) measuredRows += await runSuite(name);
}
if (measuredRows === 0) {
  console.error("bench: there is no such row");
  process.exit(2);
}
