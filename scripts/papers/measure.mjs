// What the published experiments measured, done on the simulated machine.

import { Catalogue, Machine } from "../../dist/index.js";
import * as abi from "../../dist/core/abi.js";

export const PAGE = 0x1000;

/** The same prices but for some. `source` is where the changed ones come from. */
export function repriced(name, changes, source = "docs/papers.md") {
  const profile = Catalogue.standard.profile(name);
  const prices = Object.entries(changes).map(([price, ns]) => [price, { ns, source }]);
  return { ...profile, prices: { ...profile.prices, ...Object.fromEntries(prices) } };
}

/** Is there a policy of that name? */
export function hasPolicy(name) {
  return Catalogue.standard.parts.policies.some((policy) => policy.name === name);
}

/** A machine with one process of `threads` threads, one a CPU, and 512 pages mapped at PAGE. */
export async function machineWith(options, threads) {
  const machine = await Machine.create({
    era: "coupled",
    consumers: [],
    ...options,
    geometry: { cpus: threads, tasks: threads, mms: 1, devices: 0, ...options.geometry },
  });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 512, 3);
  for (let cpu = 0; cpu < threads; cpu++) machine.place(cpu, machine.newTask(mm));
  return machine;
}

/** ns an iteration of madvise(MADV_DONTNEED) + touch of one page; the other threads only run. */
export async function madviseLoop({ policy, threads, profile, iterations = 200 }) {
  const machine = await machineWith({ policy, profile }, threads);
  machine.submit(0, "write", { vpn: PAGE });
  machine.advance();
  const before = machine.now(0);
  for (let i = 0; i < iterations; i++) {
    machine.submit(0, "madvise", { start: PAGE, end: PAGE + 1 });
    machine.submit(0, "write", { vpn: PAGE });
    machine.advance();
  }
  const { messages, flushLocal } = machine.counters();
  if (messages !== iterations * (threads - 1) || flushLocal !== iterations) {
    throw new Error(`papers: ${policy}, ${threads} threads: not a shootdown an iteration`);
  }
  return (machine.now(0) - before) / iterations;
}

/** ns of the flush of `pages` pages that one CPU drops by `call`, with no other CPU around. */
export async function localFlushNs({ profile, pages, call = "madvise", ceiling = 4096 }) {
  const machine = await machineWith(
    { profile, record: [abi.EV_FLUSH_DONE], geometry: { ceiling, jobs: 1024 } },
    1,
  );
  for (let i = 0; i < pages; i++) machine.submit(0, "write", { vpn: PAGE + i });
  machine.submit(0, call, { start: PAGE, end: PAGE + pages });
  const flushes = [];
  machine.advance(Infinity, (event) => flushes.push(event.a));
  if (flushes.length !== 1) throw new Error(`papers: ${flushes.length} flushes, not one`);
  return flushes[0];
}

/** ns of one system call on pages [0, pages) of a process with `threads` threads. */
export async function callNs({ profile, policy, threads, call, pages, args = {} }) {
  const machine = await machineWith({ profile, policy, record: [abi.EV_OP_END] }, threads);
  for (let i = 0; i < pages; i++) machine.submit(0, "write", { vpn: PAGE + i });
  machine.advance();
  const ends = [];
  machine.submit(0, call, { start: PAGE, end: PAGE + pages, ...args });
  machine.advance(Infinity, (event) => ends.push(event.a));
  if (ends.length !== 1) throw new Error(`papers: ${ends.length} calls, not one`);
  return ends[0];
}

/** Least squares: y = intercept + slope x. */
export function leastSquares(points) {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  let xy = 0;
  let xx = 0;
  for (const [x, y] of points) {
    xy += (x - meanX) * (y - meanY);
    xx += (x - meanX) ** 2;
  }
  const slope = xy / xx;
  return { intercept: meanY - slope * meanX, slope };
}
