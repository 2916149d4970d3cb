/** Brackets: what range_start returns and range_end takes. */
import type { Bracket, NotifierEvent } from "./types.js";

/** See the file comment. */
export class OpenBracket implements Bracket {
  open = true;

  /** @param mm - whose bracket it is */
  constructor(
    readonly mm: object,
    readonly start: number,
    readonly end: number,
    readonly event: NotifierEvent,
    readonly blockable: boolean,
    readonly owner: unknown,
  ) {}
}
