/**
 * Every failure the library reports on purpose: one base class, one string code per cause.
 *
 * Callers branch on `code` (stable across releases), people read `message` (which names the
 * argument and the limit it broke), and programs that need the numbers read `details`.
 */

/** Stable, machine-readable cause of a {@link ShootdownError}. */
export type ErrorCode =
  | "E_TYPE"
  | "E_ADDR_RANGE"
  | "E_ALIGN"
  | "E_EMPTY"
  | "E_OVERFLOW"
  | "E_INVERTED"
  | "E_EXISTS"
  | "E_COUNT"
  | "E_UNBALANCED"
  | "E_DUP"
  | "E_NOENT"
  | "E_FOREIGN"
  | "E_DISPOSED"
  | "E_BUSY"
  | "E_BUDGET"
  | "E_LIMIT"
  | "E_OFFLINE"
  | "E_NOMEM"
  | "E_WORKER_LOST"
  | "E_WORKER_STUCK"
  | "E_ENV"
  | "E_TRUNCATED"
  | "E_CORRUPT"
  | "E_PARSE"
  | "E_VERSION"
  | "E_IO"
  | "E_POLICY"
  | "E_DEADLOCK"
  | "E_FATAL"
  | "E_EXITED"
  | "E_TIME"
  | "E_PROGRAM"
  | "E_INTERNAL";

/** Facts about a failure, keyed by name: the argument, its value, the limit, a line number. */
export type ErrorDetails = Record<string, unknown>;

/** Base of all errors thrown by this library. */
export class ShootdownError extends Error {
  // A literal, not constructor.name: minifiers rename classes.
  override readonly name: string = "ShootdownError";
  /** Why it failed, for programs. */
  readonly code: ErrorCode;
  /** The numbers and names behind the message. */
  readonly details: ErrorDetails;

  /**
   * @param code - stable cause
   * @param message - sentence that names the argument and the limit
   * @param details - the same facts as values
   * @param options - `cause`, when another error lies underneath
   */
  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** A recording could not be read: wrong format, damaged, cut short, or out of order. */
export class TraceError extends ShootdownError {
  override readonly name: string = "TraceError";
}

/** An argument has the wrong type, or lies outside its documented range. */
export class ArgumentError extends ShootdownError {
  override readonly name: string = "ArgumentError";
}

/** A fixed capacity or a budget ran out. */
export class CapacityError extends ShootdownError {
  override readonly name: string = "CapacityError";
}

/** A simulated program or scenario is ill-formed. */
export class ProgramError extends ShootdownError {
  override readonly name: string = "ProgramError";
}

/** An object was used after it had been disposed. */
export class DisposedError extends ShootdownError {
  override readonly name: string = "DisposedError";
}

/** A worker thread died, hung, or could not be started. */
export class WorkerError extends ShootdownError {
  override readonly name: string = "WorkerError";
}

/**
 * True for any error this library raised on purpose.
 *
 * @param error - anything caught
 */
export function isShootdownError(error: unknown): error is ShootdownError {
  return error instanceof ShootdownError;
}
