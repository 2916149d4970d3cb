/** Idle CPUs that poll are told without an interrupt (shootdown.md 1.4). */
import * as abi from "../../core/abi.js";
import { op, whilst } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";
import { flushLocal, wait } from "./parts.js";

export const idlePoll: FlushPolicy = {
  ...concurrent,
  name: "idle-poll",
  title: "as concurrent; CPUs whose idle loop polls are told without an interrupt",
  source: "shootdown.md 1.4; Linux set_nr_if_polling and flush_smp_call_function_queue",
  polls: true,
  options: abi.OPT_POLL,
};

/** Looks first and decides later: by then the poller may have left its loop. */
export const idlePollStale: FlushPolicy = {
  ...idlePoll,
  name: "idle-poll-stale",
  title: "as idle-poll, but a CPU that has left its loop meanwhile counts as polling",
  source: "shootdown.md 1.4: the look and the write must be one step",
  mutant: true,
  shootdown: [
    op("poll.note", { note: "who polls?" }),
    whilst(op("csd.send", { note: "queue csd for next target" }), []),
    op("ipi.send", { imm: 1, note: "send IPI to those that did not" }),
    flushLocal,
    wait,
  ],
};
