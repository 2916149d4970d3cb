// What a run costs, added up by hand from the profile's prices; and flushes, interrupts and
// filtered targets, counted by a plain model that knows pages and nothing of the machine.

import { describe, expect, test } from "vitest";
import { Catalogue, generatorNamed, Random, runWorkload } from "shootdown";
import type { WorkloadCall, WorkloadParameters, WorkloadThread } from "shootdown";

const { prices } = Catalogue.standard.profile("haswell-2019");
const ns = (name: keyof typeof prices): number => prices[name]?.ns ?? 0;
const CEILING = 33;

/** One CPU's flush of `pages`: by page up to the ceiling, else whole. */
function flush(pages: number): number {
  return ns("flushFixed") + (pages > CEILING ? ns("flushFull") : pages * ns("flushPage"));
}

/** What the initiator spends on a request to `targets` other CPUs (shootdown.md 3.4). */
function latency(policy: "sync" | "concurrent", pages: number, targets: number): number {
  const send = targets * ns("csd") + ns("ipi");
  const remote = ns("deliver") + ns("csq.take") + flush(pages) + ns("csd.unlock") + ns("ack");
  // Sequential: own flush, send, remote. Concurrent: the own one hides behind the remote ones.
  return policy === "sync" ? flush(pages) + send + remote : send + Math.max(flush(pages), remote);
}

/** First store to a page: a miss, a fault that finds nothing, twice the page-table lock, a miss. */
const touch =
  2 * ns("walk") +
  ns("mmap.read.lock") +
  2 * ns("ptl.lock") +
  ns("frame.alloc") +
  ns("pte.set.vma");

/** madvise of `pages` populated pages, without its flush. */
const drop = (pages: number): number =>
  ns("mmap.read.lock") +
  ns("gather.begin") +
  ns("ptl.lock") +
  pages * (ns("pte.clear") + ns("freePage")) +
  ns("gather.end");

/** mprotect without its flush; with nothing populated it locks no page table. */
const protect = (populated: boolean): number =>
  ns("mmap.write.lock") + ns("gather.begin") + (populated ? ns("ptl.lock") : 0) + ns("gather.end");

/** Moving one page, without its flush. */
const move = ns("frame.alloc") + ns("ptl.lock") + ns("pte.clear") + ns("pte.set.vma");

interface Case {
  readonly workload: string;
  readonly pages: number;
  readonly cpus: number;
  /** ns of `rounds` rounds, if a flush of n pages takes `flushed(n)`. */
  readonly total: (rounds: number, flushed: (pages: number) => number) => number;
  /** Pages of one flush request. */
  readonly flushed: number;
  readonly opsPerRound: number;
}

const pingpong = (pages: number, cpus: number): Case => ({
  workload: "madvise-pingpong",
  pages,
  cpus,
  flushed: pages,
  opsPerRound: 1,
  total: (rounds, flushed) => rounds * (pages * touch + drop(pages) + flushed(pages)),
});

const CASES: readonly Case[] = [
  pingpong(1, 2),
  pingpong(1, 9),
  pingpong(33, 2),
  pingpong(34, 2),
  {
    workload: "mprotect-jit",
    pages: 4,
    cpus: 5,
    flushed: 4,
    opsPerRound: 2,
    // The first round finds nothing to protect, and its stores fault; later ones only miss.
    total: (rounds, flushed) =>
      protect(false) +
      4 * touch +
      protect(true) +
      flushed(4) +
      4 * ns("walk") +
      (rounds - 1) * (2 * (protect(true) + flushed(4)) + 8 * ns("walk")),
  },
  {
    workload: "numa-migration",
    pages: 3,
    cpus: 3,
    flushed: 1,
    opsPerRound: 1,
    total: (rounds, flushed) =>
      3 * touch +
      (rounds - 1) * 3 * ns("walk") +
      rounds * (ns("mmap.read.lock") + 3 * (move + flushed(1))),
  },
  {
    workload: "reclaim",
    pages: 8,
    cpus: 4,
    flushed: 1,
    opsPerRound: 8,
    // One lock, then page by page; freed in the end.
    total: (rounds, flushed) =>
      rounds * (ns("ptl.lock") + 8 * (touch + ns("pte.clear") + flushed(1) + ns("freePage"))),
  },
];

