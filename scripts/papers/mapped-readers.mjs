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
import * as abi from "../../dist/core/abi.js";
import { CpuShares } from "./cpu-shares.mjs";
import { Memory, SCALE } from "./page-lru.mjs";

const SEED = 1;
/** Pages on the LRU list of each node. */
const LISTED = 1 << 16;
/** Counting begins when everything on the lists was looked at once, and so much of it is left. */
const SEEN_ALL = 0.97;
const SEEN_LEFT = 0.85;
const SETTLE_NS = 10e6;
const RUN_NS = 100e6;
/** Room for what is read while the machine runs. */
const FRESH_PAGES = 1 << 18;
/** Calls a CPU is given ahead of time. */
const JOBS = 8;
/** Interrupts are taken between slices of work. */
const SLICE_NS = 1000;
/** A context switch, ns. */
const SWITCH_NS = 1000;
/** How long a reader sleeps: a tick of HZ 250. */
const SLEEP_NS = 4e6;
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
  ["owner", "start", "end"],
  what("page-cache pages appear, read-only, in mm + 1 `owner`"),
  (_kit, { owner, start, end }) => [
    op("ctx.mm", { a: owner }),
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

// A request for an mm that this CPU does not run any more, carried out here alone, takes the CPU
// out of that mm's cpumask. Linux 4.0 did so as it switched; the machine does as later kernels do.
const leave = operation(
  "papers.leave",
  ["owner", "start", "end"],
  what("this CPU leaves the cpumask of mm + 1 `owner`, as switch_mm did"),
  (_kit, { owner, start, end }) => [
    op("ctx.mm", { a: owner }),
    op("flush.prep", { a: start, b: end }),
    op("flush.local"),
    op("flush.done"),
  ],
);

/** Lazy CPUs were told: by a plain flush once, because that makes them drop the mm. */
const told = ({ options = 0, ...policy }) => ({
  ...policy,
  name: `papers.${policy.name}`,
  options: options | abi.OPT_TELL_LAZY,
});
const policies = ["sync", "batched"].map((name) => told(Catalogue.standard.policy(name)));
const operations = [work, map, unmap, flushBatch, leave];
const catalogue = Catalogue.standard.with({ operations, policies });

const slices = (ns) => ({
  call: "papers.slices",
  args: { slices: Math.max(1, Math.round(ns / SLICE_NS)), ns: SLICE_NS },
});

const first = (reader) => (reader + 1) * FILE_PAGES;

/** A step of page-lru.mjs as calls of the machine, and about how long it takes, ns. */
function callsOf(step, { userNs, readNs, scanNs }) {
  const { kind, pages } = step;
  if (kind === "lazy") return { ns: 0, calls: [{ call: "idle", args: {} }] };
  if (kind === "switch") {
    const { from, to } = step;
    const use = { call: "use.mm", args: { mm: to + 1 } };
    if (from === null) return { ns: SWITCH_NS, calls: [use] };
    const args = { owner: from + 1, start: first(from), end: first(from) + 1 };
    return { ns: SWITCH_NS, calls: [use, { call: "papers.leave", args }] };
  }
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
  if (kind === "map")
    return { ns: 200, calls: [{ call: "papers.map", args: { owner: reader + 1, start, end } }] };
  if (kind === "unmap") {
    const args = { owner: reader + 1, start, end };
    return { ns: 200, calls: [{ call: "papers.unmap", args, ops: length }] };
  }
  const loads = Math.round((length * userNs) / SLICE_NS);
  const args = { start, end, loads, gap: SLICE_NS };
  return { ns: length * userNs, calls: [{ call: "compute", args }] };
}

/** Runs the streams by their own clocks, without a machine, until pages are looked at again. */
function warmUp(memory, streams, clocks, costs) {
  for (let wasSeen = false; !wasSeen || !memory.isPartly(SEEN_LEFT);) {
    wasSeen ||= memory.isPartly(SEEN_ALL, true);
    let at = 0;
    for (let i = 1; i < clocks.length; i++) if (clocks[i] < clocks[at]) at = i;
    clocks[at] += callsOf(streams[at].next().value, costs).ns;
  }
}

/** What a CPU begins with, and then its stream. */
function* calls(stream, { mm, isLazy }, costs, pass) {
  if (mm !== null) yield { call: "use.mm", args: { mm: mm + 1 } };
  if (isLazy) yield { call: "idle", args: {} };
  for (;;) {
    const { calls: list, ns } = callsOf(stream.next().value, costs);
    pass(ns);
    yield* list;
  }
}

/** Everything that is mapped after the warm-up, a run of pages at a time. */
function mapAll(machine, memory) {
  const last = new Map();
  const submit = (reader, args) => {
    if (!machine.hasRoom(reader)) machine.advance();
    machine.submit(reader, "papers.map", { owner: reader + 1, ...args });
  };
  for (let id = 0; id < memory.pages; id++) {
    if (memory.isMapped[id] === 0) continue;
    const reader = memory.owner[id];
    const at = first(reader) + memory.index[id];
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

/** Tasks of the machine are its CPUs' own: which mm a CPU runs is in the streams. */
async function machineOf(facts, policy) {
  const machine = await Machine.create({
    policy: `papers.${policy}`,
    profile: {
      ...Catalogue.standard.profile("numa-2s"),
      cpusPerSocket: facts.cpus / facts.nodes,
    },
    catalogue,
    consumers: [],
    geometry: {
      cpus: facts.cpus,
      tasks: facts.cpus,
      mms: facts.cpus,
      devices: 0,
      frames: LISTED * facts.nodes * 2 + FRESH_PAGES,
      tables: 1 << 14,
      jobs: JOBS,
    },
  });
  for (let reader = 0; reader < facts.cpus; reader++) {
    machine.mapNow(machine.newMm(), first(reader), first(reader + 1), PROT);
    machine.place(reader, machine.newTask(null));
  }
  return machine;
}

function counted(machine, feeder) {
  const { ipis, framesAllocated: read, hazards } = machine.counters();
  if (hazards > 0) throw new Error(`papers: hazard ${machine.hazard?.code} in a mapped reader`);
  return { ipis, read, unmapped: feeder.completed() };
}

/**
 * Interrupts sent, pages read and unmapped in the steady state.
 * @param facts - cpus, nodes, gib; userNs, readNs, scanNs a page; awake: part of its time in which
 *   a reader runs, at most; flushAt: unmappings after which a batch is flushed, otherwise at the
 *   end of each 32 pages; scale: by which watermarks, passes, time slices and sleeps are smaller
 */
export async function mappedReaders(facts, policy) {
  const random = new Random(SEED);
  const turn = LISTED * facts.nodes;
  const memory = new Memory(facts, LISTED, turn * 3 + FRESH_PAGES);
  const clocks = new Float64Array(facts.cpus);
  let machine = null;
  let start = 0;
  const now = (cpu) => Math.max(clocks[cpu], machine === null ? 0 : machine.now(cpu) - start);
  const { awake = 1, scale = SCALE, sleepNs = SLEEP_NS } = facts;
  const cost = (step) => callsOf(step, facts).ns;
  const share = { awake, sleepNs: sleepNs / scale, scale, cost };
  const shares = new CpuShares(memory, share, random, now);
  const streams = Array.from({ length: facts.cpus }, (_, cpu) => shares.cpu(cpu));
  warmUp(memory, streams, clocks, facts);
  const made = await machineOf(facts, policy);
  mapAll(made, memory);
  // The machine's time goes on where the warm-up's has ended.
  const ended = Math.max(...clocks);
  for (let cpu = 0; cpu < facts.cpus; cpu++) start = Math.max(start, made.now(cpu) - ended);
  start = Math.ceil(start);
  machine = made;
  const feeder = new Feeder(
    machine,
    streams.map((stream, index) => ({
      thread: { index },
      startNs: start + Math.ceil(clocks[index]),
      calls: calls(stream, shares.loaded[index], facts, (took) => {
        clocks[index] = now(index) + took;
      }),
    })),
  );
  // A call takes more steps than one, and the others take as many meanwhile: no CPU runs dry.
  const runUntil = (until) => {
    while (machine.advance(until, undefined, feeder.fill() * facts.cpus) !== "time");
  };
  const settled = start + ended + SETTLE_NS;
  runUntil(settled);
  const before = counted(machine, feeder);
  runUntil(settled + (facts.runNs ?? RUN_NS));
  const after = counted(machine, feeder);
  const during = Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - before[name]]),
  );
  return { ...during, aPage: during.ipis / during.unmapped };
}
