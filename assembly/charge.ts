/** Costs beyond the fixed price of a micro-op, added to the step under way. */
import { clockAt, cost } from "./machine";

// @ts-ignore: decorator
@inline
export function charge(m: usize, actor: u32, costIndex: i32, times: u32): void {
  const clock = clockAt(m, actor);
  clock.charge += cost(m, costIndex) * times;
}

// @ts-ignore: decorator
@inline
export function chargeNs(m: usize, actor: u32, ns: u32): void {
  const clock = clockAt(m, actor);
  clock.charge += ns;
}
