/** What is done and timed. */
export interface Work {
  /** Call number `call` of it; a checksum. */
  run(call: number): number;
  /** What was found after the work was done once, as one number. */
  proof(): number;
  /** Not timed, before each call. */
  before?(call: number): void;
}
