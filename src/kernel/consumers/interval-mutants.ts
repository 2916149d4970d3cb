/** Callbacks of subscribers that break a rule, and what a sound driver does instead. */
import * as abi from "../../core/abi.js";
import { op, type Program, unless, when } from "../../program/notation.js";
import type { Consumer } from "../consumer.js";
import { synchronize } from "../subscribers.js";
import { letGo } from "../subscriber-steps.js";
import { interval, mirroredAccess, tearDown, underLock } from "./interval.js";
import { mirrorEnd, mirroring, mirrorStart } from "./mirroring.js";

/** S11, mutant. */
export const intervalNoWait: Consumer = {
  ...interval,
  name: "interval-no-wait",
  title: "interval whose readBegin does not wait",
  source: "notifiers.md S11, mutant: skip the sleep",
  mutant: true,
  access: mirroredAccess([]),
};

/** S28: the change it makes itself tells it to begin again. */
export const intervalUnfiltered: Consumer = {
  ...interval,
  name: "interval-unfiltered",
  title: "interval that does not know its own changes",
  source: "notifiers.md S28, mutant: no owner filter",
  mutant: true,
  interval: { invalidate: underLock(tearDown) },
};

function leaving(name: string, title: string, mutant: boolean, leave: Program): Consumer {
  return {
    ...interval,
    name,
    title,
    source: "notifiers.md S13",
    mutant,
    interval: {
      invalidate: underLock([
        op("seq.set", { note: "readers retry" }),
        op("dev.zap", { imm: abi.ZAP_ALL, note: "zap all entries" }),
        op("dev.unlock"),
        leave,
      ]),
    },
  };
}

/** S13. */
export const intervalRemoves = leaving(
  "interval-removes",
  "interval whose callback removes it, and waits",
  true,
  [
    unless(op("itree.remove", { imm: abi.REMOVE_TOLD, note: "remove itself" }), [
      op("seq.wait", { note: "wait for the bracket" }),
    ]),
  ],
);

export const intervalRemovesDeferred = leaving(
  "interval-removes-deferred",
  "interval whose callback removes it without waiting",
  false,
  [
    op("itree.remove", {
      imm: abi.REMOVE_TOLD | abi.REMOVE_DEFERRED,
      note: "remove itself, deferred",
    }),
  ],
);

/** S27: reclaim, on behalf of the callback, opens a bracket that tells it. */
export const intervalReclaims: Consumer = {
  ...interval,
  name: "interval-reclaims",
  title: "interval whose callback allocates with reclaim allowed, under its lock",
  source: "notifiers.md S27",
  mutant: true,
  interval: {
    invalidate: underLock([
      op("itree.start", {
        imm: abi.START_AGAIN | abi.EVENT_CLEAR,
        note: "allocate: reclaim opens a bracket",
      }),
      op("itree.next"),
      tearDown,
    ]),
  },
};

function leavingList(name: string, title: string, mutant: boolean, leave: Program): Consumer {
  return {
    ...mirroring,
    name,
    title,
    source: "notifiers.md S15",
    mutant,
    hooks: { start: [letGo, leave] },
  };
}

/** S15. */
export const classicUnregisters = leavingList(
  "classic-unregisters",
  "classic subscriber whose callback unregisters it",
  true,
  [op("sub.unlink", { imm: abi.UNLINK_ONE, note: "unlink" }), synchronize],
);

export const classicPuts = leavingList(
  "classic-puts",
  "classic subscriber whose callback puts it",
  false,
  [op("sub.unlink", { imm: abi.UNLINK_PUT, note: "put" })],
);

const maySleep = op("hook.ask", { imm: abi.ASK_SLEEP, note: "may sleep?" });
const refuse = op("hook.refuse", { note: "refuse" });

/** S16, S17: refuses what may not sleep, and has no end to be missed. */
export const classicRefuses: Consumer = {
  ...mirroring,
  name: "classic-refuses",
  title: "classic subscriber that refuses brackets that may not sleep, without range_end",
  source: "notifiers.md S16, Q; 1.1: who can fail has no range_end",
  hooks: {
    start: [
      when(
        maySleep,
        [
          op("dev.lock"),
          op("dev.seq", { note: "sequence + 1" }),
          op("dev.zap", { imm: abi.ZAP_RANGE, note: "zap shadow entries" }),
          op("dev.unlock"),
        ],
        [refuse],
      ),
    ],
  },
};

/** S16: the end that it hears of belongs to a beginning that it has refused. */
export const classicRefusesEnds: Consumer = {
  ...mirroring,
  name: "classic-refuses-ends",
  title: "classic subscriber that can refuse and has a range_end",
  source: "notifiers.md S16, AGP's old driver",
  mutant: true,
  hooks: { start: [when(maySleep, mirrorStart, [refuse])], end: mirrorEnd },
};
