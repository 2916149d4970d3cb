/** Parts of seeded inputs. */
import type { Random } from "shootdown";

/** Makes it when it is first needed. */
export function later<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** The numbers below `n` in random order. */
export function permutation(n: number, random: Random): Uint32Array {
  const list = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
}
