/** Reads instructions back: for messages, step tables and tests. */
import * as abi from "../core/abi.js";
import type { Image } from "./assembler.js";
import { EVENT_NAMES } from "./events.js";
import { OP_NAMES, opName } from "./ops.js";

/** One decoded instruction. */
export interface Instruction {
  readonly pc: number;
  readonly op: number;
  readonly name: string;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly imm: number;
}

/** Decodes the instruction at `pc`. */
export function decode(code: Uint32Array, pc: number): Instruction {
  const word = code[pc * 2] ?? 0;
  const imm = code[pc * 2 + 1] ?? 0;
  const op = word & 0xff;
  return {
    pc,
    op,
    name: opName(op),
    a: (word >>> 8) & 0xff,
    b: (word >>> 16) & 0xff,
    c: word >>> 24,
    imm,
  };
}

const HOOKS = ["start", "end", "secondary"];

/** `name` with the operands that matter, e.g. `pte.clear r4`, `range.begin CLEAR [r0, r1)`. */
export function describe(i: Instruction): string {
  const a = `r${i.a}`;
  const b = `r${i.b}`;
  switch (i.op) {
    case OP_NAMES.jmp:
    case OP_NAMES.jt:
    case OP_NAMES.jf:
      return `${i.name} ${i.imm}`;
    case OP_NAMES.movi:
    case OP_NAMES.djnz:
      return `${i.name} ${a}, ${i.imm}`;
    case OP_NAMES["range.begin"]:
      return `range.begin ${EVENT_NAMES[i.imm & abi.RANGE_EVENT] ?? i.imm} [${a}, ${b})`;
    case OP_NAMES["notify.begin"]:
      return `notify.${HOOKS[i.imm] ?? i.imm} [${a}, ${b})`;
    case OP_NAMES["ptl.lock"]:
      return `ptl.lock ${a}${i.c === 1 ? " (second)" : ""}`;
    case OP_NAMES["cpu.access"]:
    case OP_NAMES["dev.access"]:
    case OP_NAMES["dev.walk"]:
    case OP_NAMES["dev.resolve"]:
      return `${i.name} ${a} ${i.imm === 1 ? "write" : "read"}`;
    case OP_NAMES.await:
      return `await signal ${i.imm} >= ${i.c}`;
    case OP_NAMES.signal:
      return `signal ${i.imm}`;
    case abi.OP_PTL_UNLOCK:
      return `ptl.unlock${i.c === 1 ? " (second)" : ""}`;
    default:
      return `${i.name}${operandsOf(i)}`;
  }
}

/** Micro-ops without register operands, for which r0 would be noise. */
const BARE = new RegExp(
  "^(end|ret|nop|csd|csq|ipi|flush\\.(others|local|done)|gather\\.(full|nested|free|end)|" +
    "dev\\.(lock|unlock|seq|snap|fault|zap|count)|mmap|irq|notify|range\\.end|unmark|" +
    "mm\\.(put|free|release)|frame|table\\.free|sw\\.(lazy|unlazy))",
);

function operandsOf(i: Instruction): string {
  if (BARE.test(i.name)) return i.imm === 0 ? "" : ` #${i.imm}`;
  const parts = [`r${i.a}`];
  if (i.b !== 0 || i.c !== 0) parts.push(`r${i.b}`);
  if (i.c !== 0) parts.push(`r${i.c}`);
  if (i.imm !== 0) parts.push(`#${i.imm}`);
  return ` ${parts.join(", ")}`;
}

/** A whole program, one line an instruction. */
export function disassemble(image: Image, name: string): string {
  const start = image.entries.get(name);
  if (start === undefined) return "";
  const starts = [...image.entries.values(), image.code.length / 2].filter((pc) => pc > start);
  const stop = Math.min(...starts);
  const lines: string[] = [];
  for (let pc = start; pc < stop; pc++) {
    const note = image.notes.get(pc);
    const text = describe(decode(image.code, pc));
    lines.push(`${String(pc).padStart(5)}  ${text}${note === undefined ? "" : `  ; ${note}`}`);
  }
  return lines.join("\n");
}
