/**
 * The brackets that operations of a machine have open, as devices of the host see them. Why one was
 * opened, and whether it may sleep, stands in the program: the core keeps only how many are open.
 */
import * as abi from "../core/abi.js";
import type { Core } from "../core/core.js";
import { CTX } from "../core/layout.js";
import type { NotifierRange } from "../notifiers/types.js";
import type { Image } from "../program/assembler.js";
import { decode } from "../program/disassembler.js";
import { EVENT_NAMES } from "../program/events.js";

/** One bracket of one context. */
export interface HostBracket {
  readonly range: NotifierRange;
  /** Open brackets of its context, itself included; 0: a notification without one. */
  readonly depth: number;
  /** Devices that were told of its start, refused it, were told of its end. */
  readonly told: Set<number>;
  readonly refused: Set<number>;
  readonly ended: Set<number>;
}

/** See the file comment. */
export class Brackets {
  private readonly open = new Map<number, HostBracket[]>();

  constructor(
    private readonly image: Image,
    /** Pages of an address space: ranges that are longer end there. */
    private readonly pages: number,
  ) {}

  /** The bracket that `context` tells `device` the start of. */
  at(core: Core, context: number, device: number, owner: unknown): HostBracket {
    const stack = this.stackOf(context);
    const row = core.ctx(context);
    const depth = core.read(CTX, row, "brackets");
    const last = stack.at(-1);
    if (last?.depth === depth && !last.told.has(device) && last.ended.size === 0) return last;
    const bracket: HostBracket = {
      range: { ...this.begun(core, row), owner },
      depth,
      told: new Set(),
      refused: new Set(),
      ended: new Set(),
    };
    // Those whose end nobody was told of are over.
    while ((stack.at(-1)?.depth ?? -1) >= depth) stack.pop();
    stack.push(bracket);
    return bracket;
  }

  /** The one whose end it tells; undefined if the device was not told of the start, or refused. */
  ending(core: Core, context: number, device: number): HostBracket | undefined {
    const depth = core.read(CTX, core.ctx(context), "brackets");
    const bracket = this.stackOf(context).findLast((one) => one.depth === depth);
    const isTold = bracket?.told.has(device) === true && !bracket.refused.has(device);
    return isTold && !bracket.ended.has(device) ? bracket : undefined;
  }

  /** It has been told. */
  ended(context: number, bracket: HostBracket, device: number): void {
    bracket.ended.add(device);
    const stack = this.stackOf(context);
    if (bracket.ended.size < bracket.told.size - bracket.refused.size) return;
    const at = stack.indexOf(bracket);
    if (at >= 0) stack.splice(at);
  }

  /** Has anybody refused the innermost bracket? */
  wasRefused(core: Core, context: number): boolean {
    const depth = core.read(CTX, core.ctx(context), "brackets");
    const stack = this.stackOf(context);
    const at = stack.findLastIndex((one) => one.depth === depth);
    if (at < 0 || stack[at].refused.size === 0) return false;
    // Nobody is left whose end would take it away.
    if (stack[at].refused.size === stack[at].told.size) stack.splice(at);
    return true;
  }

  private stackOf(context: number): HostBracket[] {
    let stack = this.open.get(context);
    if (stack === undefined) this.open.set(context, (stack = []));
    return stack;
  }

  /** What the program says of it: `range.begin`, `notify.begin`, `notify.next`, who calls hooks. */
  private begun(core: Core, row: number): Omit<NotifierRange, "owner"> {
    const next = core.u16[(row + CTX.fields.stack.offset) >> 1];
    const begin = decode(this.image.code, next - 2);
    const isBracket = begin.op === abi.OP_RANGE_BEGIN;
    return {
      start: core.read(CTX, row, "hStart"),
      end: Math.min(core.read(CTX, row, "hEnd"), this.pages),
      event: isBracket ? EVENT_NAMES[begin.imm & abi.RANGE_EVENT] : "CLEAR",
      blockable: !isBracket || begin.c === 0,
    };
  }
}
