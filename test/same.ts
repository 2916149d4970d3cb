/**
 * Equality for loops of millions of operations, where an assertion library takes longer than what
 * it looks at.
 */

export function same(what: string, got: unknown, expected: unknown): void {
  if (!Object.is(got, expected)) {
    throw new Error(`${what}: got ${String(got)}, the model says ${String(expected)}`);
  }
}

export function sameList<T>(what: string, got: ArrayLike<T>, expected: ArrayLike<T>): void {
  same(`${what}, how many`, got.length, expected.length);
  for (let i = 0; i < got.length; i++) {
    if (got[i] !== expected[i]) same(`${what} at ${i}`, got[i], expected[i]);
  }
}
