/** NUMA migration: threads pull the pages they use to their own node, from each other. */
import { migrateUser } from "../scenarios/workloads.js";
import { anyPart, mapBoth, type WorkloadGenerator, writeAll } from "./generator.js";

export const numaMigration: WorkloadGenerator = {
  name: "numa-migration",
  title: "write the pages, then move them to other frames: unmap, flush, copy, map, a page a time",
  standsFor: "NUMA balancing after threads were moved; page migration between memory tiers",
  source: "shootdown.md P9 (migration) and 3.3 T8; notifiers.md 2.4 row 31",
  defaults: { pages: 4, locality: 0.5 },
  scenarios: [migrateUser],
  regionPages: (pages) => pages,
  opsPerRound: ({ threads }) => threads,
  maps: (thread) => mapBoth(numaMigration, thread),
  round: (thread) => {
    const { pages } = thread.parameters;
    const start = anyPart(thread);
    return [
      ...writeAll(start, pages),
      { call: "migrate", args: { start, end: start + pages }, ops: 1 },
    ];
  },
};
