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

/** Both fitted, each to one cell: slices of work an iteration to "both", the lock to "INVLPGB". */
export const WORK_SLICES = 139;
export const LOCK_NS = 1875;
/** One INVLPGB and its TLBSYNC: assumed, no figure is published. */
const BROADCAST_NS = 500;

const work = operation(
  "papers.work",
  ["slices", "ns"],
  { summary: "user mode for slices x ns", source: "docs/papers.md T6", settles: "none" },
  (_kit, { slices, ns }) => [times(slices, [op("delay", { a: ns }), op("irq.on")])],
);

function critical(name, before) {
  return operation(
    name,
    ["vpn", "ns"],
    { summary: "holds a page-table lock for ns", source: "docs/papers.md T6", settles: "none" },
    (_kit, { vpn, ns }) => [
      before ? op("irq.off") : [],
      op("ptl.lock", { a: vpn }),
      before ? [] : op("irq.off"),
      op("delay", { a: ns }),
      op("ptl.unlock"),
      op("irq.on"),
    ],
  );
}

const catalogue = Catalogue.standard.with({
  operations: [work, critical("papers.lock", false), critical("papers.lock-irqsave", true)],
});

/** Nobody is interrupted: queueing, sending, handling and flushing elsewhere cost nothing. */
const BROADCAST = repriced("haswell-2019", {
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

/** k loops a second, all CPUs together. */
export async function throughput({ lock, broadcast, slices = WORK_SLICES, lockNs = LOCK_NS }) {
  const scripts = Array.from({ length: CPUS }, (_, cpu) => {
    const start = (cpu + 1) * STRIDE;
    const held = { call: lock, args: { vpn: LOCK_PAGE, ns: lockNs } };
    const steps = [
      { call: "papers.work", args: { slices, ns: SLICE_NS } },
      ...(lock === null ? [] : [held]),
      { call: "write", args: { vpn: start } },
      { call: "madvise", args: { start, end: start + 1 } },
    ];
    return { name: `cpu${cpu}`, steps: [{ repeat: 2 ** 32 - 1, steps }] };
  });
  using machine = await Machine.create({
    era: "coupled",
    policy: "concurrent",
    profile: broadcast ? BROADCAST : "haswell-2019",
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
const FITTED = new Set(["invlpgb", "both"]);

export async function bottleneckRows() {
  const rows = [];
  for (const { id, what, published, ...parts } of CELLS) {
    const kind = FITTED.has(id) ? "fit" : "prediction";
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
      }),
    );
  }
  return rows;
}

/** Vanilla, if CPUs that wait for the lock had interrupts off: the published cell rules it out. */
export async function irqsaveThroughput() {
  return throughput({ lock: "papers.lock-irqsave", broadcast: false });
}
