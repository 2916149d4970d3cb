import type { Era } from "../era.js";

/** Told under the lock, told by the gather, and told again when the bracket ends. */
export const double: Era = {
  name: "double",
  title: "under the lock, and again in every range_end",
  kernels: "3.19 to 4.14",
  source: "notifiers.md 0.4; Linux before 0f10851ea475 and 4645b9fe84bf",
  mutant: false,
  rangeEndNotifies: () => true,
  lockedNotifies: (site) => site.clearFlush,
  gatherNotifies: true,
  flushNotifies: false,
};
