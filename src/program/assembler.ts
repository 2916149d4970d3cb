/**
 * The assembler: from notation to instructions of 8 bytes (op, a, b, c, imm u32), many programs in
 * one image. Jumps are absolute. pc 0 holds a lone `end`, so that 0 can mean "no program".
 */
import * as abi from "../core/abi.js";
import { CODE_CAPACITY } from "../core/block.js";
import { ProgramError } from "../errors.js";
import type { Node, Program } from "./notation.js";
import { OP_NAMES, type OpName } from "./ops.js";

/** Assembled programs that share one address space. */
export interface Image {
  /** Two u32 words per instruction. */
  readonly code: Uint32Array;
  /** pc of each program. */
  readonly entries: ReadonlyMap<string, number>;
  /** pc of each node of a program's own list, and behind the last. */
  readonly parts: ReadonlyMap<string, readonly number[]>;
  /** What a step table prints for an instruction, by pc. */
  readonly notes: ReadonlyMap<number, string>;
}

interface Open {
  readonly start: number;
  readonly leaves: number[];
}

/** Collects programs and emits an {@link Image}. */
export class Assembler {
  private readonly words: number[] = [0, 0];
  private readonly entries = new Map<string, number>();
  private readonly parts = new Map<string, readonly number[]>();
  private readonly notes = new Map<number, string>();

  /** Adds a program under a name; `last` ends it (`end`, or `ret` for a hook). */
  add(name: string, program: Program, last: OpName = "end"): number {
    if (this.entries.has(name)) {
      throw new ProgramError("E_DUP", `program ${name} is already in the image`, { name });
    }
    const pc = this.pc;
    this.entries.set(name, pc);
    const parts = program.map((node) => {
      const start = this.pc;
      this.emitNode(node, undefined);
      return start;
    });
    this.parts.set(name, [...parts, this.pc]);
    this.emit(OP_NAMES[last], 0, 0, 0, 0);
    if (this.pc > CODE_CAPACITY) {
      throw new ProgramError("E_LIMIT", `an image holds ${CODE_CAPACITY} instructions`, {
        name,
        limit: CODE_CAPACITY,
      });
    }
    return pc;
  }

  image(): Image {
    const { entries, parts, notes } = this;
    return { code: Uint32Array.from(this.words), entries, parts, notes };
  }

  private get pc(): number {
    return this.words.length / 2;
  }

  private emit(code: number, a: number, b: number, c: number, imm: number): number {
    const pc = this.pc;
    this.words.push(code | (a << 8) | (b << 16) | (c << 24), imm >>> 0);
    return pc;
  }

  private patch(pc: number, target: number): void {
    this.words[pc * 2 + 1] = target;
  }

  private emitAll(program: Program, open: Open | undefined): void {
    for (const node of program) this.emitNode(node, open);
  }

  private emitNode(node: Node, open: Open | undefined): void {
    if (Array.isArray(node)) {
      this.emitAll(node as Program, open);
      return;
    }
    const item = node as Exclude<Node, Program>;
    switch (item.kind) {
      case "op": {
        const pc = this.emit(OP_NAMES[item.op], item.a, item.b, item.c, item.imm);
        if (item.note !== undefined) this.notes.set(pc, item.note);
        return;
      }
      case "when":
        this.emitWhen(item.test, item.then, item.otherwise, open);
        return;
      case "while": {
        const start = this.pc;
        this.emitAll(item.test, open);
        const exit = this.emit(abi.OP_JF, 0, 0, 0, 0);
        this.emitAll(item.body, open);
        this.emit(abi.OP_JMP, 0, 0, 0, start);
        this.patch(exit, this.pc);
        return;
      }
      case "repeat": {
        const inner: Open = { start: this.pc, leaves: [] };
        this.emitAll(item.body, inner);
        for (const pc of inner.leaves) this.patch(pc, this.pc);
        return;
      }
      case "times": {
        const start = this.pc;
        this.emitAll(item.body, open);
        this.emit(abi.OP_DJNZ, item.counter.index, 0, 0, start);
        return;
      }
      case "again":
      case "leave": {
        if (!open) {
          throw new ProgramError("E_PROGRAM", `${item.kind} stands outside a repeat`, {});
        }
        const pc = this.emit(abi.OP_JMP, 0, 0, 0, open.start);
        if (item.kind === "leave") open.leaves.push(pc);
        return;
      }
    }
  }

  private emitWhen(test: Program, then: Program, otherwise: Program, open: Open | undefined): void {
    this.emitAll(test, open);
    if (then.length === 0) {
      const skip = this.emit(abi.OP_JT, 0, 0, 0, 0);
      this.emitAll(otherwise, open);
      this.patch(skip, this.pc);
      return;
    }
    const toElse = this.emit(abi.OP_JF, 0, 0, 0, 0);
    this.emitAll(then, open);
    if (otherwise.length === 0) {
      this.patch(toElse, this.pc);
      return;
    }
    const toEnd = this.emit(abi.OP_JMP, 0, 0, 0, 0);
    this.patch(toElse, this.pc);
    this.emitAll(otherwise, open);
    this.patch(toEnd, this.pc);
  }
}
