/** The core's counters by name. Counts of simulated deeds; ns where the name says so. */
import * as abi from "./core/abi.js";
import type { Core } from "./core/core.js";

const INDEX = {
  steps: abi.CT_STEPS,
  flushLocal: abi.CT_FLUSH_LOCAL,
  flushRemote: abi.CT_FLUSH_REMOTE,
  flushFull: abi.CT_FLUSH_FULL,
  flushPages: abi.CT_FLUSH_PAGES,
  sends: abi.CT_SEND,
  messages: abi.CT_CSD,
  ipis: abi.CT_IPI,
  spared: abi.CT_SPARED,
  coalesced: abi.CT_COALESCED,
  filtered: abi.CT_FILTERED,
  wrongCpu: abi.CT_WRONG_CPU,
  skipped: abi.CT_SKIPPED,
  switches: abi.CT_SWITCH,
  switchFlushes: abi.CT_SWITCH_FLUSH,
  rollovers: abi.CT_ROLLOVER,
  stolenNs: abi.CT_STOLEN_NS,
  notifyStart: abi.CT_NOTE_START,
  notifyEnd: abi.CT_NOTE_END,
  notifySecondary: abi.CT_NOTE_SECONDARY,
  tlbHits: abi.CT_TLB_HIT,
  tlbMisses: abi.CT_TLB_MISS,
  deviceHits: abi.CT_DEV_HIT,
  deviceMisses: abi.CT_DEV_MISS,
  deviceFaults: abi.CT_DEV_FAULT,
  operations: abi.CT_OPS,
  framesFreed: abi.CT_FREED,
  hazards: abi.CT_HAZARDS,
  retries: abi.CT_RETRY,
  flushRequests: abi.CT_FLUSHES,
  latencyNs: abi.CT_LATENCY_NS,
  framesAllocated: abi.CT_ALLOCS,
  deviceZaps: abi.CT_DEV_ZAP,
  /** What notifications have taken, by the prices of the device. */
  deviceNs: abi.CT_DEV_NS,
  /** Most retries of one access of a device that has a limit; of several devices their sum. */
  deviceRetries: abi.CT_DEV_RETRIES,
  broadcasts: abi.CT_BROADCAST,
} as const;

/** Totals over all actors since the machine was created. */
export type Counters = { readonly [K in keyof typeof INDEX]: number };

/** Reads the counters of one actor: CPUs first, then devices. */
export function readActorCounters(core: Core, actor: number): Counters {
  const entries = Object.entries(INDEX).map(([name, index]) => [name, core.counter(actor, index)]);
  return Object.fromEntries(entries) as Counters;
}

/** Reads all counters, summed over actors. */
export function readCounters(core: Core): Counters {
  const entries = Object.entries(INDEX).map(([name, index]) => [name, core.total(index)]);
  return Object.fromEntries(entries) as Counters;
}
