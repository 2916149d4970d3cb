/** Broken drivers, for random schedules to notice: scenarios are files of the package. */
import { shippedScenario } from "../../src/scenario-files/index.js";
import type { Row } from "./broken-parts.js";

const variants = [
  ["interval-no-wait", "s11-insert-in-bracket", /^(ReadersHaveWaited|NoUseAfterFree)$/, "interval"],
  ["interval-unfiltered", "s28-exclusive", /^Progress$/, "interval"],
  ["interval-removes", "s13-remove-in-callback", /^NoDeadlock$/, "interval-removes-deferred"],
  ["interval-reclaims", "s27-allocate-in-callback", /^NoDeadlock$/, "interval"],
  [
    "interval-hole-kept",
    "s26-hole",
    /^(NoUseAfterFree|NoStaleUse|NoStaleAfterQuiesce)$/,
    "interval-hole",
  ],
  ["classic-unregisters", "s15-unregister-in-callback", /^NoDeadlock$/, "classic-puts"],
] as const;

const named = async (name: string) => (await shippedScenario(name))!;

export const SUBSCRIBER_MUTANTS: readonly Row[] = [
  ...(await Promise.all(
    variants.map(async ([name, scenario, names, sound]): Promise<Row> => ({
      kind: "consumers",
      name,
      scenario: await named(scenario),
      options: { consumer: name },
      names,
      mended: { options: { consumer: sound } },
    })),
  )),
  {
    kind: "consumers",
    name: "classic-refuses-ends",
    scenario: await named("s16-refused-start-and-end"),
    options: {},
    names: /^(EndsHaveStarts|StartsMatchEnds)$/,
    mended: { scenario: await named("s16-refused-start") },
  },
];
