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
 * at 32 unmappings): seconds of user and system time of the patched kernel, and seconds elapsed
 * before and after. The CPUs of the single socket are not stated: 66 s of CPU time in 21.2 s say at
 * least 3.1.
 */
export const MACHINES = [
  {
    id: "4node",
    what: "4 nodes, 48 CPUs",
    cpus: 48,
    nodes: 4,
    gib: 64,
    user: 602.93,
    system: 4072.56,
    elapsed: [161.08, 117.73],
    interrupts: [900e3, 180e3],
  },
  {
    id: "1socket",
    what: "1 socket",
    cpus: 4,
    nodes: 1,
    gib: 8,
    user: 32.72,
    system: 33.22,
    elapsed: [22.5, 19.6],
    interrupts: [500e3, 45e3],
  },
];

/** ns a page. Half of the system time is taken to be reclaim, which looks at a page twice. */
function factsOf(machine, { readShare = 0.5, ...rest }) {
  const pages = machine.gib * PAGES_A_GIB * TURNS;
  const systemNs = (machine.system / pages) * 1e9;
  return {
    ...machine,
    flushAt: SWAP_CLUSTER_MAX,
    userNs: Math.round((machine.user / pages) * 1e9),
    readNs: Math.round(systemNs * readShare),
    scanNs: Math.round((systemNs * (1 - readShare)) / 2),
    ...rest,
  };
}

/** One run without batches, one with them. */
async function runs(machine, options = {}) {
  const facts = factsOf(machine, options);
  return [await mappedReaders(facts, "sync"), await mappedReaders(facts, "batched")];
}

let plain;

/** The same, of both machines as they were published. */
async function plainRuns() {
  plain ??= [await runs(MACHINES[0]), await runs(MACHINES[1])];
  return plain;
}

/** Interrupts a second of both, and how many times fewer the second are. */
function rates({ gib, cpus, elapsed }, both, hz = HZ) {
  const pages = gib * PAGES_A_GIB * TURNS;
  const [before, after] = both.map((run, i) => (run.aPage * pages) / elapsed[i] + hz * cpus);
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

const VARIANTS = [
  { what: "flushed after each 32 scanned, as merged", options: { flushAt: undefined } },
  { what: "a quarter of system time reads, the rest reclaims", options: { readShare: 0.25 } },
  { what: "three quarters read", options: { readShare: 0.75 } },
  { what: "passes and watermarks twice as large", options: { scale: 2 } },
  { what: "twice the CPUs on the socket", options: { more: 2 } },
];

/** What other assumptions would give, machine by machine; null where one does not apply. */
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
    const { more = 1, ...rest } = options;
    const machines = [];
    for (const machine of MACHINES) {
      const other = { ...machine, cpus: machine.cpus * more };
      const applies = more === 1 || machine.nodes === 1;
      machines.push(applies ? rates(other, await runs(other, rest)) : null);
    }
    list.push({ what, machines });
  }
  return list;
}
