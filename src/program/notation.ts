/**
 * The notation: programs as nested lists of nodes, read top to bottom like the site table they
 * re-express. Pure data; the assembler turns it into instructions.
 */
import type { OpName } from "./ops.js";

/** A register of the running context, r0 … r10 (r11 belongs to the context switch). */
export interface Reg {
  readonly kind: "reg";
  readonly index: number;
  readonly name: string;
}

/** One micro-op. */
export interface OpNode {
  readonly kind: "op";
  readonly op: OpName;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly imm: number;
  /** Shown instead of the registers in a step table. */
  readonly note?: string;
}

/** Runs `test`, whose last micro-op sets the flag, then one of the branches. */
export interface WhenNode {
  readonly kind: "when";
  readonly test: Program;
  readonly then: Program;
  readonly otherwise: Program;
}

/** While `test` sets the flag, runs `body`. */
export interface WhileNode {
  readonly kind: "while";
  readonly test: Program;
  readonly body: Program;
}

/** Runs `body` again as long as `again` says so, or until `leave`. */
export interface RepeatNode {
  readonly kind: "repeat";
  readonly body: Program;
}

/** Counts a register down to zero around `body`. */
export interface TimesNode {
  readonly kind: "times";
  readonly counter: Reg;
  readonly body: Program;
}

/** Inside a repeat: start it over, or go on behind it. */
export interface JumpNode {
  readonly kind: "again" | "leave";
}

/** Anything a program is made of; lists nest freely. */
export type Node = OpNode | WhenNode | WhileNode | RepeatNode | TimesNode | JumpNode | Program;
/** A piece of a program. */
export type Program = readonly Node[];

/** Operands of {@link op}. */
export interface Operands {
  readonly a?: Reg;
  readonly b?: Reg;
  readonly c?: Reg;
  readonly slot?: number;
  readonly imm?: number;
  readonly note?: string;
}

/** A micro-op. */
export function op(name: OpName, operands: Operands = {}): OpNode {
  const node = {
    kind: "op" as const,
    op: name,
    a: operands.a?.index ?? 0,
    b: operands.b?.index ?? 0,
    c: operands.c?.index ?? operands.slot ?? 0,
    imm: operands.imm ?? 0,
  };
  return operands.note === undefined ? node : { ...node, note: operands.note };
}

/** If the last micro-op of `test` sets the flag: `then`, else `otherwise`. */
export function when(test: Node, then: Program, otherwise: Program = []): WhenNode {
  return { kind: "when", test: [test], then, otherwise };
}

/** The opposite of {@link when}. */
export function unless(test: Node, then: Program): WhenNode {
  return { kind: "when", test: [test], then: [], otherwise: then };
}

export function whilst(test: Node, body: Program): WhileNode {
  return { kind: "while", test: [test], body };
}

/** Runs `body` once; `again` in it starts over, `leave` ends it. */
export function repeat(body: Program): RepeatNode {
  return { kind: "repeat", body };
}

/** Runs `body` as often as `counter` says (at least once); the register is used up. */
export function times(counter: Reg, body: Program): TimesNode {
  return { kind: "times", counter, body };
}

export const again: JumpNode = { kind: "again" };
export const leave: JumpNode = { kind: "leave" };
