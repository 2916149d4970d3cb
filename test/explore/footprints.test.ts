/**
 * Footprints: what the tracked core says that a step read and wrote, against what the bytes say.
 * Random schedules of random scenarios under random policies; at every step
 *   - nothing changes that is not said to be written;
 *   - words that are neither read nor written may hold anything: the step does the same.
 * That is black-box: it knows nothing of how accesses are heard.
 */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { BASE } from "../../src/core/core.js";
import { CPU, CTX, SYS } from "../../src/core/layout.js";
import { loadTracked } from "../../src/core/loader.js";
import {
  exploredMachine,
  geometryOf,
  scenarioRows,
  stateBytesOf,
  tableSizes,
} from "../../src/drivers/explored-machine.js";
import { reductionBytes } from "../../src/drivers/reduced.js";
import { Catalogue, listScenarios, type Scenario } from "../../src/index.js";
import type { Machine } from "../../src/machine.js";
import { shippedScenarios } from "../../src/scenario-files/index.js";

const SEED = Number(process.env["SHOOTDOWN_SEED"] ?? 1);
const WALKS = Number(process.env["SHOOTDOWN_ROUNDS"] ?? 150);
const STEPS = 160;
const { policies } = Catalogue.standard.parts;

function random(seed: number): (n: number) => number {
  let state = BigInt(seed) * 2n + 1n;
  return (n) => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    return Number(state >> 33n) % n;
  };
}

interface Heard {
  readonly machine: Machine;
  readonly r: number;
  readonly choices: number;
}

async function heardMachine(scenario: Scenario, policy: string): Promise<Heard> {
  const geometry = geometryOf(scenario);
  const parts = { era: "coupled", policy, consumer: "sharing" };
  const rows = scenarioRows(scenario, parts, Catalogue.standard);
  const bytes = stateBytesOf(geometry, rows);
  const room = tableSizes(bytes, 16, false).bytes + reductionBytes(bytes, geometry);
  const machine = await exploredMachine(
    scenario,
    parts,
    Catalogue.standard,
    room,
    await loadTracked(),
  );
  const r = machine.core.end + 1024;
  const choices = 4 + 2 * geometry.watch;
  const used = machine.core.x.reduceInit(r, BASE, choices);
  expect(used).toBeLessThan(reductionBytes(machine.core.stateBytes, geometry));
  return { machine, r, choices };
}

/** Cells that a map holds, those of the state only. */
function cellsIn({ machine: { core }, r }: Heard, writes: boolean): Set<number> {
  const at = core.x.reduceMap(r, writes ? 1 : 0) >>> 2;
  const cells = new Set<number>();
  for (let cell = 0; cell < core.stateBytes / 4; cell++) {
    if ((core.u32[at + (cell >> 5)] >>> (cell & 31)) & 1) cells.add(cell);
  }
  return cells;
}

const wordsOf = (state: Uint8Array): Uint32Array => new Uint32Array(state.slice().buffer);

/** The context that a step runs: for a program step the current one, for an interrupt the CPU's. */
function ownContext({ core, geometry }: Machine, actor: number, choice: number): number | null {
  if (choice > 1) return null;
  if (actor >= geometry.cpus) return geometry.tasks + actor;
  const own = geometry.tasks + actor;
  if (choice === 1 || core.read(CTX, core.ctx(own), "running") !== 0) return own;
  const task = core.read(CPU, core.cpu(actor), "task");
  return task === 0 ? own : task - 1;
}

/** Cells whose footprint follows rules of its own: see assembly/reduce/footprint.ts. */
function exempt({ core }: Machine, own: number | null): Set<number> {
  const cell = (address: number): number => (address - core.at(abi.H_STATE_START)) >> 2;
  const cells = new Set<number>();
  const { hazard, hazardPfn, hazardVpn } = SYS.fields;
  for (const { offset, size } of [hazard, hazardPfn, hazardVpn]) {
    for (let i = 0; i < size; i += 4) cells.add(cell(core.sys + offset + i));
  }
  const contexts = core.header[abi.H_CONTEXTS];
  for (let i = 0; i < contexts; i++) {
    const first = cell(core.ctx(i));
    // pc, op, flag, running, sp, irqOff: who may take a step at all is decided by some of them.
    const most = i === own ? CTX.size / 4 : 2;
    for (let k = 0; k < most; k++) cells.add(first + k);
  }
  // VMAs live in trees; their rows are written when a state is saved.
  const vmas = cell(core.at(abi.H_OFF_VMA));
  const batch = cell(core.at(abi.H_OFF_BATCH));
  for (let k = vmas; k < batch; k++) cells.add(k);
  for (let mm = 0; mm < core.header[abi.H_MMS]; mm++) cells.add(cell(core.mm(mm) + 24));
  // Whether a CPU takes a step at all.
  const gates = ["ipiPending", "online", "task"] as const;
  for (let cpu = 0; cpu < core.header[abi.H_CPUS]; cpu++) {
    for (const gate of gates) cells.add(cell(core.cpu(cpu) + CPU.fields[gate].offset));
  }
  const after = cell(core.at(abi.H_OFF_VCPU));
  if ((core.header[abi.H_OPTIONS] & abi.OPT_PREEMPT) !== 0) {
    for (let k = 0; k < core.header[abi.H_CPUS]; k++) cells.add(after + k);
  }
  const polls = cell(core.at(abi.H_OFF_POLL));
  if ((core.header[abi.H_OPTIONS] & abi.OPT_POLL) !== 0) {
    for (let k = 0; k < core.header[abi.H_CPUS]; k++) cells.add(polls + k);
  }
  return cells;
}

