/** Set-up phases: everything that has been started goes on as far as it can. */
import * as abi from "./core/abi.js";
import type { Core } from "./core/core.js";
import type { Geometry } from "./core/geometry.js";

/** A machine, as far as this needs it. */
export interface Settled {
  readonly core: Core;
  readonly geometry: Geometry;
  step(actor: number, choice: number): number;
  busyActors(): number[];
}

/** Broadcast invalidations that somebody waits for arrive everywhere; false: there are none. */
function applyBroadcasts(machine: Settled): boolean {
  const { core, geometry } = machine;
  if ((core.header[abi.H_OPTIONS] & abi.OPT_BROADCAST) === 0) return false;
  let moved = false;
  for (let cpu = 0; cpu < geometry.cpus; cpu++) {
    while (machine.step(cpu, 2 + 2 * geometry.watch) === abi.ST_OK) moved = true;
  }
  return moved;
}

/** Steps all actors round robin until nobody can move. */
export function settleMachine(machine: Settled): void {
  const actors = machine.geometry.cpus + machine.geometry.devices;
  for (let moved = true; moved;) {
    moved = false;
    for (let actor = 0; actor < actors; actor++) {
      for (const choice of [1, 0]) {
        while (machine.step(actor, choice) === abi.ST_OK) moved = true;
      }
    }
    if (!moved && machine.busyActors().length > 0) moved = applyBroadcasts(machine);
  }
}
