/** The obvious search of a machine: a queue, a set of whole states, one step at a time. */
import * as abi from "../../src/core/abi.js";
import type { Machine } from "../../src/machine.js";

/** Who may step, and how. */
export interface Choice {
  readonly actor: number;
  readonly choice: number;
}

/** Choices 0 and 1 alone: for machines without walks, NMIs, broadcasts and preemption. */
export function choicesOf({ geometry }: Machine): Choice[] {
  const all: Choice[] = [];
  for (let actor = 0; actor < geometry.cpus + geometry.devices; actor++) {
    all.push({ actor, choice: 0 });
    if (actor < geometry.cpus) all.push({ actor, choice: 1 });
  }
  return all;
}

/** What is to be done with a state that a step led to: its path ends there, or the whole search. */
export type Verdict = "go on" | "ends here" | "stop";

/** What a search looks at. */
export interface Search {
  /** The machine stands where a step has led, `depth` steps from its first state. */
  readonly seen: (depth: number) => Verdict;
  /** The machine stands where nobody can step. True: the search is over. */
  readonly stuck?: (depth: number) => boolean;
  /** States that are enough; all by default. */
  readonly most?: number;
}

const key = (state: Uint8Array): string => Buffer.from(state).toString("latin1");

/**
 * Breadth first from the machine's state. A level is looked at as a whole once it is begun.
 * @returns the states that are known, and the steps that were taken
 */
export function searchByHand(
  machine: Machine,
  { seen, stuck, most = Infinity }: Search,
): { states: number; transitions: number } {
  const { core } = machine;
  const choices = choicesOf(machine);
  let level = [core.saveState()];
  const known = new Set(level.map(key));
  let transitions = 0;
  const found = () => ({ states: known.size, transitions });
  for (let depth = 0; level.length > 0 && known.size < most; depth++) {
    const next: Uint8Array[] = [];
    for (const state of level) {
      let moved = false;
      for (const { actor, choice } of choices) {
        core.restoreState(state);
        if (machine.step(actor, choice) !== abi.ST_OK) continue;
        moved = true;
        transitions++;
        const verdict = seen(depth + 1);
        if (verdict === "stop") return found();
        if (verdict === "ends here") continue;
        const after = core.saveState();
        const name = key(after);
        if (known.has(name)) continue;
        known.add(name);
        next.push(after);
      }
      core.restoreState(state);
      if (!moved && stuck?.(depth) === true) return found();
    }
    level = next;
  }
  return found();
}
