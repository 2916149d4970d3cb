/** What a call gave: its numbers, or the code of its failure and the page of the request. */
import type { PinnedPage } from "../../src/index.js";
import { same, sameList } from "../same.js";

export type Outcome = string | ArrayLike<number> | number | boolean | undefined;

export function outcome(call: () => Outcome | void): Outcome {
  try {
    return call() ?? undefined;
  } catch (error) {
    const { code, details } = error as { code?: string; details?: { index?: unknown } };
    if (code === undefined) throw error;
    return `${code} ${String(details?.index)}`;
  }
}

export function sameOutcome(what: string, got: Outcome, expected: Outcome): void {
  if (typeof got === "object" && typeof expected === "object") sameList(what, got, expected);
  else same(what, got, expected);
}

export function samePages(
  what: string,
  got: Iterable<PinnedPage>,
  expected: Iterable<PinnedPage>,
): void {
  const flat = (list: Iterable<PinnedPage>): number[] => {
    const numbers: number[] = [];
    for (const { page, pfn, count } of list) numbers.push(page, pfn, count);
    return numbers;
  };
  sameList(what, flat(got), flat(expected));
}
