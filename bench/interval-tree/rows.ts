/** `npm run bench -- interval-tree`: every contender on the same inputs. */
import type { Row } from "../harness.js";
import { CONTENDERS, expected, type What, type Work } from "./contenders.js";
import { type Input, inputOf, SHAPE_NAMES } from "./inputs.js";

const SEED = 1;
const WHAT: readonly What[] = ["first", "all", "insert", "churn"];

/** `full`: every shape, and up to 10^6 entries. */
export function intervalTreeRows(quick: boolean, full: boolean): Row[] {
  const sizes = quick ? [100] : full ? [100, 1e3, 1e4, 1e5, 1e6] : [100, 1e4, 1e5];
  const shapes = full ? SHAPE_NAMES : quick ? ["random", "disjoint"] : ["random"];
  return shapes.flatMap((shape) => sizes.flatMap((n) => rowsOf(shape, n)));
}

function rowsOf(shape: string, n: number): Row[] {
  let input: Input | undefined;
  let answers: ReturnType<typeof expected> | undefined;
  const given = (): Input => (input ??= inputOf(shape, n, SEED));
  const right = (): ReturnType<typeof expected> => (answers ??= expected(given()));
  return WHAT.flatMap((what) =>
    CONTENDERS.filter(
      ({ can, shapes, most }) =>
        can.includes(what) && (shapes?.includes(shape) ?? true) && n <= (most ?? Infinity),
    ).map((contender): Row => {
      let run: (() => number) | undefined;
      const ready = async (): Promise<() => number> => {
        const work: Work = await contender.open(given());
        const proof = work.proof();
        if (proof !== right().proof) {
          throw new Error(`${contender.name}: proof ${proof}, the model says ${right().proof}`);
        }
        return work[what] as () => number;
      };
      return {
        name: `${what}, ${shape}, ${n}: ${contender.name}`,
        unit: "operations",
        seed: SEED,
        perCall: what === "insert" ? n : given().queryStarts.length,
        work: async () => (run ??= await ready())(),
        model: () => right()[what],
      };
    }),
  );
}
