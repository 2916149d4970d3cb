// Recordings of other kernels and damaged ones: an error with a code, or counted, never silent.
import { describe, expect, it } from "vitest";
import { replayTrace } from "../../src/replay/replay.js";
import { bytesOf } from "../traces/helpers.js";
import { Recording, SMALL } from "./helpers.js";

const A = 0x7f000;
const APP = 1000;
const OTHER = 1001;

/** A thread on each CPU; one drops a page, with what the kernel did about it. */
function recording(deeds: (r: Recording) => Recording, comm = "app"): Recording {
  const r = new Recording()
    .process(0, APP)
    .mmap(0, APP, A, 8)
    .mmap(0, APP, A + 8, 1, 1);
  r.thread(0, APP, OTHER, 1).write(0, APP, A);
  r.line(0, APP, "sys_madvise(start: 0x7f000000, len_in: 0x1000, behavior: 4)", comm);
  return deeds(r).line(0, APP, "sys_madvise -> 0x0", comm);
}

const flushed = (r: Recording): Recording =>
  r
    .line(0, APP, "tlb_flush: pages:1 reason:remote IPI send (4)")
    .line(0, APP, "tlb_flush: pages:1 reason:local MM shootdown (3)")
    .line(1, OTHER, "tlb_flush: pages:1 reason:remote shootdown (1)");

const textOf = (r: Recording): string => new TextDecoder().decode(r.bytes);
const replayText = (text: string, options = {}) =>
  replayTrace(bytesOf(text), { geometry: SMALL, ...options });

describe("kernels that trace other things", () => {
  it("without csd events, a target's flush belongs to the shootdown sent last", async () => {
    const { result } = await recording(flushed).predict();
    expect(result.observed).toMatchObject({ send: 1, local: 1, remote: 1, csd: 0 });
    expect(result.fidelity?.byKind).toMatchObject({ send: { recall: 1 }, remote: { recall: 1 } });
  });

  it("flushes for reasons nobody knows are counted and left out", async () => {
    const { result } = await recording((r) =>
      flushed(r).line(0, APP, "tlb_flush: pages:1 reason:7 (7)"),
    ).predict();
    expect(result.trace.skipped).toMatchObject({ unknownReason: 1 });
    expect(result.observed).toMatchObject({ send: 1, local: 1, remote: 1 });
    const known = (await recording(flushed).predict()).result;
    expect(known.trace.skipped).not.toHaveProperty("unknownReason");
  });

  it("a clock that counts ticks is no time", async () => {
    const ticks = textOf(recording(flushed)).replace(/(\d+)\.(\d{6}): /g, "$1$2: ");
    await expect(replayText(ticks)).rejects.toMatchObject({ code: "E_PARSE" });
  });

  it("nanoseconds and a clock that began with the machine are", async () => {
    const fine = textOf(recording(flushed)).replace(/\.(\d{6}): /g, ".$1000: ");
    const result = await replayText(fine);
    expect(result.fidelity?.f1).toEqual((await recording(flushed).predict()).result.fidelity?.f1);
  });

  it("more CPUs than the header says are found in the first lines", async () => {
    const r = new Recording(1).process(0, APP).mmap(0, APP, A, 8);
    r.thread(0, APP, OTHER, 5).write(0, APP, A).madvise(0, APP, A, 1);
    expect((await r.predict()).result.trace.cpus).toBe(6);
  });
});

describe("names of programs", () => {
  it.each(["a b c", "#x", "# tracer: nop", "x #P:1", "a-1 [000]", "<...>", "-", "[x]-7"])(
    "%j is a name like any other",
    async (comm) => {
      const plain = (await recording(flushed).predict()).result;
      const named = (await recording(flushed, comm).predict()).result;
      expect(named.predicted).toEqual(plain.predicted);
      // Whoever takes the padding away must not turn a line into a comment.
      const bare = textOf(recording(flushed, comm)).replace(/^ +/gm, "");
      const { predicted, trace } = await replayText(bare);
      expect(predicted).toEqual(plain.predicted);
      expect(trace.events).toBe(plain.trace.events);
    },
  );
});

describe("damage", () => {
  it("a last line that is cut off is an error, or counted", async () => {
    const text = textOf(recording(flushed)).trimEnd().slice(0, -8);
    await expect(replayText(text)).rejects.toMatchObject({ code: "E_PARSE" });
    const result = await replayText(text, { lenient: true });
    const { malformed, unknownEvent } = result.trace.skipped;
    expect(malformed + unknownEvent).toBe(1);
  });

  it("lost events are in the result, whether or not the kernel says how many", async () => {
    const lines = textOf(recording(flushed)).trimEnd().split("\n");
    lines.splice(-2, 0, "CPU:1 [LOST 12 EVENTS]", "CPU:0 [LOST EVENTS]");
    const { trace } = await replayText(lines.join("\n") + "\n");
    expect(trace).toMatchObject({ lostEvents: 12, lostMarks: 2 });
  });

  it("without switches everybody runs where their lines are", async () => {
    const text = textOf(recording(flushed))
      .split("\n")
      .filter((line) => !line.includes("sched_switch"))
      .join("\n");
    const { fidelity, predicted } = await replayText(text);
    expect(fidelity).not.toBeNull();
    expect(predicted).toMatchObject({ local: 3 });
  });
});
