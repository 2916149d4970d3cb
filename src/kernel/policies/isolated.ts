/**
 * Page-table isolation: user code runs in page tables, and under PCIDs, of its own. A flush has two
 * halves. The kernel's is flushed as ever; the user half by address, or by the CR3 write that loads
 * it next, for which it is marked.
 */
import * as abi from "../../core/abi.js";
import { op, type Program } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";

const SOURCE = "shootdown.md 1.2 and 1.5 E8; Linux 6fd166aae78c and 6cff64b86aaa";

const load = (how: number, note: string): Program => [op("pti.exit", { imm: how, note })];
const honoured = load(abi.PTI_LOAD | abi.PTI_FLUSH, "load user half, flushed if marked");

/** How a machine with page-table isolation differs from the usual. */
export interface IsolationKnobs {
  /**
   * `address`: ranges are flushed by address in both halves. `exit`: the user half of a range of
   * more than H_PTI_PAGES pages (8; 1 in explored machines) is left to the next exit.
   */
  readonly user?: "address" | "exit";
  /**
   * What an exit does with a mark: it flushes in the same CR3 write, in an instruction of its own
   * behind it, or not at all. The last two are broken.
   */
  readonly interruptExit?: "flush" | "late" | "blind";
  /** After a flush of kernel pages the ASIDs that are not loaded are trusted, which is broken. */
  readonly trustOthers?: boolean;
}

const EXITS: Record<NonNullable<IsolationKnobs["interruptExit"]>, Program> = {
  flush: honoured,
  late: [
    ...load(abi.PTI_LOAD, "load user half, not flushed (broken)"),
    ...load(abi.PTI_FLUSH, "flush it if marked (too late)"),
  ],
  blind: load(abi.PTI_LOAD, "load user half, mark or no mark (broken)"),
};

/**
 * The same policy on a machine with page-table isolation. System calls, faults, interrupts and
 * context switches load the kernel half, and the user half again on their way back.
 */
export function isolated(policy: FlushPolicy, knobs: IsolationKnobs = {}): FlushPolicy {
  return {
    ...policy,
    handler: [
      op("pti.enter", { note: "interrupt: load kernel half" }),
      policy.handler,
      EXITS[knobs.interruptExit ?? "flush"],
    ],
    isolation: {
      exit: honoured,
      info: knobs.user === "exit" ? abi.INFO_USER_LATER : 0,
      kernelInfo: knobs.trustOthers === true ? abi.INFO_TRUST : 0,
    },
    options: (policy.options ?? 0) | abi.OPT_PTI,
  };
}

/** Both halves by address; a full flush marks the user half. */
export const pti: FlushPolicy = {
  ...isolated(concurrent),
  name: "pti",
  title: "as concurrent, with page-table isolation: both halves are flushed",
  source: SOURCE,
};

/** P15: the user half waits for the CR3 write that loads it. */
export const inContext: FlushPolicy = {
  ...isolated(concurrent, { user: "exit" }),
  name: "in-context",
  title: "as pti; the user half of longer ranges is left to the return to user mode",
  source: "shootdown.md P15; Amit, Tai, Wei, EuroSys 2020 (recalled); Hansen 2017 [K14]",
  completes: { data: "G2", tables: "G4" },
};

/** An interrupt returns to user mode without a look at the mark. */
export const inContextBlind: FlushPolicy = {
  ...isolated(concurrent, { user: "exit", interruptExit: "blind" }),
  name: "in-context-blind",
  title: "as in-context, but the exit from interrupts does not honour the mark",
  source: "shootdown.md P15: every exit to user honours the mark",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
};

/** The user half is loaded, and speculated in, before it is flushed. */
export const inContextLate: FlushPolicy = {
  ...isolated(concurrent, { user: "exit", interruptExit: "late" }),
  name: "in-context-late",
  title: "as in-context, but interrupts load the user half first and flush it then",
  source: "shootdown.md P15: no speculation gap before it",
  mutant: true,
  completes: { data: "G2", tables: "G2" },
};

/** A kernel page is flushed in the loaded ASID only. */
export const ptiTrust: FlushPolicy = {
  ...isolated(concurrent, { trustOthers: true }),
  name: "pti-trust-others",
  title: "as pti, but a flush of kernel pages forgets the ASIDs that are not loaded",
  source: "shootdown.md 1.2 invalidateOther",
  mutant: true,
};
