/** `npm run bench -- iotlb`: every contender on the same inputs. */
import { type Extent, rowsOf } from "../contest.js";
import type { Row } from "../harness.js";
import { contenders } from "./contenders.js";
import { type Input, inputOf, POOL, SHAPE_NAMES, SMALL_POOL } from "./inputs.js";
import { modelOf } from "./model.js";
import { type What, WHATS } from "./whats.js";

const SEED = 1;

/** There is no largest size beyond 10^6. */
export function iotlbRows({ quick, full, largest }: Extent): Row[] {
  if (largest) return [];
  const sizes = full ? [100, 1e3, 1e4, 1e5, 1e6] : quick ? [100] : [100, 1e4, 1e5];
  const least = quick ? SMALL_POOL : POOL;
  return SHAPE_NAMES.flatMap((shape) =>
    sizes.flatMap((n) => rowsFor(inputOf(shape, n, SEED, least))),
  );
}

function rowsFor(input: Input): Row[] {
  return rowsOf({
    contenders: contenders(),
    whats: WHATS,
    input,
    seed: SEED,
    model: () => modelOf(input),
    operations: (what) => operations(what, input),
    callsApart: (what) => (what === "add" || what === "delete" ? input.cuts : 1),
  });
}

/** Operations in all calls of a sample. */
function operations(what: What, { n, cuts, hits, misses }: Input): number {
  if (what === "add" || what === "delete") return n * cuts;
  return (what === "miss" ? misses() : hits()).pages.length;
}
