/**
 * Contenders that do the same work on the same inputs, as rows. Before anything is timed each
 * proves that it finds what the model finds; timed calls return a checksum.
 */
import { timeApart } from "./apart.js";
import type { Row, Sampled } from "./harness.js";
import type { Work } from "./work.js";

export type { Work } from "./work.js";

/** What is right. */
export interface Expected {
  /** What {@link Work.proof} says when the work was done once. */
  readonly proof: number;
  /** What a call returns; where what comes before calls is not timed, all of a sample together. */
  readonly checksum: number;
}

export interface Named<What> {
  readonly name: string;
  readonly can: readonly What[];
  /** Where it can take part; everywhere if not given. */
  readonly shapes?: readonly string[];
  /** Above this many entries it takes too long, or too much memory. */
  readonly most?: number;
}

/** Measured here. */
export interface Contender<Input, What> extends Named<What> {
  open(input: Input, what: What): Promise<Work> | Work;
}

/** Measures itself, elsewhere. */
export interface Outsider<Input, What> extends Named<What> {
  measure(input: Input, what: What, quick: boolean): Promise<Sampled & { proof: number }>;
}

export type Anyone<Input, What> = Contender<Input, What> | Outsider<Input, What>;

/** How much is measured. */
export interface Extent {
  readonly quick: boolean;
  /** Every shape, and up to 10^6 entries. */
  readonly full: boolean;
  /** 10^7 entries: those that can. */
  readonly largest: boolean;
}

/** What is measured of one input. */
export interface Contest<Input, What> {
  readonly contenders: readonly Anyone<Input, What>[];
  readonly whats: readonly What[];
  readonly input: Input;
  readonly seed: number;
  /** Made when the first answer is needed. */
  readonly model: () => (what: What) => Expected;
  /** Operations in one sample. */
  readonly operations: (what: What) => number;
  /** Calls in one sample where what is done before each is not timed; 0: benchmark.js times it. */
  readonly callsApart: (what: What) => number;
}

const SECONDS = 1;

export function takesPart<What>(one: Named<What>, what: What, shape: string, n: number): boolean {
  const { can, shapes, most } = one;
  return can.includes(what) && (shapes?.includes(shape) ?? true) && n <= (most ?? Infinity);
}

export function rowsOf<Input extends { shape: string; n: number }, What extends string>(
  contest: Contest<Input, What>,
): Row[] {
  const { shape, n } = contest.input;
  let model: ((what: What) => Expected) | undefined;
  const answers = new Map<What, Expected>();
  const right = (what: What): Expected => {
    const known = answers.get(what) ?? (model ??= contest.model())(what);
    answers.set(what, known);
    return known;
  };
  return contest.whats.flatMap((what) =>
    contest.contenders
      .filter((one) => takesPart(one, what, shape, n))
      .map((one) => rowOf(contest, one, what, right)),
  );
}

function rowOf<Input extends { shape: string; n: number }, What extends string>(
  { input, seed, operations, callsApart }: Contest<Input, What>,
  one: Anyone<Input, What>,
  what: What,
  right: (what: What) => Expected,
): Row {
  const prove = (proof: number): void => {
    if (proof === right(what).proof) return;
    const wanted = right(what).proof;
    throw new Error(`${one.name}, ${what}: proof ${proof}, the model says ${wanted}`);
  };
  let calls = 0;
  let opened: Work | undefined;
  const work = async (): Promise<number> => {
    if (opened !== undefined) return opened.run(calls++);
    opened = await here(one).open(input, what);
    const checksum = opened.run(calls++);
    prove(opened.proof());
    return checksum;
  };
  const outside = async (quick: boolean): Promise<Sampled> => {
    const measured = await (one as Outsider<Input, What>).measure(input, what, quick);
    prove(measured.proof);
    return measured;
  };
  const apart = async (quick: boolean): Promise<Sampled> => {
    const opening = await here(one).open(input, what);
    const sample = { calls: callsApart(what), operations: operations(what) };
    return timeApart(opening, sample, quick, prove);
  };
  return {
    name: `${what}, ${input.shape}, ${input.n}: ${one.name}`,
    unit: "operations",
    seed,
    contender: one.name,
    seconds: SECONDS,
    perCall: operations(what),
    work,
    measured: "measure" in one ? outside : callsApart(what) > 0 ? apart : undefined,
    model: () => right(what).checksum,
  };
}

function here<Input, What>(one: Anyone<Input, What>): Contender<Input, What> {
  if ("open" in one) return one;
  throw new Error(`${one.name} measures itself`);
}
