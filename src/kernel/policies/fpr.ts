import * as abi from "../../core/abi.js";
import { op, type Program, when } from "../../program/notation.js";
import type { Deferral } from "../defers.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";

/** Frames stay in the process and nobody is told; if that cannot be, everybody is. */
const postOrSend: Program = [
  when(op("defer.post", { note: "frames stay in the process?" }), [], concurrent.shootdown),
];

const contract: Deferral = {
  eligible: "recycled",
  flushFirst: ["mapped"],
  takeoff: "flushed",
};

/**
 * P8, recycling of frames within a process: munmap tells nobody. A stale access reaches memory of
 * the same process, until its frame goes to another one, or the address is mapped again (ABA):
 * either is flushed for first.
 */
export const fpr: FlushPolicy = {
  ...concurrent,
  name: "fpr",
  title: "munmap's frames are used again by the same process unflushed",
  source: "shootdown.md P8; Fast Page Recycling, arXiv 2409.10946 (abstract)",
  shootdown: postOrSend,
  defers: contract,
  options: abi.OPT_BATCH | abi.OPT_DEFER,
};

/** A frame goes to another process that others of the first one can still use. */
export const fprLeaky: FlushPolicy = {
  ...fpr,
  name: "fpr-leaky",
  title: "as fpr, but nobody flushes when a frame leaves the process",
  source: "shootdown.md P8: cross-process leak",
  mutant: true,
  defers: { ...contract, takeoff: "never" },
};

/** The address is mapped again, and others still reach what was there before. */
export const fprAba: FlushPolicy = {
  ...fpr,
  name: "fpr-aba",
  title: "as fpr, but addresses are given out again unflushed",
  source: "shootdown.md P8: versioned addresses against ABA",
  mutant: true,
  defers: { ...contract, flushFirst: [] },
};
