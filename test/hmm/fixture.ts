/** The fixtures of the kernel's hmm-tests: a process with one device, or with two. */
import { afterEach, expect } from "vitest";
import { HmmSpace, type Machine, type MachineOptions, TestHmm } from "../../src/index.js";
import type { TestHmmOptions } from "../../src/index.js";
import { APP, rig, WORKER } from "./rig.js";

export const [R, RW] = [1, 3];
export const SHARED = 8;
export const FILE = 16;
/** First page of the buffers, and how many they have. */
export const AT = 0x1000;
export const PAGES = 16;

/** A process, its mm as drivers see it, and a device. */
export interface Fixture {
  readonly machine: Machine;
  readonly mm: number;
  readonly space: HmmSpace;
  readonly device: TestHmm;
}

const used: Machine[] = [];

/** FIXTURE(hmm). */
export async function hmm(options: TestHmmOptions = {}, more: MachineOptions = {}) {
  const { machine, mm } = await rig(more);
  used.push(machine);
  const space = await HmmSpace.attach(machine, mm);
  const device = new TestHmm(space, WORKER, options);
  return { machine, mm, space, device } satisfies Fixture;
}

/** FIXTURE(hmm2): a second device. */
export async function hmm2(options: TestHmmOptions = {}) {
  const one = await hmm(options);
  return { ...one, other: new TestHmm(one.space, WORKER, options) };
}

/** Buffers as the tests fill them: page i has the word i + 1, or `add` more. */
export const words = (pages = PAGES, add = 1): number[] =>
  Array.from({ length: pages }, (_, i) => i + add);

/** The process maps a buffer, and fills it if there are words. */
export function map(
  { machine, mm, space }: Fixture,
  prot = RW,
  data: number[] = [],
  at = AT,
): void {
  machine.mapNow(mm, at, at + PAGES, prot);
  data.forEach((word, i) => {
    space.store(APP, at + i, word);
  });
}

/** What the process reads. */
export const loaded = ({ space }: Fixture, pages = PAGES, at = AT): number[] =>
  Array.from({ length: pages }, (_, i) => space.load(APP, at + i));

/** Runs an operation of the process to its end. */
export function run({ machine }: Fixture, name: string, args: Record<string, number> = {}): void {
  machine.submit(APP, name, args);
  machine.advance();
}

/** What the tests allow for: a hazard, or what was left undone, is noticed after each of them. */
afterEach(() => {
  for (const machine of used.splice(0)) {
    expect(machine.hazard).toBeNull();
    expect(machine.busyActors()).toEqual([]);
    machine.dispose();
  }
});
