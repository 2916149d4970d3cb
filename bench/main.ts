/**
 * `npm run bench [-- SUITE] [--quick] [--full] [--json] [--only TEXT]`: suites are `machine` and
 * `interval-tree`, all of them by default.
 */
import { type Measured, measure, type Row } from "./harness.js";
import { intervalTreeRows } from "./interval-tree/rows.js";
import { exploreRow, intervalRow, referenceRow, shootdownRow, traceRow } from "./rows.js";

const args = process.argv.slice(2);
const quick = args.includes("--quick");
const json = args.includes("--json");
const only = args.includes("--only") ? args[args.indexOf("--only") + 1] : undefined;

const suite = args.find((arg, i) => !arg.startsWith("--") && args[i - 1] !== "--only");

const SUITES: Readonly<Record<string, () => Row[]>> = {
  machine: () => [
    referenceRow(64, quick),
    ...[2, 8, 64, 256].flatMap((cpus) => [1, 8, 33].map((p) => shootdownRow(cpus, p, quick))),
    ...[100, 1_000, 10_000].map((n) => intervalRow(n, quick)),
    exploreRow(quick),
    traceRow(quick),
  ],
  "interval-tree": () => intervalTreeRows(quick, args.includes("--full")),
};

if (suite !== undefined && !Object.hasOwn(SUITES, suite)) {
  console.error(`bench: no suite is called ${suite}; there are ${Object.keys(SUITES).join(", ")}`);
  process.exit(2);
}
const rows = Object.entries(SUITES).flatMap(([name, make]) =>
  suite === undefined || suite === name ? make() : [],
);

function show(measured: Measured): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...measured, node: process.version })}\n`);
    return;
  }
  const rate = Math.round(measured.perSecond).toLocaleString("en-US");
  const where = `seed ${measured.seed}  checksum ${measured.checksum}`;
  const spread = `+-${measured.rmePercent.toFixed(1)} %`;
  const name = measured.name.padEnd(52);
  process.stdout.write(`${name} ${rate.padStart(14)} ${measured.unit}/s ${spread}  ${where}\n`);
}

for (const row of rows) {
  if (only === undefined || row.name.includes(only)) show(await measure(row, quick));
}
