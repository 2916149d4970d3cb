/** Broken drivers, for random schedules to notice: scenarios are files of the package. */
import { consumerRows, type Row, scenarioOf } from "./broken-rows.js";

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

export const SUBSCRIBER_MUTANTS: readonly Row[] = [
  ...(await consumerRows(variants)),
  {
    kind: "consumers",
    name: "classic-refuses-ends",
    scenario: await scenarioOf("s16-refused-start-and-end"),
    options: {},
    names: /^(EndsHaveStarts|StartsMatchEnds)$/,
    mended: { scenario: await scenarioOf("s16-refused-start") },
  },
];
