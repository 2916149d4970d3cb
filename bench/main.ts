/** `npm run bench [-- --quick] [-- --json] [-- --only TEXT]` */
import { type Measured, measure, type Row } from "./harness.js";
import { exploreRow, intervalRow, referenceRow, shootdownRow, traceRow } from "./rows.js";

const args = process.argv.slice(2);
const quick = args.includes("--quick");
const json = args.includes("--json");
const only = args.includes("--only") ? args[args.indexOf("--only") + 1] : undefined;

const rows: Row[] = [
  referenceRow(64, quick),
  ...[2, 8, 64, 256].flatMap((cpus) => [1, 8, 33].map((p) => shootdownRow(cpus, p, quick))),
  ...[100, 1_000, 10_000].map((n) => intervalRow(n, quick)),
  exploreRow(quick),
  traceRow(quick),
];

function show(measured: Measured): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...measured, node: process.version })}\n`);
    return;
  }
  const rate = Math.round(measured.perSecond).toLocaleString("en-US");
  const where = `seed ${measured.seed}  checksum ${measured.checksum}`;
  const spread = `+-${measured.rmePercent.toFixed(1)} %`;
  const name = measured.name.padEnd(36);
  process.stdout.write(`${name} ${rate.padStart(14)} ${measured.unit}/s ${spread}  ${where}\n`);
}

for (const row of rows) {
  if (only === undefined || row.name.includes(only)) show(await measure(row, quick));
}
