// Scripts that repeat their steps inside the machine.

import { expect, test } from "vitest";
import { BASE } from "../../src/core/core.js";
import type { Script } from "../../src/kernel/image.js";
import { Machine } from "../../src/machine.js";

async function runScript(steps: Script["steps"]): Promise<Machine> {
  const machine = await Machine.create({
    geometry: { cpus: 1, tasks: 1, frames: 64, tables: 64, mms: 1, devices: 0 },
    scripts: [{ name: "script", steps }],
    scriptsOnly: true,
    consumers: [],
  });
  machine.place(0, machine.newTask(machine.newMm()));
  machine.startScript(0, "script");
  machine.core.x.timedRearm(BASE);
  expect(machine.advance()).toBe("idle");
  return machine;
}

const mmap = { call: "mmap", args: { start: 8, end: 9, prot: 3 } } as const;

test("steps are repeated, nested repeats multiply", async () => {
  const machine = await runScript([
    { repeat: 3, steps: [mmap, { repeat: 5, steps: [mmap, mmap] }] },
    mmap,
  ]);
  expect(machine.counters().operations).toBe(3 * (1 + 5 * 2) + 1);
});

test.each([0, -1, 1.5, 2 ** 32])("repeat %d is refused", async (repeat) => {
  await expect(runScript([{ repeat, steps: [mmap] }])).rejects.toMatchObject({
    code: "E_LIMIT",
    details: { argument: "repeat" },
  });
});

test("repeats so deep that no register is left are refused", async () => {
  let steps: Script["steps"] = [mmap];
  for (let depth = 0; depth < 10; depth++) steps = [{ repeat: 1, steps }];
  await expect(runScript(steps)).rejects.toMatchObject({ code: "E_PROGRAM" });
});