interface Tally {
  steps: number;
  changed: number;
  ops: Set<number>;
  /** Words that were read, changed, and how often that made a difference. */
  readTried: number;
  readMattered: number;
}

/** One walk. */
async function walk(seed: number, tally: Tally, scenarios = listScenarios()): Promise<void> {
  const pick = random(seed);
  for (let k = 0; k < 8; k++) pick(2);
  const scenario = scenarios[pick(scenarios.length)];
  const policy = policies[pick(policies.length)].name;
  const heard = await heardMachine(scenario, policy);
  const { machine, r, choices } = heard;
  const { core } = machine;
  const actors = core.header[abi.H_ACTORS];
  const what = `${scenario.name} ${policy}, SHOOTDOWN_SEED=${seed} SHOOTDOWN_ROUNDS=1`;
  for (let n = 0; n < STEPS; n++) {
    const actor = pick(actors);
    const choice = Math.max(0, pick(2 * choices) - choices);
    const own = ownContext(machine, actor, choice);
    const before = core.saveState();
    const op =
      own === null ? -1 : core.u8[core.at(abi.H_OFF_CODE) + core.u16[core.ctx(own) >> 1] * 8];
    const got = core.x.reduceStep(r, BASE, actor, choice);
    const reads = cellsIn(heard, false);
    const writes = cellsIn(heard, true);
    const after = core.saveState();
    const [was, is] = [wordsOf(before), wordsOf(after)];
    const skip = exempt(machine, own);
    const stray = is.findIndex((word, i) => word !== was[i] && !writes.has(i) && !skip.has(i));
    expect(stray, `${what}: step ${n}, cell ${stray} changed, op ${op}`).toBe(-1);
    if (got !== abi.ST_OK) {
      core.restoreState(before);
      if (got < 0) break;
      continue;
    }
    tally.steps++;
    tally.ops.add(op);
    tally.changed += is.reduce((sum, word, i) => sum + (word === was[i] ? 0 : 1), 0);
    // The same step, with anything in the words that it has nothing to do with.
    const other = was.slice();
    for (let i = 0; i < other.length; i++) {
      if (!reads.has(i) && !writes.has(i) && !skip.has(i)) other[i] = pick(2 ** 30);
    }
    core.restoreState(new Uint8Array(other.buffer));
    expect(core.x.reduceStep(r, BASE, actor, choice), `${what}: step ${n}, op ${op}`).toBe(got);
    const then = wordsOf(core.saveState());
    const differs = then.findIndex((word, i) => {
      return word !== (is[i] !== was[i] || writes.has(i) || skip.has(i) ? is[i] : other[i]);
    });
    expect(differs, `${what}: step ${n}, cell ${differs} differs, op ${op}`).toBe(-1);
    // And a word that it did read, to see that this would be noticed.
    const read = [...reads].filter((cell) => !skip.has(cell) && !writes.has(cell));
    if (n % 8 === 0 && read.length > 0 && scenario.devices.length === 0) {
      const one = was.slice();
      one[read[pick(read.length)]] ^= 1;
      core.restoreState(new Uint8Array(one.buffer));
      tally.readTried++;
      let noticed = true;
      try {
        noticed = core.x.reduceStep(r, BASE, actor, choice) !== got;
        const now = wordsOf(core.saveState());
        noticed ||= now.some((word, i) => writes.has(i) && word !== is[i]);
      } catch {
        // A trap is a difference, too.
      }
      if (noticed) tally.readMattered++;
    }
    core.restoreState(after);
    if (core.read(SYS, core.sys, "hazard") !== 0) break;
  }
  machine.dispose();
}

describe("footprints of steps", () => {
  test("are what steps read and write", async () => {
    const tally = { steps: 0, changed: 0, ops: new Set<number>(), readTried: 0, readMattered: 0 };
    for (let i = 0; i < WALKS; i++) await walk(SEED + i, tally);
    expect(tally.changed).toBeGreaterThan(tally.steps);
    if (WALKS < 100) return;
    expect(tally.steps).toBeGreaterThan(3_000);
    expect(tally.ops.size).toBeGreaterThan(60);
    // Without this, a map of all words would pass.
    expect(tally.readMattered).toBeGreaterThan(tally.readTried / 50);
  }, 240_000);

  test("are what steps on pinned pages read and write", async () => {
    const pins = (await shippedScenarios()).filter(({ name }) => name.startsWith("pin-"));
    const tally = { steps: 0, changed: 0, ops: new Set<number>(), readTried: 0, readMattered: 0 };
    for (let i = 0; i < WALKS; i++) await walk(SEED + i, tally, pins);
    if (WALKS < 100) return;
    const isPin = (op: number) => op >= abi.OP_PINS_FIRST && op <= abi.OP_PINS_LAST;
    expect([...tally.ops].filter(isPin).length).toBeGreaterThan(15);
  }, 240_000);
});
