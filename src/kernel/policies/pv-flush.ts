import * as abi from "../../core/abi.js";
import { op } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";
import { flushLocal, send, wait } from "./parts.js";

/** P22: a vCPU that is preempted is marked instead of told; it flushes before it goes on. */
export const pvFlush: FlushPolicy = {
  ...concurrent,
  name: "pv-flush",
  title: "as concurrent; preempted vCPUs are marked, and flush when they are resumed",
  source: "shootdown.md P22; Linux kvm_flush_tlb_multi",
  options: abi.OPT_PV_FLUSH,
};

/** I21: the mark is left although the vCPU has been resumed since it was looked at. */
export const pvFlushBlind: FlushPolicy = {
  ...pvFlush,
  name: "pv-flush-blind",
  title: "as pv-flush, but the mark is not left in the same step as the look",
  source: "shootdown.md I21",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  shootdown: [
    op("pv.note", { note: "which targets are preempted?" }),
    send,
    op("pv.flag", { note: "mark those" }),
    flushLocal,
    wait,
  ],
  options: abi.OPT_PV_FLUSH | abi.OPT_PV_BLIND,
};

/** The hypervisor does not look at the mark. */
export const pvFlushLost: FlushPolicy = {
  ...pvFlush,
  name: "pv-flush-lost",
  title: "as pv-flush, but nobody flushes when the vCPU is resumed",
  source: "shootdown.md P22: the host must observe the flag at every entry",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  options: abi.OPT_PV_FLUSH | abi.OPT_PV_LOST,
};
