/**
 * What step files are about: a system, which has a world, verbs that change it, and a state that
 * can be looked at. Each of `vfio`, `iommufd` and `vdpa` is one.
 */
import type { z } from "zod";
import type { Amount } from "./amounts.js";

/** Makes the shape of arguments, from the shape of a number there. */
export type Shape<A> = (amount: z.ZodType<Amount>) => z.ZodType<A>;

/** What a step may do. */
export interface Verb<W> {
  /** One line for the list of verbs. */
  readonly summary: string;
  readonly shape: Shape<unknown>;
  /**
   * Does it; what it gave, as a record (an `Outcome`, say) or a plain value. Exceptions are faults
   * of the file: typed errors are reported with the step's place.
   */
  run(world: W, args: unknown): unknown;
}

/** A verb whose arguments have a type. */
export function verb<W, A>(
  summary: string,
  shape: Shape<A>,
  run: (world: W, args: A) => unknown,
): Verb<W> {
  return { summary, shape, run: (world, args) => run(world, args as A) };
}

/** Where a file is run: one value of each axis, like `{ era: "7.0", storage: "tree" }`. */
export type Cell = Readonly<Record<string, string>>;

/** See the file comment. */
export interface StepSystem<W, S> {
  /** `system` of its files, and the folder of `scenarios` that they are in. */
  readonly name: string;
  readonly title: string;
  /**
   * What a file is run in: by axis all values it may have. Values of two axes must differ: files
   * name them without the axis.
   */
  readonly axes: Readonly<Record<string, readonly string[]>>;
  /** Values for files that do not say; all of them by default. */
  readonly usual?: Readonly<Record<string, readonly string[]>>;
  readonly setup: Shape<S>;
  readonly verbs: Readonly<Record<string, Verb<W>>>;
  /** What a run can end in; the first is that of a run in which nothing is wrong. */
  readonly verdicts: readonly string[];
  open(setup: S, cell: Cell): Promise<W>;
  /** Everything that can be expected of the world, as a record. */
  state(world: W): unknown;
  /** One of {@link StepSystem.verdicts}. */
  verdict(world: W): string;
  close(world: W): void;
}

/** A system whose world and setup nobody needs to know. */
export type AnySystem = StepSystem<unknown, unknown>;

/** Forgets the types of a system's world and setup. */
export function anySystem<W, S>(system: StepSystem<W, S>): AnySystem {
  return system;
}
