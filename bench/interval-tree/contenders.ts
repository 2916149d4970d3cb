/** Who takes part. */
import { type Contender, contender, fill, type Outsider, WHATS } from "./contender.js";
import { libraries } from "./libraries.js";
import { natives } from "./native.js";
import { batches, ours } from "./ours.js";
import { PlainTree } from "./plain.js";

const plain = contender(
  { name: "plain TypeScript", can: WHATS, most: 1_000_000 },
  (input, filled) => {
    const tree = new PlainTree(input.n);
    if (filled) fill(tree, input.entries());
    return tree;
  },
);

export function contenders(): readonly (Contender | Outsider)[] {
  return [ours, batches, plain, ...natives(), ...libraries];
}
