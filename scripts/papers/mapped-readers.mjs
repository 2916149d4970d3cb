// The streams of page-lru.mjs on the simulated machine: what they cost, and how many interrupts.

import {
  Catalogue,
  Machine,
  op,
  operation,
  Random,
  times,
  when,
  whilst,
} from "../../dist/index.js";
import { Feeder } from "../../dist/simulation/feeder.js";
import { Memory } from "./page-lru.mjs";

const SEED = 1;
/** Pages on the LRU list of each node. */
const LISTED = 1 << 15;
/** Times the whole of the lists is read before anything is counted. */
const WARM_UP_TURNS = 3;
const SETTLE_NS = 2e6;
const RUN_NS = 40e6;
/** Room for what is read while the machine runs. */
const FRESH_PAGES = 1 << 18;
/** Calls a CPU is given ahead of time. */
const JOBS = 16;
/** Interrupts are taken between slices of work. */
const SLICE_NS = 500;
const FILE_PAGES = 2 ** 24;
const PROT = 1;
const SOURCE = "docs/papers.md T4";
const what = (summary, settles = "none") => ({ summary, source: SOURCE, settles });

function forEachPage(start, end, body) {
  return whilst(op("cmp.lt", { a: start, b: end }), [
    body,
    op("addi", { a: start, b: start, imm: 1 }),
  ]);
}

const work = operation("papers.slices", ["slices", "ns"], what("so many slices"), (_kit, regs) => [
  times(regs.slices, [op("delay", { a: regs.ns }), op("nop")]),
]);

// The page cache keeps its own reference of every page, so frames are never used again: nothing
// that is counted here depends on where a page lies.
const map = operation(
  "papers.map",
  ["start", "end"],
  what("page-cache pages appear, read-only"),
  (_kit, { start, end }) => [
    op("mmap.read.lock"),
    forEachPage(start, end, [
      op("table.alloc", { a: start }),
      op("frame.alloc"),
      op("frame.get"),
      when(op("ptl.lock", { a: start }), [op("pte.set", { a: start }), op("ptl.unlock")]),
    ]),
    op("mmap.read.unlock"),
  ],
);

const unmap = operation(
  "papers.unmap",
  ["owner", "start", "end"],
  what("try_to_unmap_one of pages of the process whose mm + 1 is `owner`"),
  (kit, { owner, start, end }) =>
    kit.regs.scope(["own", "next"], (own, next) => {
      const flush = kit.flush(start, next);
      const defer = [when(op("batch.should"), [op("batch.add")], flush)];
      return [
        op("mm.current", { a: own }),
        op("ctx.mm", { a: owner }),
        forEachPage(start, end, [
          when(op("ptl.lock", { a: start }), [
            when(op("pte.get", { a: start }), [
              op("pte.clear", { a: start }),
              op("addi", { a: next, b: start, imm: 1 }),
              kit.policy.batching === undefined ? flush : defer,
              op("frame.put"),
              op("nop"),
            ]),
            op("ptl.unlock"),
          ]),
        ]),
        op("ctx.mm", { a: own }),
      ];
    }),
);

const flushBatch = operation(
  "papers.flush",
  ["owner"],
  what("try_to_unmap_flush; `owner`: mm + 1 of any in the batch, as kswapd has none of its own"),
  (kit, { owner }) =>
    kit.regs.scope(["own"], (own) => [
      op("mm.current", { a: own }),
      op("ctx.mm", { a: owner }),
      kit.policy.batching === undefined ? [] : kit.flushBatch(),
      op("ctx.mm", { a: own }),
    ]),
);

const catalogue = Catalogue.standard.with({ operations: [work, map, unmap, flushBatch] });

const slices = (ns) => ({
  call: "papers.slices",
  args: { slices: Math.max(1, Math.round(ns / SLICE_NS)), ns: SLICE_NS },
});

/** A step of page-lru.mjs as calls of the machine, and about how long it takes, ns. */
function callsOf(step, { userNs, readNs, scanNs }) {
  const { kind, pages } = step;
  const first = (reader) => (reader + 1) * FILE_PAGES;
  if (kind === "nap") return { ns: step.ns, calls: [slices(step.ns)] };
  if (kind === "read") return { ns: pages * readNs, calls: [slices(pages * readNs)] };
  if (kind === "scan") return { ns: pages * scanNs, calls: [slices(pages * scanNs)] };
  const { reader } = step;
  if (kind === "flush") {
    return { ns: 1000, calls: [{ call: "papers.flush", args: { owner: reader + 1 } }] };
  }
  const start = first(reader) + step.start;
  const end = first(reader) + step.end;
  const length = end - start;
  if (kind === "map") return { ns: 200, calls: [{ call: "papers.map", args: { start, end } }] };
  if (kind === "unmap") {
    const args = { owner: reader + 1, start, end };
    return { ns: 200, calls: [{ call: "papers.unmap", args, ops: length }] };
  }
  const loads = Math.round((length * userNs) / SLICE_NS);
  const args = { start, end, loads, gap: SLICE_NS };
  return { ns: length * userNs, calls: [{ call: "compute", args }] };
}

