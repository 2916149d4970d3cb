/** Device models of an embedder, as functions of the host: what they are told, and may answer. */
import type { NotifierRange } from "../notifiers/types.js";
import type { Steps } from "./wait.js";

/** What a callback may know and say of the moment it is called at. */
export interface DeviceCall {
  /** CPU whose operation called. */
  readonly cpu: number;
  /** ns of simulated time. */
  readonly now: number;
  /** The callback takes so many ns longer, which the operation pays; 0 to 2^31. */
  spend(ns: number): void;
}

/**
 * Callbacks of one device. Any of them may be a generator: then it can yield ns that it takes, and
 * queues that it waits for, in between. The same range object comes at start and end of a bracket.
 */
export interface DeviceOps {
  /**
   * range_start: pages of `range` are about to change; they still are what they were. False refuses
   * a range that is not blockable; any other refusal is counted and has no effect.
   */
  rangeStart?(range: NotifierRange, call: DeviceCall): boolean | undefined | Steps<boolean>;
  /** range_end: they have changed. */
  rangeEnd?(range: NotifierRange, call: DeviceCall): undefined | Steps<void>;
  /** The secondary TLB is to forget [start, end), as given; `end` may be Infinity. Never waits. */
  secondary?(start: number, end: number, call: DeviceCall): undefined | Steps<void>;
  /** The mm goes, before its pages are freed. What its teardown unmaps is told afterwards. */
  release?(call: DeviceCall): undefined | Steps<void>;
}

/** How often a device was asked. */
export interface DeviceCounters {
  starts: number;
  ends: number;
  secondaries: number;
  releases: number;
  /** Brackets it refused. */
  refused: number;
  /** Refusals of blockable ones: without effect, the kernel warns. */
  ignored: number;
  /** ns its callbacks took, without what they waited. */
  ns: number;
}
