/** A system for tests of step files: counters that may not pass a limit. */
import { z } from "zod";
import { ArgumentError } from "../../src/index.js";
import { anySystem, verb } from "../../dist/step-files/index.js";
import { done, failed } from "../../dist/uapi/outcome.js";

export interface World {
  readonly most: number;
  readonly counts: Map<string, number>;
  isBroken: boolean;
}

interface Setup {
  readonly most?: number | bigint;
}

export const closed: World[] = [];

export const counter = anySystem<World, Setup>({
  name: "counter",
  title: "counters",
  axes: { era: ["old", "new"], size: ["small", "large"] },
  usual: { size: ["small"] },
  setup: (amount) => z.strictObject({ most: amount.optional() }),
  verbs: {
    add: verb(
      "adds to a counter",
      (amount) => z.strictObject({ to: z.string(), by: amount }),
      ({ most, counts }: World, { to, by }) => {
        const sum = (counts.get(to) ?? 0) + Number(by);
        if (sum > most) return failed("ENOSPC", "over-limit", `${sum} is over ${most}`);
        counts.set(to, sum);
        return done(sum);
      },
    ),
    at: verb(
      "the counter at an address",
      (amount) => z.strictObject({ address: amount }),
      (_: World, { address }) => ({ [`0x${address.toString(16)}`]: address }),
    ),
    break: verb(
      "breaks the world",
      () => z.strictObject({}),
      (world: World) => {
        world.isBroken = true;
      },
    ),
    misuse: verb(
      "throws",
      () => z.strictObject({}),
      () => {
        throw new ArgumentError("E_LIMIT", "too much", { argument: "much" });
      },
    ),
  },
  verdicts: ["SAFE", "BROKEN"],
  open: ({ most = 10 }, { era, size }) =>
    Promise.resolve({
      most: Number(most) + (era === "new" ? 1 : 0) + (size === "large" ? 1_000 : 0),
      counts: new Map<string, number>(),
      isBroken: false,
    }),
  state: ({ counts, isBroken }) => ({ counts, isBroken }),
  verdict: ({ isBroken }) => (isBroken ? "BROKEN" : "SAFE"),
  close: (world) => {
    closed.push(world);
  },
});
