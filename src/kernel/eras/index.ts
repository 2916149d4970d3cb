/** The eras that come with the library. */
import type { Era } from "../era.js";
import { coupled } from "./coupled.js";
import { deduplicated } from "./deduplicated.js";
import { defer } from "./defer.js";
import { double } from "./double.js";
import { emptyTable } from "./empty-table.js";
import { onlyEndEverywhere } from "./only-end-everywhere.js";

export const ERAS: readonly Era[] = [
  double,
  deduplicated,
  coupled,
  defer,
  onlyEndEverywhere,
  emptyTable,
];
