import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";

/**
 * P17: a change of protection that takes no right away leaves nobody with too much, so nobody is
 * told. A CPU whose entry allows too little walks again before it faults, or faults for nothing.
 */
export const pteFilter: FlushPolicy = {
  ...concurrent,
  name: "pte-filter",
  title: "as concurrent; mprotect that takes no right away asks for no flush",
  source: "shootdown.md P17; Linux pte_needs_flush, 5.19, without its flush_on_change",
  filter: "lost",
};

/** Classified wrongly: an entry that lost its write permission counts as unchanged. */
export const pteFilterGone: FlushPolicy = {
  ...pteFilter,
  name: "pte-filter-gone",
  title: "as pte-filter, but nobody is told unless the entry goes altogether",
  source: "shootdown.md P17: lost protection if classified wrongly",
  mutant: true,
  filter: "gone",
};
