/**
 * The timed driver runs the usual interrupt, and the loop that queues requests, without decoding
 * them. Nobody may be able to tell: same state, clocks and counters at every moment somebody looks,
 * and the same events in the same order, as when every instruction is decoded.
 */
import { describe, expect, it } from "vitest";
import { Catalogue, type FlushPolicy, Machine, type MachineEvent, transport } from "shootdown";
import * as abi from "../../src/core/abi.js";

interface Load {
  readonly cpus: number;
  readonly policy: string | FlushPolicy;
  /** CPUs that shoot. */
  readonly initiators: number;
  /** ns between the starts of two CPUs' jobs: 0 lets all of them collide. */
  readonly apart: number;
  /** CPU 0 is called by the others, too. */
  readonly calls?: boolean;
}

const PAGE = 0x1000;
const CALLS = {
  name: "calls",
  steps: [{ repeat: 5, steps: [{ interrupt: 0, access: "read", vpn: PAGE } as const] }],
};

/** The standard handler with a payload that it must not look for in the initiator's row. */
const inline = transport(
  {
    name: "inline",
    title: "as concurrent, with a copy of the request",
    source: "for this test",
    mutant: false,
    completes: { data: "G3", tables: "G4" },
  },
  { ack: "flush", local: "after", payload: "inline" },
);
const EVERY_KIND = Array.from({ length: 32 }, (_, kind) => kind);

async function machineFor(load: Load, shortcuts: number | null, record: number[]) {
  const { cpus, policy, apart } = load;
  const machine = await Machine.create({
    policy,
    geometry: { cpus, tasks: cpus, mms: 1, devices: 0, frames: 4096, tables: 64, vmas: 64 },
    scripts: load.calls === true ? [CALLS] : [],
    record,
  });
  if (shortcuts !== null) machine.core.header[abi.H_SHORTCUTS] = shortcuts;
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 512, 3);
  for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, machine.newTask(mm));
  if (load.calls === true) {
    for (let cpu = 1; cpu < cpus; cpu++) machine.startScript(cpu, CALLS.name);
    machine.core.x.timedRearm(machine.core.header.byteOffset);
  }
  for (let round = 0; round < 6; round++) {
    for (let cpu = 0; cpu < load.initiators; cpu++) {
      const at = round * 3000 + cpu * apart;
      const vpn = PAGE + ((cpu * 7 + round) % 40);
      machine.submit(cpu, "write", { vpn }, { at });
      machine.submit(cpu, "madvise", { start: vpn, end: vpn + 1 + (round % 3) }, { at });
    }
  }
  return machine;
}

/** What can be seen of a machine between two calls. */
function look(machine: Machine, cpus: number) {
  return {
    clocks: Array.from({ length: cpus }, (_, cpu) => machine.now(cpu)),
    counters: machine.counters(),
    hash: machine.stateHash(),
  };
}

/** Looks after every `slice` ns, or after every `budget` steps. */
async function watch(load: Load, shortcuts: number | null, slice: number, budget: number) {
  const machine = await machineFor(load, shortcuts, []);
  const seen = [];
  for (let until = slice; ; until += slice) {
    const why = machine.advance(slice === Infinity ? Infinity : until, undefined, budget);
    seen.push({ why, ...look(machine, load.cpus) });
    if (why === "idle") return seen;
    expect(["time", "budget"]).toContain(why);
    expect(seen.length).toBeLessThan(20_000);
  }
}

async function recorded(load: Load, shortcuts: number | null) {
  const machine = await machineFor(load, shortcuts, EVERY_KIND);
  const events: MachineEvent[] = [];
  expect(machine.advance(Infinity, (event) => events.push({ ...event }))).toBe("idle");
  return { events, ...look(machine, load.cpus) };
}

describe("what is executed without decoding it", () => {
  for (const policy of ["sync", "concurrent", "early-ack", inline]) {
    for (const [cpus, initiators] of [
      [2, 1],
      [2, 2],
      [3, 3],
      [8, 1],
      [8, 8],
      [33, 2],
      [33, 33],
    ] as const) {
      // Only these two have the handler that is not decoded.
      const hasDrain = policy === "sync" || policy === "concurrent";
      if (!hasDrain && cpus > 8) continue;
      for (const apart of hasDrain ? [0, 37, 400] : [37]) {
        const load = { cpus, policy, initiators, apart };
        const name = typeof policy === "string" ? policy : policy.name;
        const title = `${name}, ${initiators} of ${cpus} CPUs shoot, ${apart} ns apart`;
        it(`cannot be told from decoded programs: ${title}`, async () => {
          const end = await recorded(load, null);
          expect(end.events.length).toBeGreaterThan(cpus);
          expect(await recorded(load, 0)).toEqual(end);
          const { clocks, counters, hash } = end;
          const [whole] = await watch(load, null, Infinity, Infinity);
          expect(whole).toEqual({ why: "idle", clocks, counters, hash });
          for (const [slice, budget] of [
            [97, Infinity],
            [Infinity, 7],
          ] as const) {
            const seen = await watch(load, null, slice, budget);
            expect(seen.length).toBeGreaterThan(3);
            expect(await watch(load, 0, slice, budget)).toEqual(seen);
          }
        });
      }
    }
  }

  it("cannot be told either while CPUs call each other", async () => {
    for (const policy of ["concurrent", "early-ack"]) {
      const load = { cpus: 4, policy, initiators: 4, apart: 37, calls: true };
      const end = await recorded(load, null);
      expect(await recorded(load, 0)).toEqual(end);
      const seen = await watch(load, null, 97, Infinity);
      expect(await watch(load, 0, 97, Infinity)).toEqual(seen);
    }
  });

  it("is not the handler of a policy that copies requests or acknowledges them early", async () => {
    const shortcutsOf = async (policy: string | FlushPolicy) =>
      (await Machine.create({ policy })).core.header[abi.H_SHORTCUTS];
    for (const policy of ["sync", "concurrent"]) {
      const all = abi.SHORT_SEND | abi.SHORT_DRAIN | abi.SHORT_FLUSH;
      expect(await shortcutsOf(policy)).toBe(all);
    }
    for (const { name } of Catalogue.standard.parts.policies.filter(({ name }) =>
      /early|entry/.test(name),
    )) {
      expect(await shortcutsOf(name)).toBe(abi.SHORT_SEND);
    }
    expect(await shortcutsOf(inline)).toBe(abi.SHORT_SEND);
  });

  it("is what the benchmark measures: a wrong guess about the handler shows", async () => {
    // ack-first unlocks before it flushes; executed as the standard handler it costs the same, but
    // its acks, and so its initiator, are later.
    const load = { cpus: 8, policy: "ack-first", initiators: 1, apart: 0 };
    const decoded = await watch(load, abi.SHORT_SEND, Infinity, Infinity);
    const mistaken = await watch(load, abi.SHORT_SEND | abi.SHORT_DRAIN, Infinity, Infinity);
    const recognised = await watch(load, null, Infinity, Infinity);
    expect(recognised).toEqual(decoded);
    expect(mistaken).not.toEqual(decoded);
  });
});
