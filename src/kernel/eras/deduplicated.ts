import type { Era } from "../era.js";

/** Where the lock-held notification already covers the bracket, its end only ends it. */
export const deduplicated: Era = {
  name: "deduplicated",
  title: "under the lock where frames change, else in range_end",
  kernels: "4.15 to 6.5",
  source: "notifiers.md 0.4; Linux 0f10851ea475 and 4645b9fe84bf (only_end)",
  mutant: false,
  rangeEndNotifies: (site) => site.notifiesAtEnd ?? !site.clearFlush,
  lockedNotifies: (site) => site.clearFlush && site.keepsLocked !== false,
  gatherNotifies: true,
  flushNotifies: false,
};
