// T2 and T3: random writes to a mapped file without a page cache, whose pages are cleaned every so
// often. Each cleaned page is one shootdown, to all other threads.

import { runWorkload } from "../../dist/index.js";
import { bounded, compared } from "./rows.mjs";

/** Defaults of sysbench: a write is 16 KiB, after a hundred of them everything is synchronised. */
const PAGES = 4;
const WRITES = 100;
/** sysbench's default; the message does not say. */
const SECONDS = 10;
const ROUNDS = 2 * WRITES;
/** What makes a write of one thread take as long as published: the only figure that is fitted. */
export const WRITE_NS = 3600;
/** A cleaned page is written back line by line, ns a line: assumed. */
export const LINE_NS = 10;
const LINES = 64;
const LOADS = 8;
/** PROT_READ, PROT_WRITE, shared, of a file. */
const FILE = 3 | 8 | 16;

/** Of shootdown.md T2, PTI on: threads, writes in ten seconds before and after. */
const PUBLISHED = [
  [1, 1267765, 1299253],
  [2, 1734644, 1799225],
  [4, 2821268, 2919132],
  [8, 4171652, 4376925],
  [16, 5590729, 5829866],
  [24, 6250212, 6522303],
  [32, 3994314, 4077543],
  [48, 4345177, 4417821],
];

const writer = {
  name: "papers.dax",
  title: "each thread writes blocks of a file of its own, and synchronises it every so often",
  standsFor: "sysbench fileio, rndwr, mmap, on DAX",
  source: "docs/papers.md T2",
  defaults: { pages: PAGES },
  scenarios: [],
  regionPages: () => WRITES * PAGES,
  opsPerRound: ({ threads }) => threads,
  maps: ({ own }) => [{ start: own, end: own + WRITES * PAGES, prot: FILE }],
  round: ({ own }, index) => {
    const start = own + (index % WRITES) * PAGES;
    const calls = Array.from({ length: PAGES }, (_, i) => ({
      call: "write",
      args: { vpn: start + i },
    }));
    if (index % WRITES !== WRITES - 1) return calls;
    for (let page = own; page < own + WRITES * PAGES; page++) {
      calls.push({ call: "writeback", args: { start: page, end: page + 1 }, ops: 1 });
      const args = { start: own, end: own + 1, loads: LOADS, gap: LINE_NS * (LINES / LOADS) };
      calls.push({ call: "compute", args });
    }
    return calls;
  },
};

/** Threads that fall into step gain by chance; many threads do not, and take long to simulate. */
const SEEDS = [1, 2, 3, 4];
const MANY = 8;

/** ns a write takes, on average over seeds. */
async function writeNs(policy, threads) {
  const seeds = threads > MANY ? SEEDS.slice(0, 1) : SEEDS;
  let sum = 0;
  for (const seed of seeds) {
    const { ns } = await runWorkload({
      workload: writer,
      policy,
      profile: "numa-2s",
      seed,
      parameters: { cpus: threads, rounds: ROUNDS, thinkNs: WRITE_NS },
    });
    sum += ns;
  }
  return sum / seeds.length / ROUNDS;
}
const THREADS = [1, 2, 4, 8, 24, 48];

let points;

/** Gain in throughput of concurrent over sync, published and simulated, over threads. */
export async function daxPoints() {
  if (points !== undefined) return points;
  points = [];
  for (const threads of THREADS) {
    const [, before, after] = PUBLISHED.find(([n]) => n === threads);
    const sync = await writeNs("sync", threads);
    const gain = sync / (await writeNs("concurrent", threads)) - 1;
    points.push({
      threads,
      publishedNs: (SECONDS * 1e9 * threads) / before,
      ns: sync,
      published: after / before - 1,
      gain,
    });
  }
  return points;
}

const peak = (list, key) => list.reduce((best, one) => (one[key] > best[key] ? one : best));

/** Trends, and the size of one of them. */
export async function daxRows() {
  const list = await daxPoints();
  const [most, last] = [peak(list, "gain"), list.at(-1)];
  const [published, lastPublished] = [peak(list, "published"), last.published];
  const row = { table: "T2", kind: "prediction" };
  const early = (await writeNs("concurrent", 4)) / (await writeNs("early-ack", 4)) - 1;
  return [
    bounded({
      ...row,
      id: "T2-peak",
      what: "sysbench on DAX: the gain of concurrent is largest at",
      unit: "threads",
      published: `${published.threads}, within one socket`,
      simulated: most.threads,
      least: 2,
      most: 24,
    }),
    bounded({
      ...row,
      id: "T2-across",
      what: "on two sockets, 48 threads, the gain is a part of that",
      unit: "ratio",
      published: (lastPublished / published.published).toFixed(2),
      simulated: last.gain / most.gain,
      least: 0,
      most: 0.5,
    }),
    compared({
      ...row,
      id: "T2-gain",
      what: "the largest gain",
      unit: "%",
      published: 100 * published.published,
      simulated: 100 * most.gain,
      bar: 0.25,
    }),
    bounded({
      ...row,
      table: "T3",
      id: "T3-early",
      what: "4 threads: early-ack after concurrent gains",
      unit: "%",
      published: "1.3, within one standard deviation",
      simulated: 100 * early,
      least: 0,
      most: 10,
    }),
  ];
}
