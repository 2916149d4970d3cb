/** A virtual CPU that leaves its guest to send an interrupt takes what was posted by then first. */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { type CostProfile, Machine } from "../../src/index.js";
import { Catalogue } from "../../src/kernel/catalogue.js";

const { prices, ...rest } = Catalogue.standard.profile("guest-kvm");
const { post: _post, ...bare } = prices;
const WITHOUT: CostProfile = { ...rest, name: "no-exits", prices: bare };

/** Flushes in order, of two CPUs that copy a shared page each; the second `ns` after the first. */
async function flushes(profile: string | CostProfile, ns: number): Promise<string[]> {
  using machine = await Machine.create({
    profile,
    geometry: { cpus: 2 },
    consumers: [],
    record: [abi.EV_FLUSH_LOCAL, abi.EV_FLUSH_REMOTE],
  });
  const mm = machine.newMm();
  machine.mapNow(mm, 0, 1024, 3);
  for (let cpu = 0; cpu < 2; cpu++) {
    machine.place(cpu, machine.newTask(mm));
    // Under different leaf tables: their locks are not shared.
    machine.submit(cpu, "fault.write", { vpn: cpu * 512 });
  }
  const child = machine.newTask(null);
  machine.advance();
  machine.submit(0, "fork.needed", { childTask: child + 1 });
  machine.advance();
  for (let cpu = 0; cpu < 2; cpu++) {
    machine.submit(cpu, "fault.write", { vpn: cpu * 512 }, { at: 1_000_000 + cpu * ns });
  }
  const seen: string[] = [];
  machine.advance(Infinity, ({ kind, actor, a }) => {
    const pages = a === Infinity ? "all" : String(a);
    seen.push(`${actor} ${kind === abi.EV_FLUSH_LOCAL ? "local" : "remote"} ${pages}`);
  });
  return seen;
}

const APART = ["0 local 1", "1 remote 1", "1 local 1", "0 remote 1"];

test.each([
  ["far apart, each CPU flushes one page twice", 100_000, APART, APART],
  [
    "the second sends while the first is out of its guest: it takes the first one's interrupt",
    5_000,
    ["0 local all", "1 remote all"],
    ["0 local all", "1 local all"],
  ],
  [
    "both send at once: both take the other's interrupt, and have nothing left to do",
    500,
    ["0 remote all", "1 remote all"],
    ["0 local all", "1 local all"],
  ],
])("%s", async (_title, ns, withExits, without) => {
  expect((await flushes("guest-kvm", ns)).sort()).toEqual([...withExits].sort());
  expect((await flushes(WITHOUT, ns)).sort()).toEqual([...without].sort());
});

test("an interrupt is posted before the write that sends it is over", async () => {
  const profile = { ...WITHOUT, prices: { ...bare, post: { ns: 12_001, source: "none" } } };
  await expect(Machine.create({ profile, geometry: { cpus: 2 } })).rejects.toMatchObject({
    code: "E_LIMIT",
    details: { argument: "post", most: 12_000 },
  });
});

test("a job is over when finish() returns, and others come no further than that", async () => {
  using machine = await Machine.create({ profile: "guest-kvm", geometry: { cpus: 2 } });
  const mm = machine.newMm();
  machine.mapNow(mm, 0, 1024, 3);
  for (let cpu = 0; cpu < 2; cpu++) machine.place(cpu, machine.newTask(mm));
  machine.submit(0, "fault.write", { vpn: 1 });
  machine.submit(1, "fault.write", { vpn: 600 }, { at: 1_000_000 });
  expect(machine.isBusy(0)).toBe(true);
  expect(machine.finish(0)).toBe("time");
  expect([machine.isBusy(0), machine.isBusy(1)]).toEqual([false, true]);
  expect(machine.entryFlags(mm, 600)).toBe(0);
  // Nothing to do is over at once.
  expect(machine.finish(0)).toBe("time");
  expect(machine.finish(1)).toBe("time");
  expect(machine.entryFlags(mm, 600)).not.toBe(0);
  expect(() => machine.finish(99)).toThrow(expect.objectContaining({ code: "E_LIMIT" }));
});
