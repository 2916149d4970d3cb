/** How random machines map and pin: arguments of the library's operations, and devices. */
import * as abi from "../../src/core/abi.js";
import { BASE } from "../../src/core/core.js";
import type { Consumer } from "../../src/kernel/consumer.js";
import { entryOf } from "../../src/kernel/image.js";
import { PIN_OPERATIONS } from "../../src/kernel/operations/pins.js";
import { UNMAP_DMA_OPERATIONS } from "../../src/kernel/operations/unmap-dma.js";
import type { Run } from "./generate.js";
import type { Random } from "./random.js";

const ALL = new Map(
  [...PIN_OPERATIONS, ...UNMAP_DMA_OPERATIONS].map((operation) => [operation.name, operation]),
);

export const PIN_NAMES: readonly string[] = [...ALL.keys()];

export const isPinOperation = (name: string): boolean => ALL.has(name);

/** In the order of the operation's parameters. */
export function argsOfPins(
  name: string,
  random: Random,
  device: number,
  [start, end]: readonly [number, number],
  vpn: number,
): number[] {
  const values: Readonly<Record<string, number>> = {
    start: random.chance(20) ? 0 : start,
    end: random.chance(4) ? start : end,
    device,
    vpn,
    target: random.below(4),
    budget: random.below(3),
  };
  return ALL.get(name)!.params.map((param) => values[param]);
}

/** A device that has no mm, in both machines. */
export function attachPinning(run: Run, device: number, mm: number, consumer: Consumer): void {
  const callback = run.image.entries.get(entryOf.hook(consumer.name, "dma-unmap")) ?? 0;
  run.core.x.machineSetDmaUnmap(BASE, device, callback);
  run.model.pins!.devices[device].callback = callback;
  run.model.devices[device].kind = abi.DEV_PINNING;
  run.log.push(`device ${device} of mm ${mm} is ${consumer.name}`);
}
