/** Times calls without what has to be done before each of them. */
import type { Sampled } from "./harness.js";
import type { Work } from "./work.js";

const SECONDS = 1;
const SAMPLES = 5;
/** For so long nothing counts: the compiler is still at work. */
const WARM_SECONDS = 0.1;

/** Calls that make one sample, and what they do together. */
interface Sample {
  readonly calls: number;
  readonly operations: number;
}

/** @throws Error when the proof, or a later checksum, is not right */
export function timeApart(
  work: Work,
  { calls, operations }: Sample,
  quick: boolean,
  prove: (proof: number) => void,
): Sampled {
  const once = (): { ms: number; sum: number } => {
    let ms = 0;
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      work.before?.(call);
      const from = performance.now();
      sum += work.run(call);
      ms += performance.now() - from;
    }
    return { ms, sum };
  };
  const { sum: checksum, ms: first } = once();
  prove(work.proof());
  const sample = (): number => {
    const { ms, sum } = once();
    if (sum !== checksum) throw new Error(`checksum changed from ${checksum} to ${sum}`);
    return ms;
  };
  if (!quick) for (let ms = first; ms < WARM_SECONDS * 1000;) ms += sample();
  const nanoseconds: number[] = [];
  let total = 0;
  while (nanoseconds.length < (quick ? 1 : SAMPLES) || (!quick && total < SECONDS * 1000)) {
    const ms = sample();
    nanoseconds.push((ms * 1e6) / operations);
    total += ms;
  }
  return { checksum, nanoseconds };
}
