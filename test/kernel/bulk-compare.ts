/** Two machines side by side: where they differ, at every moment somebody looks. */
import type { Machine } from "shootdown";
import * as abi from "../../src/core/abi.js";
import { BASE } from "../../src/core/core.js";

const LOOKS_MOST = 3_000;

/** How far a machine goes between two looks: ns, steps. */
export type Slice = readonly [until: number, budget: number];

/** State, counters, clocks: the bytes that two machines must have in common. */
function bytesOf({ core }: Machine): Record<string, Buffer> {
  core.x.machineSave(BASE);
  const part = (from: number, to: number) => Buffer.from(core.memory.buffer, from, to - from);
  const counters = core.at(abi.H_OFF_COUNTER);
  const clocks = core.at(abi.H_OFF_CLOCK);
  return {
    state: part(core.at(abi.H_STATE_START), core.at(abi.H_STATE_END)),
    counters: part(counters, clocks),
    clocks: part(clocks, core.at(abi.H_OFF_VMA_TREE)),
  };
}

/** Where two machines differ, or "". */
export function differenceOf(one: Machine, other: Machine): string {
  const expected = bytesOf(other);
  for (const [name, bytes] of Object.entries(bytesOf(one))) {
    if (bytes.equals(expected[name])) continue;
    const at = bytes.findIndex((byte, i) => byte !== expected[name][i]);
    const offset = at + bytes.byteOffset - BASE;
    const rows = Object.entries(abi).filter(
      ([key, word]) => key.startsWith("H_OFF_") && one.core.header[word] <= offset,
    );
    const [row, word] = rows.sort((a, b) => one.core.header[b[1]] - one.core.header[a[1]])[0];
    return `${name}: byte ${offset - one.core.header[word]} of ${row}`;
  }
  return "";
}

/** One advance; an error is a result like others, if both machines end with it. */
export function advance(machine: Machine, [until, budget]: Slice): string {
  try {
    return machine.advance(until, undefined, budget);
  } catch (error) {
    return String((error as { code?: string }).code);
  }
}

/** Advances both machines side by side. What differs first, or "". */
export function compare(one: Machine, other: Machine, [slice, budget]: Slice): string {
  for (let looks = 1; looks < LOOKS_MOST; looks++) {
    const part: Slice = [slice === Infinity ? Infinity : slice * looks, budget];
    const why = advance(one, part);
    const expected = advance(other, part);
    if (why !== expected) return `look ${looks}: ${why}, decoded ${expected}`;
    const difference = differenceOf(one, other);
    if (difference !== "") return `look ${looks}, slices of ${slice} ns: ${difference}`;
    if (why !== "time" && why !== "budget") return "";
  }
  return "";
}
