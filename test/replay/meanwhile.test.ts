// What happens between the line of a cause and the end of what it does, on recordings by hand.
import { describe, expect, it } from "vitest";
import { Recording } from "./helpers.js";

const A = 0x7f000;
const APP = 1000;
const OTHER = 1001;
const THIRD = 1002;

const start = (cpus = 2): Recording => new Recording(cpus).process(0, APP);
const twoThreads = (): Recording => start().mmap(0, APP, A, 16).thread(0, APP, OTHER, 1);

async function flushesOf(recording: Recording, tids = false): Promise<string[]> {
  return (await recording.predict({ tids })).flushes;
}

/** `madvise(DONTNEED)` of one page, entry and exit apart. */
const ENTER = "sys_madvise(start: 0x7f000000, len_in: 0x1000, behavior: 4)";
const EXIT = "sys_madvise -> 0x0";

describe("an interrupt takes time to arrive", () => {
  it("it is whoever runs on the target by then who is interrupted", async () => {
    const r = twoThreads().thread(0, APP, THIRD, 1).write(0, APP, A).mark();
    // 10 us later another thread runs on CPU 1: the message is still on its way.
    r.line(0, APP, ENTER).switch(1, THIRD, OTHER).later(50).line(0, APP, EXIT);
    expect(await flushesOf(r, true)).toContain(`remote 1 @${OTHER}`);
    const late = twoThreads().thread(0, APP, THIRD, 1).write(0, APP, A).mark();
    late.line(0, APP, ENTER).later(50).line(0, APP, EXIT).switch(1, THIRD, OTHER);
    expect(await flushesOf(late, true)).toContain(`remote 1 @${THIRD}`);
  });

  it("a target that has gone to another mm finds out that it is the wrong CPU", async () => {
    const r = twoThreads().switch(1, OTHER, 0).process(1, 2000).switch(1, 2000, OTHER);
    r.write(0, APP, A).mark();
    r.line(0, APP, ENTER).switch(1, OTHER, 2000).later(50).line(0, APP, EXIT);
    const flushes = await flushesOf(r);
    expect(flushes).toContain("wrongCpu 0");
    expect(flushes.some((flush) => flush.startsWith("remote"))).toBe(false);
    // It has left the cpumask: there is nobody to send to any more.
    r.write(0, APP, A).mark().madvise(0, APP, A, 1);
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });
});

describe("fork leaves to faults what they can bring", () => {
  it("pages of a file that was never written to are not in the child", async () => {
    const r = start().mmap(0, APP, A, 4, 1, 2).fault(0, APP, A, 4);
    r.fork(0, APP, OTHER, 1).mark().munmap(1, OTHER, A, 4);
    expect(await flushesOf(r)).toEqual([]);
    // The parent still has them.
    expect(await flushesOf(r.mark().munmap(0, APP, A, 4))).toHaveLength(1);
  });

  it("those of a file that was written to are, the ones that were only read included", async () => {
    const r = start()
      .mmap(0, APP, A, 4, 3, 2)
      .fault(0, APP, A, 4)
      .write(0, APP, A + 3);
    r.mmap(0, APP, A + 8, 1)
      .fork(0, APP, OTHER, 1)
      .mark();
    r.madvise(1, OTHER, A, 2);
    expect(await flushesOf(r)).toEqual(["local 2"]);
  });

  it("pages of shared memory are not in the child, private ones are", async () => {
    const r = start()
      .mmap(0, APP, A, 4, 3, 0x21)
      .write(0, APP, A)
      .mmap(0, APP, A + 8, 4);
    r.write(0, APP, A + 8)
      .fork(0, APP, OTHER, 1)
      .mark();
    r.madvise(1, OTHER, A, 4).madvise(1, OTHER, A + 8, 4);
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });
});

describe("mprotect over several mappings of files", () => {
  it("gives each its rights", async () => {
    const r = start()
      .mmap(0, APP, A, 2, 3, 2)
      .mmap(0, APP, A + 2, 2, 3, 2);
    r.fault(0, APP, A, 6)
      .fault(0, APP, A + 2, 6)
      .mark()
      .mprotect(0, APP, A, 4, 1);
    expect(await flushesOf(r)).toEqual(["local 3"]);
  });
});