describe("one thread, the other CPUs in user mode", () => {
  for (const { workload, pages, cpus, total, flushed, opsPerRound } of CASES) {
    for (const policy of ["sync", "concurrent"] as const) {
      test(`${workload}, ${pages} page(s), ${cpus} CPUs, ${policy}: to the ns`, async () => {
        const rounds = 40;
        const parameters = { cpus, threads: 1, pages, rounds, locality: 1 };
        const run = await runWorkload({ workload, policy, parameters, seed: 7 });
        const request = (n: number): number => latency(policy, n, cpus - 1);
        expect(run.violations).toEqual([]);
        expect(run.latencies.map(([one]) => one)).toEqual([request(flushed)]);
        expect(run.ns).toBe(total(rounds, request));
        expect(run.ops).toBe(rounds * opsPerRound);
        // Every handler takes the same, and only handlers take anything.
        const requests = run.latencies[0][1];
        const handler = ns("csq.take") + flush(flushed) + ns("csd.unlock");
        expect(run.stolenNs).toEqual([0, ...Array<number>(cpus - 1).fill(requests * handler)]);
      });
    }
  }

  test("the published loop: 1436 ns sequential, 1225 ns concurrent, within 2 %", async () => {
    for (const [policy, published] of [
      ["sync", 1436],
      ["concurrent", 1225],
    ] as const) {
      const parameters = { cpus: 2, threads: 1, rounds: 100 };
      const run = await runWorkload({ workload: "madvise-pingpong", policy, parameters });
      expect(Math.abs(run.ns / 100 / published - 1)).toBeLessThan(0.02);
    }
  });
});

/** Flush requests that calls cause, counted with two maps: is a page there, and its protection. */
function countFlushes(calls: readonly WorkloadCall[]): number {
  const READ = 1;
  const WRITE = 2;
  const present = new Map<number, number>();
  const protection = new Map<number, number>();
  let flushes = 0;
  for (const { call, args } of calls) {
    const { start, end, prot } = args;
    const pages = [...present.keys()].filter((vpn) => vpn >= start && vpn < end);
    if (call === "write") present.set(args["vpn"], protection.get(args["vpn"]) ?? READ | WRITE);
    else if (call === "madvise") {
      if (pages.length > 0) flushes++;
      for (const vpn of pages) present.delete(vpn);
    } else if (call === "mprotect") {
      if (pages.some((vpn) => present.get(vpn) !== prot)) flushes++;
      for (let vpn = start; vpn < end; vpn++) protection.set(vpn, prot);
      for (const vpn of pages) present.set(vpn, prot);
    } else if (call === "migrate") flushes += pages.length;
    else expect(call).toBe("read");
  }
  return flushes;
}

/** The calls of a thread that works alone on its own region. */
function callsOf(workload: string, parameters: WorkloadParameters): WorkloadCall[] {
  const generator = generatorNamed(workload);
  const thread: WorkloadThread = {
    index: 0,
    parameters,
    random: new Random(1),
    own: 0x1000,
    ownOf: () => 0x1000,
    shared: () => 0x8000,
    childTask: 1,
    has: () => false,
  };
  const calls: WorkloadCall[] = [];
  for (let i = 0; i < parameters.rounds; i++) calls.push(...generator.round(thread, i));
  return calls;
}

describe("interrupts, counted without the machine", () => {
  const LOADS = [
    { workload: "madvise-pingpong", cpus: 6, threads: 1, lazy: 2 },
    { workload: "reclaim", cpus: 4, threads: 1, lazy: 3 },
    { workload: "mprotect-jit", cpus: 8, threads: 8, lazy: 0 },
    { workload: "mprotect-jit", cpus: 8, threads: 3, lazy: 4 },
    { workload: "numa-migration", cpus: 70, threads: 5, lazy: 33 },
  ];
  for (const { workload, cpus, threads, lazy } of LOADS) {
    test(`${workload}: ${threads} of ${cpus} CPUs, ${lazy} of them lazy`, async () => {
      const parameters = { cpus, threads, lazy, pages: 3, thinkNs: 0, rounds: 30, locality: 1 };
      const flushes = threads * countFlushes(callsOf(workload, parameters));
      expect(flushes).toBeGreaterThan(0);
      for (const policy of ["sync", "concurrent"]) {
        const { counters, latencies } = await runWorkload({ workload, policy, parameters });
        expect(counters.sends).toBe(flushes);
        expect(latencies.reduce((sum, [, count]) => sum + count, 0)).toBe(flushes);
        expect(counters.messages).toBe(flushes * (cpus - 1 - lazy));
        expect(counters.filtered).toBe(flushes * lazy);
        expect(counters.ipis + counters.coalesced).toBe(counters.messages);
        if (threads === 1) expect(counters.coalesced).toBe(0);
      }
    });
  }
});
