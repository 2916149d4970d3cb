import type { Era } from "../era.js";

/** Everything waits for range_end: the wrong baseline of Documentation/mm/mmu_notifier.rst. */
export const defer: Era = {
  name: "defer",
  title: "only in range_end, also where frames change",
  kernels: "never shipped",
  source: "notifiers.md 0.4 and S01",
  mutant: true,
  rangeEndNotifies: () => true,
  lockedNotifies: () => false,
  gatherNotifies: false,
  flushNotifies: false,
};
