/** Shape of what `audit --json` prints. Ints are exact numbers. */
import { z } from "zod";
import { VERDICTS } from "../scenarios/scenario.js";
import { DEADLINES, type Deadline } from "../sites/races.js";

const count = z.int().min(0);
const name = z.string().min(1);

const cell = z.strictObject({
  era: name,
  consumer: name,
  /** null: no kernel of that era has the place. */
  verdict: z.enum(VERDICTS).nullable(),
  notifications: count,
  brackets: count,
  states: count,
  steps: count,
  counterexample: name.nullable(),
});

export const audit = z.strictObject({
  rows: z.array(
    z.strictObject({
      row: z.string().regex(/^[0-9]{1,2}[a-z-]?$/),
      title: name,
      operation: name,
      event: name,
      deadline: z.enum(Object.keys(DEADLINES) as [Deadline, ...Deadline[]]),
      reason: name,
      cells: z.array(cell),
    }),
  ),
});
