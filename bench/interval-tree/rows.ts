/** `npm run bench -- interval-tree`: every contender on the same inputs. */
import { type Extent, rowsOf } from "../contest.js";
import type { Row } from "../harness.js";
import { type What, WHATS } from "./contender.js";
import { contenders } from "./contenders.js";
import { CHURNED, type Input, inputOf, SHAPE_NAMES } from "./inputs.js";
import { modelOf } from "./model.js";

const SEED = 1;
const LARGEST = 1e7;
const LARGEST_WHATS: readonly What[] = ["first", "count", "all", "stab", "insert"];

export function intervalTreeRows({ quick, full, largest }: Extent): Row[] {
  if (largest) return rowsFor("random", LARGEST, LARGEST_WHATS);
  const sizes = quick ? [100] : full ? [100, 1e3, 1e4, 1e5, 1e6] : [100, 1e4, 1e5];
  const shapes = full ? SHAPE_NAMES : quick ? ["random", "disjoint"] : ["random"];
  return shapes.flatMap((shape) => sizes.flatMap((n) => rowsFor(shape, n, WHATS)));
}

function rowsFor(shape: string, n: number, whats: readonly What[]): Row[] {
  const input = inputOf(shape, n, SEED);
  return rowsOf({
    contenders: contenders(),
    whats,
    input,
    seed: SEED,
    model: () => modelOf(input),
    operations: (what) => operations(what, input),
    // Filling a tree, to take entries out of it, is not timed.
    callsApart: (what) => (what === "remove" ? input.cuts : 0),
  });
}

/** Operations in one call; for removals, in all the calls for the pool. */
function operations(what: What, { n, cuts, queries }: Input): number {
  if (what === "insert") return n * cuts;
  if (what === "remove") return (n >> 1) * cuts;
  return what === "churn" ? CHURNED : queries().starts.length;
}
