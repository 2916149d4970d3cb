/** What is right, from every page of every entry: slow to make, and plain. */
import type { Expected } from "../contest.js";
import { cutOf, type Input, type Queries } from "./inputs.js";
import type { What } from "./whats.js";

/** Which table of the pool stands when `what` was done once. */
export function cutAfter(what: What, { cuts }: Input): number {
  return what === "add" || what === "delete" ? cuts - 1 : 0;
}

/** What contenders have to find: -1 is a miss. */
export function modelOf(input: Input): (what: What) => Expected {
  return (what) => {
    const { n, cuts, spaces } = input;
    const { asids, starts, lasts, addrs } = cutOf(input, cutAfter(what, input));
    // There is one entry in 64 pages of an address space.
    const bySlot = new Map<number, number>();
    if (what !== "delete") {
      starts.forEach((start, i) => bySlot.set(Math.floor(start / 64) * spaces + asids[i], i));
    }
    const translate = (asid: number, page: number): number => {
      const i = bySlot.get(Math.floor(page / 64) * spaces + asid);
      const isIn = i !== undefined && starts[i] <= page && page <= lasts[i];
      return isIn ? addrs[i] + page - starts[i] : -1;
    };
    const sum = (some: Queries): number => {
      return some.pages.reduce((so, page, i) => so + translate(some.asids[i], page), 0);
    };
    const proof = sum(input.probes(cutAfter(what, input))) + bySlot.size;
    if (what === "translate") return { proof, checksum: sum(input.hits()) };
    if (what === "miss") return { proof, checksum: sum(input.misses()) };
    // After each addition to the pool, or removal from it, one.
    return { proof, checksum: n * cuts };
  };
}
