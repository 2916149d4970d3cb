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

/** IPIs a page and interrupts a second of both kernels. */
export async function interrupts(machine, { hz = HZ, ...options } = {}) {
  const facts = factsOf(machine, options);
  const pages = machine.gib * PAGES_A_GIB * TURNS;
  const both = [];
  for (const [i, policy] of ["sync", "batched"].entries()) {
    const run = await mappedReaders(facts, policy);
    both.push({ ...run, perSecond: (run.aPage * pages) / machine.elapsed[i] + hz * facts.cpus });
  }
  const [before, after] = both;
  return {
    before,
    after,
    ratio: before.perSecond / after.perSecond,
    aPage: before.aPage / after.aPage,
    targets: after.messages / after.flushRequests,
    batch: after.unmapped / after.flushRequests,
  };
}

export async function reclaimRows() {
  const rows = [];
  for (const machine of MACHINES) {
    const { before, after, ratio } = await interrupts(machine);
    const row = { table: TABLE, kind: "prediction", bar: 0.25 };
    const [published, batched] = machine.interrupts;
    const thousands = { ...row, unit: "k interrupts/s" };
    rows.push(
      compared({
        ...thousands,
        id: `T4-${machine.id}-sync`,
        what: `${machine.what}: a flush for every page`,
        published: published / 1000,
        simulated: before.perSecond / 1000,
      }),
      compared({
        ...thousands,
        id: `T4-${machine.id}-batched`,
        what: `${machine.what}: in batches`,
        published: batched / 1000,
        simulated: after.perSecond / 1000,
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
  { what: "as above", options: {} },
  { what: "ticks of HZ 1000", options: { hz: 1000 } },
  { what: "no ticks", options: { hz: 0 } },
  { what: "flushed after each 32 scanned, as merged", options: { flushAt: undefined } },
  { what: "a quarter of system time reads, the rest reclaims", options: { readShare: 0.25 } },
  { what: "three quarters read", options: { readShare: 0.75 } },
  { what: "passes and watermarks twice as large", options: { scale: 2 } },
  { what: "half the CPUs", options: { share: 0.5 } },
  { what: "twice the CPUs", options: { share: 2 } },
];

/** What other assumptions would give, machine by machine. */
export async function reclaimVariants() {
  const list = [];
  for (const { what, options } of VARIANTS) {
    const { share = 1, ...rest } = options;
    const machines = [];
    for (const machine of MACHINES) {
      machines.push(await interrupts({ ...machine, cpus: machine.cpus * share }, rest));
    }
    list.push({ what, machines });
  }
  return list;
}
