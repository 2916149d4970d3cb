// T4: interrupts of a linear mapped reader, when every unmapped page is flushed and in batches.

import { mappedReaders } from "./mapped-readers.mjs";
import { SWAP_CLUSTER_MAX } from "./page-lru.mjs";
import { compared } from "./rows.mjs";

const TABLE = "T4";
const PAGES_A_GIB = 2 ** 18;
/** All files together, in sizes of memory. */
const TURNS = 10;
/** The default of kernel/Kconfig.hz; the published figures count ticks too, and state no HZ. */
const HZ = 250;

/**
 * Of the message that has the figures first (2015-04-15, 4.0.0 and its first version, which flushes
 * at 32 unmappings), before and after: seconds of user and system time of the readers (kswapd is
 * nobody's child), seconds in total, and seconds until the last reader was done. The CPUs of the
 * single socket are not stated: 66 s of CPU time in 21.2 s say more than 3.
 */
export const MACHINES = [
  {
    id: "4node",
    what: "4 nodes, 48 CPUs",
    cpus: 48,
    nodes: 4,
    gib: 64,
    user: [571.38, 602.93],
    system: [5990.12, 4072.56],
    total: [162.39, 119.06],
    elapsed: [161.08, 117.73],
    interrupts: [900e3, 180e3],
  },
  {
    id: "1socket",
    what: "1 socket",
    cpus: 4,
    nodes: 1,
    gib: 8,
    user: [33.64, 32.72],
    system: [36.22, 33.22],
    total: [24.11, 21.21],
    elapsed: [22.5, 19.6],
    interrupts: [500e3, 45e3],
  },
];

/**
 * Of run `i`, in ns a page. Half of the readers' system time is taken to be reclaim; together with
 * what kswapd has, a CPU a node or what the readers leave, it looks at every page twice.
 */
export function factsOf(machine, i, { readShare = 0.5, ...rest }) {
  const { cpus, nodes, gib, user, system, total } = machine;
  const pages = gib * PAGES_A_GIB * TURNS;
  const ns = (seconds) => (seconds / pages) * 1e9;
  const kswapd = Math.min(nodes * total[1], cpus * total[1] - user[1] - system[1]);
  return {
    ...machine,
    flushAt: SWAP_CLUSTER_MAX,
    userNs: Math.round(ns(user[1])),
    readNs: Math.round(ns(system[1]) * readShare),
    scanNs: Math.round((ns(system[1]) * (1 - readShare) + ns(kswapd)) / 2),
    awake: (user[i] + system[i]) / (cpus * total[i]),
    ...rest,
  };
}

const POLICIES = ["sync", "batched"];

/** One run without batches, one with them. */
export async function runs(machine, options = {}) {
  const both = [];
  for (const [i, policy] of POLICIES.entries()) {
    both.push(await mappedReaders(factsOf(machine, i, options), policy));
  }
  return both;
}

let plain;

/** The same, of both machines as they were published. */
async function plainRuns() {
  plain ??= [await runs(MACHINES[0]), await runs(MACHINES[1])];
  return plain;
}

/**
 * Pages a second that give way in the steady state of run `i`. The first of the ten memories' worth
 * displaces nothing, and is read in as much less time as no reclaim is in it.
 */
function displaced({ gib, elapsed, user, system }, i) {
  const pages = gib * PAGES_A_GIB * TURNS;
  const fill = (user[1] + system[1] / 2) / (user[i] + system[i]);
  return (pages * (TURNS - 1 + fill)) / TURNS / elapsed[i];
}

/** Interrupts a second of both, and how many times fewer the second are. */
export function rates(machine, both, hz = HZ) {
  const rate = ({ aPage }, i) => aPage * displaced(machine, i) + hz * machine.cpus;
  const [before, after] = both.map(rate);
  return { before, after, ratio: before / after, aPage: both.map((run) => run.aPage) };
}

export async function reclaimRows() {
  const rows = [];
  for (const [i, both] of (await plainRuns()).entries()) {
    const machine = MACHINES[i];
    const { before, after, ratio } = rates(machine, both);
    const row = { table: TABLE, kind: "prediction", bar: 0.25 };
    const [published, batched] = machine.interrupts;
    const thousands = { ...row, unit: "k interrupts/s" };
    rows.push(
      compared({
        ...thousands,
        id: `T4-${machine.id}-sync`,
        what: `${machine.what}: a flush for every page`,
        published: published / 1000,
        simulated: before / 1000,
      }),
      compared({
        ...thousands,
        id: `T4-${machine.id}-batched`,
        what: `${machine.what}: in batches`,
        published: batched / 1000,
        simulated: after / 1000,
      }),
      compared({
        ...row,
        id: `T4-${machine.id}`,
        what: `${machine.what}: fewer interrupts in batches`,
        unit: "times",
        published: Math.round(published / batched),
        simulated: ratio,
      }),
    );
  }
  return rows;
}

/** Of less time than the rows above. */
const VARIANT_NS = 30e6;
const VARIANTS = [
  { what: "readers never sleep", options: { awake: 1 } },
  { what: "flushed after each 32 scanned, as merged", options: { flushAt: undefined } },
  { what: "passes, watermarks, slices and sleeps twice as large", options: { scale: 2 } },
];

/** What other assumptions would give, machine by machine. */
export async function reclaimVariants() {
  const both = await plainRuns();
  const withTicks = (what, hz) => ({
    what,
    machines: MACHINES.map((machine, i) => rates(machine, both[i], hz)),
  });
  const list = [
    withTicks("as above", HZ),
    withTicks("ticks of HZ 1000", 1000),
    withTicks("no ticks", 0),
  ];
  for (const { what, options } of VARIANTS) {
    const machines = [];
    for (const machine of MACHINES) {
      machines.push(rates(machine, await runs(machine, { ...options, runNs: VARIANT_NS })));
    }
    list.push({ what, machines });
  }
  return list;
}
