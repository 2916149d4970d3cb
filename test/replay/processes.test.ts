// What a recording says of itself: which threads are one process, and whose contexts it shows.

import { describe, expect, it } from "vitest";
import { replayTrace } from "../../src/replay/replay.js";
import { bytesOf } from "../traces/helpers.js";
import { SMALL } from "./helpers.js";

const line = (cpu: number, tid: number, tgid: number, us: number, text: string): string =>
  `  app-${tid}  (${String(tgid).padStart(7)}) [00${cpu}] ..... ` +
  `1.${String(us).padStart(6, "0")}: ${text}`;
const to = (prev: number, next: number): string =>
  `sched_switch: prev_comm=app prev_pid=${prev} prev_prio=120 prev_state=S ==> ` +
  `next_comm=app next_pid=${next} next_prio=120`;

/** Three threads that take turns on one CPU, from before the recording. */
function turns(tgidOf: (tid: number) => number, head = ""): Uint8Array {
  const lines = [head, "# tracer: nop", "# entries-in-buffer/entries-written: 9/9   #P:1"];
  let tid = 401;
  for (let turn = 0; turn < 12; turn++) {
    const next = 401 + ((tid - 400) % 3);
    lines.push(line(0, tid, tgidOf(tid), 10 * (turn + 1), to(tid, next)));
    tid = next;
  }
  return bytesOf(lines.filter(Boolean).join("\n"));
}

describe("processes", () => {
  it("threads of one process share its address space: no flush between them", async () => {
    const one = await replayTrace(
      turns(() => 401),
      { geometry: SMALL },
    );
    expect(one.inferred.mms).toBe(1);
    // The first switch is from somebody unknown.
    expect(one.predicted.switch).toBe(1);
    const three = await replayTrace(
      turns((tid) => tid),
      { geometry: SMALL },
    );
    expect(three.inferred.mms).toBe(3);
    expect(three.predicted.switch).toBe(12);
  });

  it("what happens in the context of others is not predicted if it is not recorded", async () => {
    const head = "# recorded: only the threads descended from 402";
    const { predicted } = await replayTrace(
      turns((tid) => tid, head),
      { geometry: SMALL },
    );
    // Only the switches to the one thread that was followed.
    expect(predicted.switch).toBe(4);
  });
});
