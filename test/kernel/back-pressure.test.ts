/**
 * shootdown.md I8: a csd is used again when its target has let go of it. An initiator that does not
 * wait for its flushes, or not to their end, waits there: clocks say for how long.
 */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import {
  Catalogue,
  type CostProfile,
  type FlushPolicy,
  Machine,
  type MachineEvent,
} from "../../src/index.js";
import { flushLocal, send } from "../../src/kernel/policies/parts.js";

const DELIVER = 10_000;
const TAKE = 100;
const REACH = 50;
const RUN = 2_000;
const UNLOCK = 10;
const FLUSH = 5_000;

const source = "for this test: every part of a handler can be told from the others";
const profile: CostProfile = {
  name: "slow-delivery",
  title: "delivery takes longer than all an initiator does by itself",
  source,
  prices: {
    deliver: { ns: DELIVER, source },
    "csq.take": { ns: TAKE, source },
    "csd.reach": { ns: REACH, source },
    "csd.run": { ns: RUN, source },
    "csd.unlock": { ns: UNLOCK, source },
    flushPage: { ns: FLUSH, source },
    flushFull: { ns: FLUSH, source },
  },
};

const early = Catalogue.standard.policy("early-ack");
/** As posted first: acknowledged when reached, and nobody waits. */
const posted: FlushPolicy = { ...early, name: "posted", shootdown: [send, flushLocal] };

const PAGE = 0x1000;
const KINDS = [abi.EV_CSD_QUEUE, abi.EV_IPI, abi.EV_FLUSH_REMOTE, abi.EV_OP_END];

/**
 * CPU 0 drops a page, and at `second` another one; CPU 1 runs the same mm. `ahead` more CPUs have
 * called CPU 1 before that.
 */
async function twoFlushes(policy: FlushPolicy, { ahead = 0, second = 0 } = {}) {
  const cpus = 2 + ahead;
  const machine = await Machine.create({
    policy,
    profile,
    geometry: { cpus, tasks: cpus, mms: 1, devices: 0 },
    scripts: [{ name: "call", steps: [{ interrupt: 1, access: "read", vpn: PAGE + 9 }] }],
    record: KINDS,
  });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 16, 3);
  for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, machine.newTask(cpu < 2 ? mm : null));
  for (const vpn of [PAGE, PAGE + 1]) machine.submit(0, "write", { vpn });
  machine.advance();
  for (let i = 0; i < ahead; i++) machine.startScript(2 + i, "call");
  machine.core.x.timedRearm(machine.core.header.byteOffset);
  const start = machine.now(0);
  machine.submit(0, "madvise", { start: PAGE, end: PAGE + 1 }, { at: start + 1_000 });
  machine.submit(0, "madvise", { start: PAGE + 1, end: PAGE + 2 }, { at: start + second });
  const events: MachineEvent[] = [];
  expect(machine.advance(Infinity, (event) => events.push({ ...event }))).toBe("idle");
  const at = (kind: number) => events.filter((e) => e.kind === kind).map(({ timeNs }) => timeNs);
  const [first, next, ...more] = at(abi.EV_CSD_QUEUE);
  expect(more).toEqual([]);
  return {
    /** When the target's handler starts. */
    arrival: at(abi.EV_IPI)[0] + DELIVER,
    start,
    first,
    next,
    flushed: at(abi.EV_FLUSH_REMOTE),
    ended: at(abi.EV_OP_END),
  };
}

describe("two flushes to one target", () => {
  test("acknowledged when reached: the second is queued before the first has run", async () => {
    const { arrival, first, next, flushed } = await twoFlushes(posted);
    const reached = arrival + TAKE + REACH + UNLOCK;
    expect(first).toBeLessThan(arrival);
    expect(next).toBe(reached);
    // Both generations were there by then: one flush catches up with both.
    expect(flushed).toEqual([reached]);
  });

  test("the second does not wait when the first was reached long ago", async () => {
    const { start, next, flushed } = await twoFlushes(posted, { second: 100_000 });
    expect(next).toBe(start + 100_000);
    expect(flushed[0]).toBeLessThan(next);
  });

  test("what is ahead of the first makes the second wait as long", async () => {
    for (const ahead of [1, 2, 3]) {
      const { arrival, next } = await twoFlushes(posted, { ahead });
      expect(next).toBe(arrival + TAKE + ahead * (RUN + UNLOCK) + REACH + UNLOCK);
    }
  });

  test("run before they are unlocked: the second waits for the first flush as well", async () => {
    const { arrival, next } = await twoFlushes(Catalogue.standard.policy("no-wait"));
    expect(next).toBe(arrival + TAKE + RUN + FLUSH + UNLOCK);
  });

  test("acknowledged at entry: the csd stays locked until the target is done with it", async () => {
    const policy = Catalogue.standard.policy("ack-at-entry");
    const { arrival, next, ended } = await twoFlushes(policy);
    expect(ended[0]).toBe(arrival + TAKE);
    expect(next).toBe(arrival + TAKE + RUN + FLUSH + UNLOCK);
  });

  test("an initiator that waits finds its csd free", async () => {
    const { next, ended, arrival } = await twoFlushes(early);
    expect(ended[0]).toBe(arrival + TAKE + REACH + UNLOCK);
    expect(next).toBe(ended[0]);
  });
});