/** Runs the streams by their own clocks, without a machine, until so many pages were read. */
function warmUp(memory, streams, costs, pages) {
  const clocks = new Float64Array(streams.length);
  while (memory.pages < pages) {
    let at = 0;
    for (let i = 1; i < clocks.length; i++) if (clocks[i] < clocks[at]) at = i;
    clocks[at] += callsOf(streams[at].next().value, costs).ns;
  }
}

function* calls(stream, costs) {
  for (const step of stream) yield* callsOf(step, costs).calls;
}

/** Everything that is mapped after the warm-up, a run of pages at a time. */
function mapAll(machine, memory, cpuOf) {
  const last = new Map();
  const submit = (reader, args) => {
    const cpu = cpuOf(reader);
    if (!machine.hasRoom(cpu)) machine.advance();
    machine.submit(cpu, "papers.map", args);
  };
  for (let id = 0; id < memory.pages; id++) {
    if (memory.isMapped[id] === 0) continue;
    const reader = memory.owner[id];
    const at = (reader + 1) * FILE_PAGES + memory.index[id];
    const run = last.get(reader);
    if (run?.end === at) run.end++;
    else {
      if (run !== undefined) submit(reader, run);
      last.set(reader, { start: at, end: at + 1 });
    }
  }
  for (const [reader, run] of last) submit(reader, run);
  machine.advance();
}

/** CPUs node by node: its readers, then its kswapd, which has a CPU of its own here. */
function cpusOf({ cpus, nodes }) {
  const each = cpus / nodes;
  return {
    perNode: each + 1,
    reader: (reader) => reader + Math.floor(reader / each),
    kswapd: (node) => node * (each + 1) + each,
  };
}

async function machineOf(facts, policy, where) {
  const count = facts.cpus + facts.nodes;
  const machine = await Machine.create({
    policy,
    profile: { ...Catalogue.standard.profile("numa-2s"), cpusPerSocket: where.perNode },
    catalogue,
    consumers: [],
    geometry: {
      cpus: count,
      tasks: count,
      mms: facts.cpus,
      devices: 0,
      frames: LISTED * facts.nodes * 2 + FRESH_PAGES,
      tables: 1 << 14,
      jobs: JOBS,
    },
  });
  const tasks = new Array(count).fill(null);
  for (let reader = 0; reader < facts.cpus; reader++) {
    const mm = machine.newMm();
    machine.mapNow(mm, (reader + 1) * FILE_PAGES, (reader + 2) * FILE_PAGES, PROT);
    tasks[where.reader(reader)] = mm;
  }
  for (const [cpu, mm] of tasks.entries()) machine.place(cpu, machine.newTask(mm));
  return machine;
}

function counted(machine, feeder) {
  const { ipis, messages, flushRequests, framesAllocated: read, hazards } = machine.counters();
  if (hazards > 0) throw new Error(`papers: hazard ${machine.hazard?.code} in a mapped reader`);
  return { ipis, messages, flushRequests, read, unmapped: feeder.completed() };
}

/**
 * Interrupts sent, flushes asked for, pages read and unmapped in `ns` of the steady state.
 * @param facts - cpus, nodes, gib; userNs, readNs, scanNs a page; flushAt: unmappings after which a
 *   batch is flushed, otherwise at the end of each 32 pages; scale: of watermarks and passes
 */
export async function mappedReaders(facts, policy, ns = RUN_NS) {
  const random = new Random(SEED);
  const turn = LISTED * facts.nodes;
  const memory = new Memory(facts, LISTED, turn * (WARM_UP_TURNS + 1) + FRESH_PAGES);
  const where = cpusOf(facts);
  const streams = [];
  for (let r = 0; r < facts.cpus; r++) streams[where.reader(r)] = memory.reader(r, random);
  for (let n = 0; n < facts.nodes; n++) streams[where.kswapd(n)] = memory.kswapd(n);
  warmUp(memory, streams, facts, turn * WARM_UP_TURNS);
  const machine = await machineOf(facts, policy, where);
  mapAll(machine, memory, where.reader);
  let start = 0;
  for (let cpu = 0; cpu < streams.length; cpu++) start = Math.max(start, machine.now(cpu));
  const feeder = new Feeder(
    machine,
    streams.map((stream, index) => ({
      thread: { index },
      startNs: start,
      calls: calls(stream, facts),
    })),
  );
  const runUntil = (until) => {
    while (machine.advance(until, undefined, feeder.fill()) !== "time");
  };
  runUntil(start + SETTLE_NS);
  const before = counted(machine, feeder);
  runUntil(start + SETTLE_NS + ns);
  const after = counted(machine, feeder);
  const during = Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - before[name]]),
  );
  return { ...during, aPage: during.ipis / during.unmapped };
}
