import type { Era } from "../era.js";

/** The deduplicated form taken to its end: no range_end notifies. */
export const onlyEndEverywhere: Era = {
  name: "only-end-everywhere",
  title: "deduplicated, with every range_end silent",
  kernels: "never shipped",
  source: "notifiers.md 0.4 and S03",
  mutant: true,
  rangeEndNotifies: () => false,
  lockedNotifies: (site) => site.clearFlush && site.keepsLocked !== false,
  gatherNotifies: true,
  flushNotifies: false,
};
