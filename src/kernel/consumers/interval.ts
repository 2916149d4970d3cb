/** Mirrors that subscribe to intervals, as drivers with hmm_range_fault do (notifiers.md 4.4). */
import * as abi from "../../core/abi.js";
import { EVENT_NAMES } from "../../program/events.js";
import { again, op, type Program, repeat, unless, when } from "../../program/notation.js";
import type { Consumer } from "../consumer.js";

/** What a callback does under the driver's lock; it gives the lock back. */
export const tearDown: Program = [
  op("seq.set", { note: "readers retry" }),
  op("dev.zap", { imm: abi.ZAP_RANGE, note: "zap entries" }),
  op("dev.unlock"),
];

/** Takes the driver's lock; where it may not sleep for it, it refuses. */
export function underLock(body: Program): Program {
  return [
    when(
      op("hook.ask", { imm: abi.ASK_SLEEP, note: "may sleep?" }),
      [op("dev.lock"), body],
      [
        when(op("hook.ask", { imm: abi.ASK_TRYLOCK, note: "try lock" }), body, [
          op("hook.refuse", { note: "refuse" }),
        ]),
      ],
    ),
  ];
}

function unlessOwn(body: Program): Program {
  return ["MIGRATE", "EXCLUSIVE"].reduce((inner, name) => {
    const slot = EVENT_NAMES.indexOf(name as (typeof EVENT_NAMES)[number]);
    return [unless(op("hook.ask", { imm: abi.ASK_OWN, slot, note: `own ${name}?` }), inner)];
  }, body);
}

type Access = Consumer["access"];

/** The canonical loop. A page is resolved in one step, so mmapLock would add nothing. */
export function mirroredAccess(wait: Program): Access {
  return (vpn, write) => [
    repeat([
      unless(op("dev.access", { a: vpn, imm: write ? 1 : 0 }), [
        when(
          op("read.begin", { a: vpn, note: "readBegin" }),
          [
            wait,
            when(
              op("dev.resolve", { a: vpn, imm: write ? 1 : 0, note: "resolve frame" }),
              [
                op("dev.lock"),
                when(op("read.retry", { note: "readRetry" }), [op("dev.unlock"), again]),
                op("dev.install", { a: vpn, note: "install entry" }),
                op("dev.unlock"),
                again,
              ],
              [op("dev.fault", { note: "device fault" })],
            ),
          ],
          [op("dev.fault", { note: "no subscriber: device fault" })],
        ),
      ]),
    ]),
  ];
}

/** test_hmm-like. */
export const interval: Consumer = {
  name: "interval",
  title: "mirror with interval subscribers: readBegin, resolve, readRetry",
  source: "notifiers.md 1.6 and 4.4, test_hmm",
  mutant: false,
  kind: "mirroring",
  hooks: {},
  interval: { invalidate: unlessOwn(underLock(tearDown)) },
  access: mirroredAccess([op("seq.wait", { note: "wait for the bracket" })]),
};

/** Starts the teardown in the first pass, and waits for it in the second. */
export const intervalTwoPass: Consumer = {
  ...interval,
  name: "interval-two-pass",
  title: "as interval, in two passes: all devices begin, then all are waited for",
  source: "notifiers.md 1.4, two-pass variant",
  interval: {
    invalidate: unlessOwn(underLock([op("seq.set", { note: "readers retry" }), op("dev.unlock")])),
    finish: [op("dev.zap", { imm: abi.ZAP_RANGE, note: "zap entries" })],
  },
};

/** A hole is unmapped: the callback replaces the subscriber by what is left. */
function withHoles(name: string, title: string, mutant: boolean, change: Program): Consumer {
  const isUnmap = op("hook.ask", { imm: abi.ASK_EVENT, slot: abi.EVENT_UNMAP, note: "UNMAP?" });
  return {
    ...interval,
    name,
    title,
    source: "notifiers.md S26, 1.7",
    mutant,
    interval: {
      invalidate: underLock([
        op("seq.set", { note: "readers retry" }),
        op("dev.zap", { imm: abi.ZAP_RANGE, note: "zap entries" }),
        when(isUnmap, change),
        op("dev.unlock"),
      ]),
    },
  };
}

const LEFT = abi.PUNCH_TOLD | abi.PUNCH_LEFT;
const left = op("itree.punch", { imm: LEFT, note: "keep left of hole" });

export const intervalHole = withHoles(
  "interval-hole",
  "as interval; an unmapped hole leaves two subscribers, in one step",
  false,
  [op("itree.punch", { imm: LEFT | abi.PUNCH_RIGHT, note: "replace by both sides" })],
);

export const intervalHoleSteps = withHoles(
  "interval-hole-steps",
  "as interval-hole, one side after the other: nouveau's use of the proposed calls",
  false,
  [left, op("itree.punch", { imm: abi.PUNCH_TOLD | abi.PUNCH_RIGHT, note: "insert right side" })],
);

export const intervalHoleNoMemory = withHoles(
  "interval-hole-no-memory",
  "as interval-hole-steps, without memory for the right side: the device drops it, too",
  false,
  [left, op("dev.zap", { imm: abi.ZAP_ALL, note: "no memory: zap the right side" })],
);

export const intervalHoleKept = withHoles(
  "interval-hole-kept",
  "as interval-hole-no-memory, but what the device has mapped there stays",
  true,
  [left],
);
