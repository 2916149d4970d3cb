/** Who takes part. */
import { type Contender, contender, type Outsider } from "./contender.js";
import { natives } from "./native.js";
import { batches, ours } from "./ours.js";
import { SortedTables, TreeTables } from "./tables.js";
import { WHATS } from "./whats.js";

const trees = contender({ name: "Map of plain trees", can: WHATS }, ({ n, spaces }) => {
  return new TreeTables(Math.ceil(n / spaces));
});

// An insertion moves half of what is there.
const sorted = contender(
  { name: "Map of sorted arrays", can: WHATS, most: 100_000 },
  () => new SortedTables(),
);

export function contenders(): readonly (Contender | Outsider)[] {
  return [ours, batches, trees, sorted, ...natives()];
}
