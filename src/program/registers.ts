/** Register allocation of one program: names to r0 … r10, released when their block ends. */
import { ProgramError } from "../errors.js";
import type { Program, Reg } from "./notation.js";

/** Registers a program may name. */
export const REGISTERS = 11;

/** Hands out registers while a program is being built. */
export class Registers {
  private next = 0;

  /** @param limit - registers it may hand out; the rest belongs to whoever wraps the program */
  constructor(private readonly limit = REGISTERS) {}

  /** Takes the next register for good. */
  param(name: string): Reg {
    if (this.next >= this.limit) {
      throw new ProgramError("E_PROGRAM", `${name}: a program has ${this.limit} registers`, {
        argument: name,
        limit: this.limit,
      });
    }
    return { kind: "reg", index: this.next++, name };
  }

  /** Registers that live as long as `build` takes: the pieces it returns may use them. */
  scope<const N extends readonly string[]>(
    names: N,
    build: (...regs: { [K in keyof N]: Reg }) => Program,
  ): Program {
    const before = this.next;
    const regs = names.map((name) => this.param(name)) as unknown as { [K in keyof N]: Reg };
    const program = build(...regs);
    this.next = before;
    return program;
  }
}
