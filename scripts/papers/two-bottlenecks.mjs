// T6: will-it-scale tlb_flush2_threads on 36 cores as two bottlenecks in series, a lock and the
// shootdown. Each CPU works, holds one lock for a while, touches a page of its own and drops it.

import { Catalogue, Machine, op, operation, times } from "../../dist/index.js";
import { BASE } from "../../dist/core/core.js";
import { repriced } from "./measure.mjs";
import { compared } from "./rows.mjs";

const CPUS = 36;
const LOCK_PAGE = 0x100000;
const STRIDE = 512;
/** Interrupts are taken between slices of work. */
const SLICE_NS = 200;
const WARM_UP_NS = 3_000_000;
const RUN_NS = 12_000_000;

/** Fitted, one cell each: slices of work to "both", the lock to "INVLPGB", a csd to "lock fixed". */
export const FITTED = { slices: 150, lockNs: 1875, csdNs: 496 };
/** One INVLPGB and its TLBSYNC: assumed, no figure is published. */
export const BROADCAST_NS = 500;

// Time passes in micro-ops that change nothing here and that others wait behind: their prices are
// the slice of work and the time under the lock.
const work = operation(
  "papers.work",
  ["slices"],
  { summary: "user mode", source: "docs/papers.md T6", settles: "none" },
  (_kit, { slices }) => [times(slices, [op("irq.on")])],
);

function critical(name, irqsOffFirst) {
  return operation(
    name,
    ["vpn"],
    { summary: "holds a page-table lock", source: "docs/papers.md T6", settles: "none" },
    (_kit, { vpn }) => {
      const enter = [op("ptl.lock", { a: vpn }), op("irq.off")];
      if (irqsOffFirst) enter.reverse();
      return [enter, op("await"), op("ptl.unlock"), op("irq.on")];
    },
  );
}

const catalogue = Catalogue.standard.with({
  operations: [work, critical("papers.lock", false), critical("papers.lock-irqsave", true)],
});

function profileOf(broadcast, lockNs, csdNs) {
  const prices = { "irq.on": SLICE_NS, await: lockNs, csd: csdNs };
  if (!broadcast) return repriced("haswell-2019", prices);
  // Nobody is interrupted: queueing, sending, handling and flushing elsewhere cost nothing.
  return repriced("haswell-2019", {
    ...prices,
    ipi: 0,
    csd: 0,
    deliver: 0,
    ack: 0,
    "csq.take": 0,
    "csd.unlock": 0,
    flushFixed: 0,
    flushPage: 0,
    flushFull: 0,
    "flush.prep": BROADCAST_NS,
  });
}

/** k loops a second, all CPUs together. */
export async function throughput({ lock, broadcast, ...fit }) {
  const { slices, lockNs, csdNs } = { ...FITTED, ...fit };
  const scripts = Array.from({ length: CPUS }, (_, cpu) => {
    const start = (cpu + 1) * STRIDE;
    const steps = [
      { call: "papers.work", args: { slices } },
      ...(lock === null ? [] : [{ call: lock, args: { vpn: LOCK_PAGE } }]),
      { call: "write", args: { vpn: start } },
      { call: "madvise", args: { start, end: start + 1 } },
    ];
    return { name: `cpu${cpu}`, steps: [{ repeat: 2 ** 32 - 1, steps }] };
  });
  const machine = await Machine.create({
    era: "coupled",
    policy: "concurrent",
    profile: profileOf(broadcast, lockNs, csdNs),
    catalogue,
    consumers: [],
    scripts,
    geometry: { cpus: CPUS, tasks: CPUS, mms: 1, devices: 0 },
  });
  const mm = machine.newMm();
  machine.mapNow(mm, LOCK_PAGE, LOCK_PAGE + 1, 3);
  for (let cpu = 0; cpu < CPUS; cpu++) {
    machine.mapNow(mm, (cpu + 1) * STRIDE, (cpu + 1) * STRIDE + 1, 3);
    machine.place(cpu, machine.newTask(mm));
  }
  machine.submit(0, "write", { vpn: LOCK_PAGE });
  machine.advance();
  for (const [cpu, { name }] of scripts.entries()) machine.startScript(cpu, name);
  machine.core.x.timedRearm(BASE);
  machine.advance(WARM_UP_NS);
  const before = machine.counters().flushRequests;
  machine.advance(WARM_UP_NS + RUN_NS);
  return ((machine.counters().flushRequests - before) / RUN_NS) * 1e6;
}

const CELLS = [
  { id: "vanilla", what: "vanilla", lock: "papers.lock", broadcast: false, published: 527 },
  { id: "lock-fix", what: "lock fixed", lock: null, broadcast: false, published: 731 },
  { id: "invlpgb", what: "INVLPGB", lock: "papers.lock", broadcast: true, published: 527 },
  { id: "both", what: "both", lock: null, broadcast: true, published: 1157 },
];
const PREDICTED = "vanilla";

export async function bottleneckRows() {
  const rows = [];
  for (const { id, what, published, ...parts } of CELLS) {
    const kind = id === PREDICTED ? "prediction" : "fit";
    const simulated = await throughput(parts);
    rows.push(
      compared({
        id: `T6-${id}`,
        table: "T6",
        what,
        unit: "k loops/s",
        published,
        simulated,
        bar: kind === "fit" ? 0.02 : 0.1,
        kind,
        ...(id === PREDICTED ? { note: "if CPUs that wait for the lock take interrupts" } : {}),
      }),
    );
  }
  return rows;
}

/** What two other assumptions would give. */
export async function bottleneckVariants() {
  return {
    /** Vanilla, if CPUs that wait for the lock had interrupts off. */
    irqsave: await throughput({ lock: "papers.lock-irqsave", broadcast: false }),
    /** Lock fixed, at haswell-2019's own price of a csd. */
    unfitted: await throughput({
      lock: null,
      broadcast: false,
      csdNs: Catalogue.standard.profile("haswell-2019").prices.csd.ns,
    }),
  };
}
