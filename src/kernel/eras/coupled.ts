import type { Era } from "../era.js";

/** The architecture's CPU flush tells the secondary TLBs; brackets never do. */
export const coupled: Era = {
  name: "coupled",
  title: "with every CPU flush, never in range_end",
  kernels: "6.6 and newer",
  source: "notifiers.md 0.4; Linux 6bbd42e2df8f, ec8832d007cb, 1af5a8109904",
  mutant: false,
  rangeEndNotifies: () => false,
  lockedNotifies: () => false,
  gatherNotifies: false,
  flushNotifies: true,
};
