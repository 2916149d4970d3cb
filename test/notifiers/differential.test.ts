/**
 * Interval subscribers and their model over random histories. A failure prints its seed and the
 * command that runs it again. `npm run soak` runs as many as asked.
 */
import { expect, test } from "vitest";
import { MmuNotifiers, validateNotifiers } from "../../src/index.js";
import { History } from "./history.js";
import { NotifierModel } from "./model.js";

const FILE = "test/notifiers/differential.test.ts";
const STEPS = 400;
const only = process.env["SHOOTDOWN_SEED"];
/** A step is several calls and lines of a log: a twentieth of what is asked of the others. */
const soak = Math.ceil(Number(process.env["SHOOTDOWN_SOAK_OPS"] ?? 0) / 20);
const HISTORIES = only !== undefined ? 1 : soak > 0 ? Infinity : 300;
const BASE = BigInt(only ?? process.env["SHOOTDOWN_SOAK_SEED"] ?? 1);

async function compare(seed: bigint): Promise<number> {
  using notifiers = await MmuNotifiers.create({ capacity: 1 });
  notifiers.register(null);
  const history = new History(notifiers, seed);
  const model = new History(new NotifierModel(), seed);
  for (let i = 0; i < 4; i++) {
    history.run(STEPS / 4);
    model.run(STEPS / 4);
    expect(history.log).toEqual(model.log);
    expect(validateNotifiers(notifiers)).toEqual([]);
  }
  return history.log.length;
}

test("notifiers and model agree over random histories", { timeout: 2 ** 31 - 1 }, async () => {
  let lines = 0;
  let steps = 0;
  for (let i = 0; i < HISTORIES && (soak === 0 || steps < soak); i++) {
    const seed = BASE + BigInt(i);
    try {
      lines += await compare(seed);
      steps += STEPS;
    } catch (error) {
      const replay = `SHOOTDOWN_SEED=${seed} npx vitest run ${FILE}`;
      throw new Error(`seed ${seed}\nreplay: ${replay}`, { cause: error });
    }
  }
  console.log(`notifiers: ${steps} steps, ${lines} lines compared, no divergence`);
});
