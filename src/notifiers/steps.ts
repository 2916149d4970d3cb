/** Callbacks that take time: as part of a bracket that is opened step by step, or at once. */
import { ShootdownError } from "../errors.js";
import type { CallbackSteps } from "./types.js";

/** What a callback returned: a value, or the steps to one. */
export type Answer<T> = T | CallbackSteps<T>;

function isSteps<T>(answer: Answer<T>): answer is CallbackSteps<T> {
  return typeof answer === "object" && answer !== null && "next" in answer;
}

/**
 * All steps at once: time that they take does not pass.
 * @throws ShootdownError E_DEADLOCK for one that waits: nobody is there to let it go on
 */
export function atOnce<T>(answer: Answer<T>): T {
  if (!isSteps(answer)) return answer;
  for (;;) {
    const step = answer.next();
    if (step.done === true) return step.value;
    if (typeof step.value === "number") continue;
    const message = "a callback waits, and nobody lets time pass: use startSteps";
    throw new ShootdownError("E_DEADLOCK", message);
  }
}

/** Step by step, each inside of `around`. */
export function* inSteps<T>(
  call: () => Answer<T>,
  around: <R>(body: () => R) => R,
): CallbackSteps<T> {
  const answer = around(call);
  if (!isSteps(answer)) return answer;
  for (;;) {
    const step = around(() => answer.next());
    if (step.done === true) return step.value;
    yield step.value;
  }
}
