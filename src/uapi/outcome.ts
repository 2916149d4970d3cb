/**
 * What a call of the kernel's interface gave. Kernels fail by design, so this is a value, not an
 * exception: exceptions are for callers that misuse the library.
 */
import type { Errno } from "./errno.js";

/** It did what was asked. */
export interface Done<T> {
  readonly ok: true;
  /** What the caller sees. */
  readonly value: T;
}

/** It failed, and nothing but what its documentation names has changed. */
export interface Failed {
  readonly ok: false;
  /** What the caller sees. */
  readonly errno: Errno;
  /** The errno inside the kernel, before anything flattened it. Usually the same. */
  readonly inner: Errno;
  /** Which check it was: a stable word, like `no-mapping` or `over-rlimit`. */
  readonly cause: string;
  /** For people: the numbers behind the cause. */
  readonly message: string;
  /** Element of the request at which it failed, if it has elements. */
  readonly index?: number;
}

/** One of both. */
export type Outcome<T> = Done<T> | Failed;

export function done<T>(value: T): Done<T> {
  return { ok: true, value };
}

export function failed(errno: Errno, cause: string, message: string, index?: number): Failed {
  const failure = { ok: false, errno, inner: errno, cause, message } as const;
  return index === undefined ? failure : { ...failure, index };
}

/** The same failure as its caller sees it. */
export function flattened(failure: Failed, errno: Errno): Failed {
  return { ...failure, errno };
}
