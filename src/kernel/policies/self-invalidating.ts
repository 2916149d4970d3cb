import type { FlushPolicy } from "../policy.js";
import { latr } from "./latr.js";

/**
 * P10: TLB entries have a lifetime and drop themselves when it is over. What munmap frees is not
 * flushed for on other CPUs: frames and address range are withheld until the longest lifetime is
 * over. Everything else is as concurrent.
 */
export const selfInvalidating: FlushPolicy = {
  ...latr,
  name: "self-invalidating",
  title: "TLB entries drop themselves; munmap tells nobody and withholds frames that long",
  source: "shootdown.md P10; Awad et al., PACT 2017 (recalled)",
  lifetimes: "outlasted",
};

/** Use after free at lifetime + e: frames come back when most entries are gone, but not all. */
export const selfInvalidatingEarly: FlushPolicy = {
  ...selfInvalidating,
  name: "self-invalidating-early",
  title: "as self-invalidating, but frames are withheld for less than the longest lifetime",
  source: "shootdown.md P10: frames withheld until the longest lifetime is over",
  mutant: true,
  lifetimes: "cut-short",
};

/** Then there is no longest lifetime. */
export const selfInvalidatingRenewed: FlushPolicy = {
  ...selfInvalidating,
  name: "self-invalidating-renewed",
  title: "as self-invalidating, but an entry that is used begins to live anew",
  source: "shootdown.md P10: the lifetime has an end",
  mutant: true,
  lifetimes: "renewed",
};

/** Entries of what was there before may still be used. */
export const selfInvalidatingReused: FlushPolicy = {
  ...selfInvalidating,
  name: "self-invalidating-reused",
  title: "as self-invalidating, but addresses are given out again at once",
  source: "shootdown.md P10, as I18 (b)",
  mutant: true,
  parks: "reused",
};
