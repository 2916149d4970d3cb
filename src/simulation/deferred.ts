/** Memory that a policy holds back: pages that are unmapped and must not be used again yet. */
import { readActorCounters } from "../counters.js";
import type { Core } from "../core/core.js";

/** The counter of a core that defers: the most frames that waited at once. */
const COUNTER = "deferredFramesMost";

/**
 * Most pages that waited to be freed at any one time; 0 under policies that free at once, and by a
 * core that does not count it. A high-water mark: the largest of the actors', not their sum.
 */
export function deferredPagesMost(core: Core, actors: number): number {
  let most = 0;
  for (let actor = 0; actor < actors; actor++) {
    const counters: Readonly<Record<string, number>> = readActorCounters(core, actor);
    most = Math.max(most, counters[COUNTER] ?? 0);
  }
  return most;
}
