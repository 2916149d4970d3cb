// Causes on several CPUs within microseconds of each other, on recordings written by hand.
import { describe, expect, it } from "vitest";
import { Recording } from "./helpers.js";

const A = 0x7f000;
/** In another leaf table. */
const FAR = A + 512;
const APP = 1000;
const OTHER = 1001;
const THIRD = 1002;
const CHILD = 1003;

const start = (cpus = 2): Recording => new Recording(cpus).process(0, APP);
const twoThreads = (): Recording => start().mmap(0, APP, A, 16).thread(0, APP, OTHER, 1);
/** Both threads share read-only pages with a child on a third CPU: a write copies. */
const copying = (): Recording =>
  start(3)
    .mmap(0, APP, A, 1024)
    .thread(0, APP, OTHER, 1)
    .write(0, APP, A, A + 8, FAR)
    .fork(0, APP, CHILD, 2)
    .later(100)
    .mark();

/** The second cause comes `us` after the first. */
const both = (us: number, second = FAR): Recording =>
  copying()
    .fault(0, APP, A, 7)
    .later(us - 10)
    .fault(1, OTHER, second, 7);

async function flushesOf(recording: Recording): Promise<string[]> {
  return (await recording.predict({ tids: true })).flushes;
}

describe("requests of one mm on two CPUs", () => {
  it("one after the other, are two pages on each", async () => {
    expect(await flushesOf(both(50))).toEqual([
      `send 1 @${APP}`,
      `local 1 @${APP}`,
      `remote 1 @${OTHER}`,
      `send 1 @${OTHER}`,
      `local 1 @${OTHER}`,
      `remote 1 @${APP}`,
    ]);
  });

  it("at once, each CPU flushes everything once and finds nothing left after that", async () => {
    const flushes = await flushesOf(both(3));
    expect(flushes.filter((flush) => flush.startsWith("send"))).toHaveLength(2);
    // The first to send flushes for itself; the second is interrupted before it does.
    expect(flushes.filter((flush) => !flush.startsWith("send")).sort()).toEqual([
      `local -1 @${APP}`,
      `remote -1 @${OTHER}`,
    ]);
  });

  it("under one leaf table, the second waits for its lock", async () => {
    const flushes = await flushesOf(both(3, A + 8));
    expect(flushes.slice(0, 3)).toEqual([
      `send 1 @${APP}`,
      `local 1 @${APP}`,
      `remote 1 @${OTHER}`,
    ]);
    expect(flushes).toHaveLength(6);
  });

  it("for the same page, the second fault waits for the first", async () => {
    // It finds a page of its own: nothing to copy, nothing to flush.
    expect(await flushesOf(both(2, A))).toEqual([
      `send 1 @${APP}`,
      `local 1 @${APP}`,
      `remote 1 @${OTHER}`,
    ]);
  });
});

describe("a CPU that idles is woken up, and its switch is not recorded", () => {
  const WAKE = "csd_function_entry: func=sched_ttwu_pending, csd=00000000c9606858";
  const ENTER = "sys_madvise(start: 0x7f000000, len_in: 0x1000, behavior: 4)";
  const EXIT = "sys_madvise -> 0x0";
  const begun = (): Recording =>
    twoThreads().write(0, APP, A).switch(1, OTHER, 0).later(100).mark();
  const over = (r: Recording): Recording =>
    r
      .line(0, APP, ENTER)
      .later(60)
      .line(0, APP, EXIT)
      .fault(1, OTHER, A + 1, 6);

  it("it runs the thread that leaves the next line there, and is interrupted", async () => {
    const flushes = await flushesOf(over(begun().line(1, 0, WAKE)));
    expect(flushes).toContain(`remote 1 @${OTHER}`);
  });

  it("without the call, or when another thread was sent there, it idles", async () => {
    expect(await flushesOf(over(begun()))).not.toContain(`remote 1 @${OTHER}`);
    const migrated = `sched_migrate_task: comm=x pid=${THIRD} prio=120 orig_cpu=0 dest_cpu=1`;
    const sent = begun().line(0, APP, migrated).line(1, 0, WAKE);
    expect(await flushesOf(over(sent))).not.toContain(`remote 1 @${OTHER}`);
  });

  it("or when that thread runs elsewhere, or comes much later", async () => {
    const elsewhere = twoThreads().write(0, APP, A).switch(1, OTHER, 0).mark();
    elsewhere.line(1, 0, WAKE).line(0, APP, ENTER).later(60).line(0, APP, EXIT);
    elsewhere.switch(0, APP, 0).fault(1, APP, A + 1, 6);
    expect((await flushesOf(elsewhere)).some((flush) => flush.startsWith("remote"))).toBe(false);
    const late = begun().line(1, 0, WAKE).line(0, APP, ENTER).later(60).line(0, APP, EXIT);
    late.later(30_000).fault(1, OTHER, A + 1, 6);
    expect(await flushesOf(late)).not.toContain(`remote 1 @${OTHER}`);
  });
});

describe("who waits for mmapLock", () => {
  it("is not waited for: a call that finds it free has its effect at once", async () => {
    const r = twoThreads()
      .write(0, APP, A)
      .mark()
      .line(1, OTHER, "sys_munmap(addr: 0x7f008000, len: 0x1000)")
      .line(0, APP, "sys_munmap(addr: 0x7f000000, len: 0x1000)")
      .later(10);
    r.switch(1, OTHER, 0, "D").later(60).line(0, APP, "sys_munmap -> 0x0");
    r.switch(1, 0, OTHER).line(1, OTHER, "sys_munmap -> 0x0");
    // At its exit line, CPU 1 would idle.
    expect(await flushesOf(r)).toContain(`send 1 @${APP}`);
    expect((await flushesOf(r)).some((flush) => flush.startsWith("local 1"))).toBe(true);
  });
});

describe("a fork that is preempted", () => {
  const CLONE =
    "sys_clone(clone_flags: 0x1200011, newsp: 0, parent_tidptr: 0, child_tidptr: 0, tls: 0)";
  const born = `sched_process_fork: comm=app pid=${APP} child_comm=app child_pid=${CHILD}`;
  const process = (): Recording => start().mmap(0, APP, A, 4).write(0, APP, A).later(100).mark();

  it("flushes where the thread runs when the child is born", async () => {
    const r = process().line(0, APP, CLONE).switch(0, APP, 0, "R").switch(1, 0, APP);
    // It has been on both CPUs by then.
    expect(await flushesOf(r.line(1, APP, born))).toContain(`send -1 @${APP}`);
  });

  it("and where it is entered, if it is not, or only after that", async () => {
    const r = process().line(0, APP, CLONE).line(0, APP, born).switch(0, APP, 0, "R");
    expect(await flushesOf(r.switch(1, 0, APP).later(50))).not.toContain(`send -1 @${APP}`);
  });
});
