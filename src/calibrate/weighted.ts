/** The value at which half of the weight is reached; between two, their middle. 0 without any. */
export function weightedMedian(items: readonly { value: number; weight: number }[]): number {
  const sorted = [...items].sort((a, b) => a.value - b.value);
  const half = sorted.reduce((sum, { weight }) => sum + weight, 0) / 2;
  let seen = 0;
  for (const [i, { value, weight }] of sorted.entries()) {
    seen += weight;
    if (seen > half) return value;
    if (seen === half) return (value + (sorted[i + 1]?.value ?? value)) / 2;
  }
  return sorted.at(-1)?.value ?? 0;
}
