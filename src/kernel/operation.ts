/**
 * Operations: what the kernel does on behalf of a thread, as programs. Adding one is one file like
 * those in `operations/`, and its registration.
 */
import { ProgramError } from "../errors.js";
import { op, type Program, type Reg } from "../program/notation.js";
import type { Completions } from "./completion.js";
import type { Kit } from "./kit.js";

/** What an operation's parameters mean to the STALE oracle: the range it promises to settle. */
export type Promise = "range" | "page" | "all" | "none";

/**
 * Where an operation runs: in the kernel, and then back to user mode; in user mode, entering the
 * kernel by itself; or it ends in the idle loop, which is in the kernel.
 */
export type Mode = "kernel" | "user" | "idle";

/** A kernel operation. */
export interface Operation {
  readonly name: string;
  /** Registers r0 …, in this order, hold these when it starts. Pages are vpns, ranges half-open. */
  readonly params: readonly string[];
  readonly summary: string;
  readonly source: string;
  /** Runs in the CPU's own context with interrupts off (context switches). */
  readonly onCpu: boolean;
  /** A deliberately broken variant, there to be caught. */
  readonly mutant: boolean;
  /** Of pinned pages: only images whose scripts or consumers use such operations have it. */
  readonly pins?: true;
  /** What it relies on when a flush it asked for has returned; not given: nothing. */
  readonly needs?: Partial<Completions>;
  build(kit: Kit): Program;
}

type Regs<P extends readonly string[]> = { readonly [K in P[number]]: Reg };

interface Options {
  readonly summary: string;
  readonly source: string;
  readonly settles: Promise;
  /**
   * Nobody relies on its return: stale uses of its range are tolerated while it runs, but what
   * another operation has not flushed yet when it returns is none of its business.
   */
  readonly silent?: boolean;
  readonly onCpu?: boolean;
  readonly mutant?: boolean;
  readonly pins?: true;
  readonly needs?: Partial<Completions>;
  /** `kernel` by default. */
  readonly mode?: Mode;
}

/** Pages are freed, moved or lose permissions; tables stay. */
export const NEEDS_DATA: Partial<Completions> = { data: "G2" };
/** Page-table pages are freed, too. */
export const NEEDS_TABLES: Partial<Completions> = { data: "G2", tables: "G4" };

const ids = new Map<string, number>();

/** Number of an operation in marks and event logs; stable within a process. */
export function operationId(name: string): number {
  const known = ids.get(name);
  if (known !== undefined) return known;
  ids.set(name, ids.size + 1);
  return ids.size;
}

/** Name of an operation by number. */
export function operationName(id: number): string {
  for (const [name, known] of ids) if (known === id) return name;
  return `operation ${id}`;
}

/**
 * Defines an operation. `settles` says which pages its return is a promise about: `range` (its
 * first two parameters), `page` (its first), `all`, or `none`.
 */
export function operation<const P extends readonly string[]>(
  name: string,
  params: P,
  options: Options,
  build: (kit: Kit, regs: Regs<P>) => Program,
): Operation {
  operationId(name);
  return {
    name,
    params,
    summary: options.summary,
    source: options.source,
    onCpu: options.onCpu ?? false,
    mutant: options.mutant ?? false,
    ...(options.needs === undefined ? {} : { needs: options.needs }),
    ...(options.pins === undefined ? {} : { pins: options.pins }),
    build: (kit) => {
      const list = params.map((param) => kit.regs.param(param));
      const regs = Object.fromEntries(params.map((param, i) => [param, list[i]])) as Regs<P>;
      const mode = options.mode ?? "kernel";
      return [
        mode === "user" ? [] : kit.enter,
        marked(kit, name, options.settles, list, () => build(kit, regs)),
        options.settles === "none"
          ? []
          : op("unmark", { imm: options.silent === true ? 0 : 1, note: `${name} returns` }),
        mode === "kernel" ? kit.leave : [],
      ];
    },
  };
}

function marked(
  kit: Kit,
  name: string,
  settles: Promise,
  params: readonly Reg[],
  body: () => Program,
): Program {
  const imm = operationId(name);
  const note = `${name} begins`;
  const [first, second] = params;
  if (settles === "none") return body();
  if (settles === "range") {
    if (!first || !second) {
      throw new ProgramError("E_PROGRAM", `${name} settles a range but has no two parameters`);
    }
    return [op("mark", { a: first, b: second, imm, note }), body()];
  }
  if (settles === "page") {
    if (!first) throw new ProgramError("E_PROGRAM", `${name} settles a page but has no parameter`);
    return [
      kit.regs.scope(["next"], (next) => [
        op("addi", { a: next, b: first, imm: 1 }),
        op("mark", { a: first, b: next, imm, note }),
      ]),
      body(),
    ];
  }
  return [
    kit.regs.scope(["zero", "all"], (zero, all) => [
      kit.set(zero, 0),
      kit.set(all, Infinity),
      op("mark", { a: zero, b: all, imm, note }),
    ]),
    body(),
  ];
}
