/** What is wrong with what a caller of the notifiers has passed. */
import { ArgumentError, ShootdownError } from "../errors.js";
import { checkLength, failInterval, isInterval, isPage, type Numbers } from "../pages.js";
import { Classic } from "./classic.js";
import type { ClassicSubscriber } from "./types.js";

export function ownRow(subscriber: ClassicSubscriber): Classic {
  if (subscriber instanceof Classic) return subscriber;
  throw new ArgumentError("E_TYPE", "subscriber must come from register or get", {
    argument: "subscriber",
  });
}

export function exited(): ShootdownError {
  return new ShootdownError("E_EXITED", "the mm has exited: it has no users", { errno: "EINVAL" });
}

export function checkInterval(start: number, last: number): void {
  if (!isInterval(start, last)) failInterval(start, last);
}

export function failRange(start: number, end: number): never {
  if (start === end && isPage(start)) {
    throw new ArgumentError("E_EMPTY", "start equals end", { argument: "end" });
  }
  if (isPage(start) && isPage(end)) {
    throw new ArgumentError("E_INVERTED", "end is below start", { argument: "end" });
  }
  failInterval(start, end);
}

/** Last pages of [starts[i], ends[i]), all of which are ranges. */
export function lastsOf(starts: Numbers, ends: Numbers): Float64Array {
  checkLength("ends", ends, starts.length);
  const lasts = new Float64Array(starts.length);
  for (let i = 0; i < lasts.length; i++) {
    const start = starts[i];
    const end = ends[i];
    if (!isPage(start) || !isPage(end - 1) || start >= end) failRange(start, end);
    lasts[i] = end - 1;
  }
  return lasts;
}