describe("a thread that exits", () => {
  it("can be interrupted until it is switched away for good", async () => {
    const r = twoThreads().write(0, APP, A).mark();
    r.line(1, OTHER, "sys_exit(error_code: 0)");
    r.line(1, OTHER, `sched_process_exit: comm=app pid=${OTHER} prio=120 group_dead=false`);
    r.madvise(0, APP, A, 1).switch(1, OTHER, 0, "X");
    expect(await flushesOf(r, true)).toContain(`remote 1 @${OTHER}`);
    const gone = twoThreads().write(0, APP, A).mark();
    gone.line(1, OTHER, "sys_exit(error_code: 0)");
    gone.line(1, OTHER, `sched_process_exit: comm=app pid=${OTHER} prio=120 group_dead=false`);
    gone.switch(1, OTHER, 0, "X").madvise(0, APP, A, 1);
    expect((await flushesOf(gone)).some((flush) => flush.startsWith("remote"))).toBe(false);
  });

  it("its mm goes with the last one, even if the others are not switched away", async () => {
    const r = twoThreads().write(0, APP, A).mark();
    r.line(1, OTHER, `sched_process_exit: comm=app pid=${OTHER} prio=120 group_dead=false`);
    r.exit(0, APP);
    const flushes = await flushesOf(r);
    expect(flushes.filter((flush) => flush.startsWith("switch"))).toEqual(["switch -1"]);
  });
});

describe("calls that sleep", () => {
  it("have their effect when they run again, not where they return", async () => {
    const r = twoThreads().write(0, APP, A).mark();
    r.line(0, APP, "sys_munmap(addr: 0x7f000000, len: 0x1000)");
    r.switch(0, APP, 0, "D").switch(1, OTHER, 0, "S").switch(0, 0, APP);
    r.later(50).switch(1, 0, OTHER).line(0, APP, "sys_munmap -> 0x0");
    // CPU 1 idles when it happens: it is lazy, and no target.
    expect(await flushesOf(r)).not.toContain("remote 1");
    expect(await flushesOf(r)).toContain("local 1");
  });
});

describe("gathers", () => {
  it("of a munmap is open until it returns", async () => {
    const r = twoThreads()
      .write(0, APP, A, A + 1)
      .mark();
    r.line(0, APP, "sys_munmap(addr: 0x7f000000, len: 0x1000)");
    r.later(50)
      .madvise(1, OTHER, A + 1, 1)
      .line(0, APP, "sys_munmap -> 0x0");
    const flushes = await flushesOf(r);
    expect(flushes.filter((flush) => flush.startsWith("local"))).toEqual(["local 1", "local -1"]);
  });

  it("of a munmap that had to wait for another is over when it returns", async () => {
    const r = twoThreads().thread(0, APP, THIRD, 1);
    r.write(0, APP, A, A + 1).mark();
    r.line(1, THIRD, "sys_munmap(addr: 0x7f008000, len: 0x1000)");
    r.line(0, APP, "sys_munmap(addr: 0x7f000000, len: 0x1000)");
    r.line(1, THIRD, "sys_munmap -> 0x0").line(0, APP, "sys_munmap -> 0x0");
    // Its message is still on its way.
    r.switch(1, THIRD, OTHER)
      .later(50)
      .madvise(0, APP, A + 1, 1);
    const flushes = await flushesOf(r);
    expect(flushes.filter((flush) => flush.startsWith("local"))).toEqual(["local 1", "local 1"]);
  });
});

describe("clone3, whose flags are in user memory", () => {
  const child = (r: Recording, state: string): Recording =>
    r
      .line(0, APP, "sys_clone3(uargs: 0x1000, size: 0x58)")
      .line(0, APP, `sched_process_fork: comm=app pid=${APP} child_comm=app child_pid=${OTHER}`)
      .switch(0, APP, OTHER, state)
      .switch(0, OTHER, APP)
      .line(0, APP, `sys_clone3 -> 0x${OTHER.toString(16)}`);

  /** With a column of thread groups, each thread a group of its own. */
  const alone = (r: Recording): Recording => r.groups((tid) => tid);

  it("makes a process if the child has a thread group of its own", async () => {
    const r = alone(child(start().mmap(0, APP, A, 2).write(0, APP, A).mark(), "R"));
    expect(await flushesOf(r)).toContain("local -1");
  });

  it("shares the mm if the parent sleeps until the child is done, and with its group", async () => {
    const waits = alone(child(start().mmap(0, APP, A, 2).write(0, APP, A).mark(), "D"));
    expect(await flushesOf(waits)).toEqual([]);
    const thread = child(start().mmap(0, APP, A, 2).write(0, APP, A).mark(), "R");
    expect(await flushesOf(thread.groups(() => APP))).toEqual([]);
  });
});

describe("what is populated, and what goes", () => {
  it("MAP_LOCKED brings all pages at once", async () => {
    const r = start().mmap(0, APP, A, 8, 3, 0x2022).mark().madvise(0, APP, A, 8);
    expect(await flushesOf(r)).toEqual(["local 8"]);
  });

  it("PAGEOUT unmaps written pages of shared files, but not memory without a file", async () => {
    const file = start().mmap(0, APP, A, 2, 3, 1).write(0, APP, A).mark().madvise(0, APP, A, 1, 21);
    expect(await flushesOf(file)).toEqual(["local 1"]);
    const none = start().mmap(0, APP, A, 2, 3, 0x21).write(0, APP, A).mark();
    expect(await flushesOf(none.madvise(0, APP, A, 1, 21))).toEqual([]);
  });
});
