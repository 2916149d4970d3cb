/**
 * Random programs about subscriptions: threads that unmap, protect, reclaim and reap, drivers that
 * subscribe and go, devices that access. Drivers keep the rules (notifiers.md 1.6): what a device
 * has mapped stays subscribed to, and one device's intervals do not overlap.
 */
import type { Scenario, ScenarioActor } from "../../src/scenarios/scenario.js";
import type { ScriptStep } from "../../src/kernel/image.js";
import type { Faults } from "../../src/kernel/subscribers.js";
import { Random } from "../../src/seed.js";

/** Pages that devices access, and those that drivers subscribe to for a while. */
const ACCESSED = 2;
const PAGES = 4;
const RW = 3;

/** A program, and the era that it is run in. */
export interface Drawn {
  readonly scenario: Scenario;
  readonly era: string;
}

function kernelStep(random: Random): ScriptStep {
  const start = random.below(PAGES);
  const end = start + 1 + random.below(PAGES - start);
  const range = { start, end };
  const calls: ScriptStep[] = [
    { call: "madvise", args: range },
    { call: "oom.reap", args: range },
    { call: "oom.reap", args: range },
    { call: "munmap", args: range },
    { call: "mprotect", args: { ...range, prot: random.below(2) === 0 ? 1 : RW } },
    { call: "reclaim", args: range },
    { call: "write", args: { vpn: start } },
    { call: "read", args: { vpn: start } },
  ];
  return calls[random.below(calls.length)];
}

/** What the driver of device 0 does with pages that it has not mapped. */
function driverStep(random: Random): ScriptStep {
  const page = ACCESSED + random.below(PAGES - ACCESSED);
  const steps: ScriptStep[] = [
    { remove: 0, page },
    { removeDeferred: 0, page },
    { find: 0, page },
    { replace: 0, hole: [page, page + 1] },
    { insert: 0, pages: [page, page + 1] },
    { synchronize: "readers" },
  ];
  return steps[random.below(steps.length)];
}

function some<T>(count: number, draw: () => T): T[] {
  return Array.from({ length: count }, draw);
}

/** The same seed, the same program. */
export function drawn(seed: number, faults: Faults): Drawn {
  const random = new Random(seed);
  const one = (list: readonly string[]): string => list[random.below(list.length)];
  const consumers = [
    one(["interval", "interval-two-pass"]),
    one(["mirroring", "mirroring", "kvm", "sharing"]),
    ...(random.below(2) === 0 ? ["classic-refuses"] : []),
  ];
  // Deduplicated and double notifications are unsafe for those who share page tables, as such.
  const era = consumers.includes("sharing")
    ? "coupled"
    : one(["double", "deduplicated", "coupled"]);
  const accesses = (device: number): ScenarioActor => ({
    name: `D${device}`,
    device,
    steps: some(1 + random.below(2), () => ({
      device: random.below(2) === 0 ? ("read" as const) : ("write" as const),
      vpn: random.below(ACCESSED),
    })),
  });
  const thread = (cpu: number): ScenarioActor => ({
    name: `T${cpu}`,
    cpu,
    steps: some(1 + random.below(2), () =>
      cpu === 1 && random.below(2) === 0 ? driverStep(random) : kernelStep(random),
    ),
  });
  const subscribe: ScenarioActor = {
    name: "T0",
    cpu: 0,
    steps: [
      { call: "write", args: { vpn: 0 } },
      { call: "write", args: { vpn: 1 } },
      { insert: 0, pages: [0, ACCESSED] },
      { insert: 0, pages: [ACCESSED, ACCESSED + 1] },
    ],
  };
  return {
    era,
    scenario: {
      name: `random-${seed}`,
      title: "a random program about subscriptions",
      source: "notifiers.md 7.1",
      story: ["drawn from a seed"],
      geometry: { frames: 10, tables: 6, indexBits: 2, gatherPages: 2 },
      mms: [{ vmas: [{ start: 0, end: PAGES, prot: RW }] }],
      threads: [0, 0],
      devices: consumers.map(() => 0),
      consumers,
      unsubscribed: [0],
      faults,
      setup: [subscribe],
      actors: [thread(0), thread(1), accesses(0), accesses(1)],
      expect: { "*": { "*": "SAFE" } },
    },
  };
}
