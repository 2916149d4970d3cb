/** `npm run bench -- interval-tree`: every contender on the same inputs. */
import type { Row, Sampled } from "../harness.js";
import { type Contender, type Outsider, type What, WHATS, type Work } from "./contender.js";
import { contenders } from "./contenders.js";
import { CHURNED, type Input, inputOf, SHAPE_NAMES } from "./inputs.js";
import { type Expected, modelOf } from "./model.js";

const SEED = 1;
const SECONDS = 1;
const SAMPLES = 5;

/** How much is measured. */
export interface Extent {
  readonly quick: boolean;
  /** Every shape, and up to 10^6 entries. */
  readonly full: boolean;
  /** 10^7 entries, queries and insertions: those that can. */
  readonly largest: boolean;
}

const LARGEST = 1e7;
const LARGEST_WHATS: readonly What[] = ["first", "count", "all", "stab", "insert"];

export function intervalTreeRows({ quick, full, largest }: Extent): Row[] {
  const all = contenders();
  if (largest) return rowsOf(all, "random", LARGEST, LARGEST_WHATS);
  const sizes = quick ? [100] : full ? [100, 1e3, 1e4, 1e5, 1e6] : [100, 1e4, 1e5];
  const shapes = full ? SHAPE_NAMES : quick ? ["random", "disjoint"] : ["random"];
  return shapes.flatMap((shape) => sizes.flatMap((n) => rowsOf(all, shape, n, WHATS)));
}

type Right = (what: What) => Expected;

function rowsOf(
  all: readonly (Contender | Outsider)[],
  shape: string,
  n: number,
  whats: readonly What[],
): Row[] {
  const input = inputOf(shape, n, SEED);
  let model: Right | undefined;
  const answers = new Map<What, Expected>();
  const right: Right = (what) => {
    const known = answers.get(what) ?? (model ??= modelOf(input))(what);
    answers.set(what, known);
    return known;
  };
  return whats.flatMap((what) =>
    all
      .filter(({ can, shapes, most }) => {
        return can.includes(what) && (shapes?.includes(shape) ?? true) && n <= (most ?? Infinity);
      })
      .map((contender) => rowOf(contender, what, input, right)),
  );
}

/** Operations in one call. */
function operations(what: What, { n, cuts, queries }: Input): number {
  if (what === "insert") return n * cuts;
  if (what === "remove") return (n >> 1) * cuts;
  return what === "churn" ? CHURNED : queries().starts.length;
}

function rowOf(contender: Contender | Outsider, what: What, input: Input, right: Right): Row {
  const prove = (proof: number): void => {
    if (proof === right(what).proof) return;
    const wanted = right(what).proof;
    throw new Error(`${contender.name}, ${what}: proof ${proof}, the model says ${wanted}`);
  };
  let calls = 0;
  let opened: Work | undefined;
  const work = async (): Promise<number> => {
    if (opened !== undefined) return opened.run(calls++);
    opened = await contenderOf(contender).open(input, what);
    const checksum = opened.run(calls++);
    prove(opened.proof());
    return checksum;
  };
  const outside = async (quick: boolean): Promise<Sampled> => {
    const measured = await (contender as Outsider).measure(input, what, quick);
    prove(measured.proof);
    return measured;
  };
  const apart = async (quick: boolean): Promise<Sampled> => {
    const opening = await contenderOf(contender).open(input, what);
    return timeApart(opening, input, quick, prove);
  };
  return {
    name: `${what}, ${input.shape}, ${input.n}: ${contender.name}`,
    unit: "operations",
    seed: SEED,
    contender: contender.name,
    seconds: SECONDS,
    perCall: operations(what, input),
    work,
    measured: "measure" in contender ? outside : what === "remove" ? apart : undefined,
    model: () => right(what).checksum,
  };
}

function contenderOf(contender: Contender | Outsider): Contender {
  if ("open" in contender) return contender;
  throw new Error(`${contender.name} measures itself`);
}

/** Times the calls for all trees of the pool, and not what is done before each. */
function timeApart(
  work: Work,
  input: Input,
  quick: boolean,
  prove: (proof: number) => void,
): Sampled {
  const once = (): { ms: number; sum: number } => {
    let ms = 0;
    let sum = 0;
    for (let cut = 0; cut < input.cuts; cut++) {
      work.before?.(cut);
      const from = performance.now();
      sum += work.run(cut);
      ms += performance.now() - from;
    }
    return { ms, sum };
  };
  const { sum: checksum } = once();
  prove(work.proof());
  const nanoseconds: number[] = [];
  let total = 0;
  while (nanoseconds.length < (quick ? 1 : SAMPLES) || (!quick && total < SECONDS * 1000)) {
    const { ms, sum } = once();
    if (sum !== checksum) throw new Error(`checksum changed from ${checksum} to ${sum}`);
    nanoseconds.push((ms * 1e6) / operations("remove", input));
    total += ms;
  }
  return { checksum, nanoseconds };
}
