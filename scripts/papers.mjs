// Regenerates docs/papers.md and its charts from the simulated machine.
//   npm run papers              build, then write them
//   npm run papers -- --json    print the rows, write nothing
//   npm run papers -- --out D   write them below D instead of docs; with --json, print the rows too

import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: { json: { type: "boolean" }, out: { type: "string" } },
});

const build = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
  stdio: ["ignore", "ignore", "inherit"],
});
if (build.status !== 0) process.exit(build.status ?? 1);

const { barChart, deliveryChart, localFlushChart } = await import("./papers/charts.mjs");
const { daxPoints, daxRows, LINE_NS, WRITE_NS } = await import("./papers/dax.mjs");
const { deferralRows, savedInStep } = await import("./papers/deferral.mjs");
const { guestRows } = await import("./papers/guest.mjs");
const { flushRows, localFlushes } = await import("./papers/local-flush.mjs");
const { latrRows } = await import("./papers/latr.mjs");
const { notModelledRows } = await import("./papers/not-modelled.mjs");
const { overFlushRows } = await import("./papers/over-flush.mjs");
const { page } = await import("./papers/page.mjs");
const { MACHINES, reclaimRows, reclaimVariants } = await import("./papers/reclaim.mjs");
const { CPUS_A_SOCKET, sharerFactors, sharerRows } = await import("./papers/sharers.mjs");
const { deliverySweep, loopRows, sweepRows } = await import("./papers/shootdown-loop.mjs");
const { trackingRows, trackingVariants } = await import("./papers/tracking.mjs");
const { BROADCAST_NS, bottleneckRows, bottleneckVariants, FITTED } =
  await import("./papers/two-bottlenecks.mjs");

const sweep = await deliverySweep();
const flushes = await localFlushes();
const loops = await loopRows();
const bottlenecks = await bottleneckRows();
const factors = await sharerFactors();
const rows = [
  ...loops,
  ...sweepRows(sweep),
  ...flushRows(flushes),
  ...(await reclaimRows()),
  ...bottlenecks,
  ...(await guestRows()),
  ...(await latrRows()),
  ...(await overFlushRows()),
  ...(await daxRows()),
  ...(await deferralRows()),
  ...(await trackingRows()),
  ...sharerRows(factors),
  ...notModelledRows(),
];

if (values.json) {
  console.log(JSON.stringify({ rows, sweep }, null, 2));
}
if (!values.json || values.out !== undefined) {
  const out = values.out ?? join(root, "docs");
  const variants = await bottleneckVariants();
  const reclaim = { machines: MACHINES, variants: await reclaimVariants() };
  const charts = join(out, "charts");
  mkdirSync(charts, { recursive: true });
  const write = (path, text) => {
    writeFileSync(path, text);
    if (!values.json) console.log(`papers: ${path}`);
  };
  const inNs = loops.filter(({ unit, simulated }) => unit.startsWith("ns") && simulated !== null);
  write(
    join(charts, "papers-t1.svg"),
    await barChart("T1: the madvise loop", "haswell-2019, 1 page", "ns an iteration", inNs),
  );
  write(join(charts, "papers-delivery.svg"), await deliveryChart(sweep));
  write(join(charts, "papers-local-flush.svg"), await localFlushChart(flushes));
  write(
    join(charts, "papers-t6.svg"),
    await barChart("T6: two bottlenecks in series", "36 CPUs", "k loops a second", bottlenecks),
  );
  const t6 = { variants, fitted: FITTED, broadcastNs: BROADCAST_NS };
  const dax = { points: await daxPoints(), writeNs: WRITE_NS, lineNs: LINE_NS };
  const tracking = await trackingVariants();
  const sharers = { factors, cpusASocket: CPUS_A_SOCKET };
  const lists = { dax, tracking, sharers, inStep: await savedInStep() };
  const text = page({ rows, sweep, flushes, reclaim, ...lists, ...t6 });
  write(join(out, "papers.md"), text);
}
