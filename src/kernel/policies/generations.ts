/** How a target, or a CPU that switches in, learns that its translations are old. */
import * as abi from "../../core/abi.js";
import { op } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";
import { flushLocal, send, wait } from "./parts.js";

/**
 * I15: a ranged flush is taken for enough if it is for the newest generation, although the slot may
 * have missed the one before it.
 */
export const newestOnly: FlushPolicy = {
  ...concurrent,
  name: "newest-only",
  title: "as concurrent, but a target does not look for requests it has missed",
  source: "shootdown.md 1.5 E8 and I15: without newGen == localGen + 1",
  mutant: true,
  completes: { data: "G0", tables: "G4" },
  info: abi.INFO_NEWEST,
};

const clear = op("slots.clear", { note: "others flush when they switch in" });

/**
 * FreeBSD's pmap: an mm has no generation. The initiator clears what other CPUs remember of it, and
 * interrupts those that run it: they flush, whatever they remember.
 */
export const clearedSlots: FlushPolicy = {
  ...concurrent,
  name: "cleared-slots",
  title: "as concurrent; in place of a generation, the other CPUs' slots are cleared",
  source: "shootdown.md I16; FreeBSD pmap_invalidate_preipi (r368649)",
  shootdown: [clear, send, flushLocal, wait],
  info: abi.INFO_SLOTS,
};

/** I16: who is not told may switch in before its slot is cleared. */
export const clearedSlotsLate: FlushPolicy = {
  ...clearedSlots,
  name: "cleared-slots-late",
  title: "as cleared-slots, but they are cleared after the others were interrupted",
  source: "shootdown.md I16; FreeBSD r362031, fixed by r368649",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  shootdown: [send, clear, flushLocal, wait],
};
