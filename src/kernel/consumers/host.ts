import * as abi from "../../core/abi.js";
import { again, op, type Program, repeat, when } from "../../program/notation.js";
import type { Consumer } from "../consumer.js";

/** Asks the host until it is done: it may take time, or wait, in between. */
function ask(hook: number, note: string): Program {
  return [repeat([when(op("host.call", { imm: hook, note }), [again])])];
}

/**
 * A device whose model is a function of the host (see src/devices). Not in the catalogue: programs
 * of explored machines and of worker threads have nobody to ask.
 */
export const host: Consumer = {
  name: "host",
  title: "the host's: its model is TypeScript",
  source: "notifiers.md 1.4 to 1.6",
  mutant: false,
  kind: "host",
  hooks: {
    start: ask(abi.HOOK_START, "host: range_start"),
    end: ask(abi.HOOK_END, "host: range_end"),
    secondary: ask(abi.HOOK_SECONDARY, "host: secondary TLB"),
    release: ask(abi.HOOK_RELEASE, "host: release"),
  },
  // What it accesses the host knows alone.
  access: () => [op("nop")],
};
