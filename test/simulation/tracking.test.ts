// Access tracking (abis) on pages that only one CPU uses: what it saves, and when it cannot. A
// madvise that finds another gather open flushes everything everywhere (I12), whoever accessed it:
// the other thread may have cleared entries that this one has found empty.

import { describe, expect, test } from "vitest";
import { Machine, runWorkload } from "../../src/index.js";

const PAGE = 0x1000;

/** Shootdowns of two CPUs that drop a page of their own each, the second `apart` ns later. */
async function shootdowns(policy: string, apart: number): Promise<number> {
  const geometry = { cpus: 4, tasks: 4, mms: 1, devices: 0 };
  using machine = await Machine.create({ policy, geometry, consumers: [] });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 16, 3);
  for (let cpu = 0; cpu < 4; cpu++) machine.place(cpu, machine.newTask(mm));
  for (const cpu of [0, 1]) machine.submit(cpu, "write", { vpn: PAGE + cpu });
  machine.advance();
  const at = Math.max(machine.now(0), machine.now(1));
  const before = machine.counters().sends;
  for (const cpu of [0, 1]) {
    const args = { start: PAGE + cpu, end: PAGE + cpu + 1 };
    machine.submit(cpu, "madvise", args, { at: at + cpu * apart });
  }
  machine.advance();
  expect(machine.hazard).toBeNull();
  return machine.counters().sends - before;
}

test("two calls that overlap flush for everybody, two that do not flush at home", async () => {
  expect(await shootdowns("concurrent", 50_000)).toBe(2);
  expect(await shootdowns("abis", 50_000)).toBe(0);
  expect(await shootdowns("concurrent", 0)).toBe(2);
  expect(await shootdowns("abis", 0)).toBeGreaterThan(0);
});

/** Part of the shootdowns that tracking saves; every thread waits so long between its calls. */
async function saved(workload: string, cpus: number, thinkNs: number): Promise<number> {
  const parameters = { cpus, thinkNs, rounds: 100 };
  const of = async (policy: string): Promise<number> =>
    (await runWorkload({ workload, policy, parameters })).counters.sends;
  return 1 - (await of("abis")) / (await of("concurrent"));
}

describe.each([4, 8])("%i threads that drop pages of their own", (cpus) => {
  test("save nearly everything when their calls seldom meet", async () => {
    expect(await saved("madvise-pingpong", cpus, 50_000)).toBeGreaterThan(0.9);
  });

  test("save nothing when they do nothing else", async () => {
    expect(await saved("madvise-pingpong", cpus, 0)).toBeLessThan(0.05);
  });

  test("save everything with munmap, which is alone under its lock", async () => {
    expect(await saved("mapped-io", cpus, 0)).toBe(1);
  });
});
