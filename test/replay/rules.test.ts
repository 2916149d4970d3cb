// One rule of docs/replay.md each, on recordings written by hand.
import { describe, expect, it } from "vitest";
import { Recording } from "./helpers.js";

const A = 0x7f000;
const APP = 1000;
const OTHER = 1001;

const start = (cpus = 2): Recording => new Recording(cpus).process(0, APP);

async function flushesOf(recording: Recording): Promise<string[]> {
  return (await recording.predict()).flushes;
}

describe("faults", () => {
  it("a first touch flushes nothing", async () => {
    const r = start()
      .mmap(0, APP, A, 8)
      .mark()
      .write(0, APP, A, A + 1)
      .fault(0, APP, A + 2, 4);
    expect(await flushesOf(r)).toEqual([]);
  });

  it("a write to the zero page copies it and flushes one page", async () => {
    const r = start().mmap(0, APP, A, 8).fault(0, APP, A, 4).later(100).mark();
    expect(await flushesOf(r.fault(0, APP, A, 7))).toEqual(["local 1"]);
  });

  it("after fork the first writer copies, the second takes the page over", async () => {
    const r = start().mmap(0, APP, A, 8).write(0, APP, A).fork(0, APP, OTHER, 1).mark();
    r.fault(0, APP, A, 7).fault(1, OTHER, A, 7);
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });

  it("the other way round too, and with grandchildren every writer but the last", async () => {
    const r = start(3).mmap(0, APP, A, 8).write(0, APP, A).fork(0, APP, OTHER, 1);
    r.fork(0, APP, 1002, 2).mark();
    r.fault(2, 1002, A, 7).fault(1, OTHER, A, 7).fault(0, APP, A, 7);
    expect(await flushesOf(r)).toEqual(["local 1", "local 1"]);
  });

  it("a shared mapping is made writable, never copied", async () => {
    const r = start().mmap(0, APP, A, 8, 3, 0x21).fault(0, APP, A, 4).later(100).mark();
    expect(await flushesOf(r.fault(0, APP, A, 7))).toEqual([]);
  });

  it("two threads that fault on one page at once: the second finds it and copies", async () => {
    const r = start().mmap(0, APP, A, 8).thread(0, APP, OTHER, 1).mark();
    r.fault(1, OTHER, A, 4).fault(0, APP, A, 6);
    expect(await flushesOf(r)).toEqual(["send 1", "local 1", "remote 1"]);
  });

  it("a read of a private file brings its neighbours, as far as the mapping goes", async () => {
    const r = start()
      .mmap(0, APP, A + 10, 11, 1, 2)
      .fault(0, APP, A + 10, 4)
      .mark();
    // From the page itself on: 11 pages, not the 6 to the next multiple of 16.
    r.madvise(0, APP, A + 10, 11);
    expect(await flushesOf(r)).toEqual(["local 11"]);
  });

  it("a fault that is not allowed is a signal, and changes nothing", async () => {
    const r = start().mmap(0, APP, A, 4, 1).fault(0, APP, A, 4).later(100).mark();
    expect(await flushesOf(r.fault(0, APP, A, 7))).toEqual([]);
  });
});

describe("ranges", () => {
  it("DONTNEED flushes from the first present page to the last", async () => {
    const r = start()
      .mmap(0, APP, A, 64)
      .write(0, APP, A + 2, A + 5)
      .mark();
    expect(await flushesOf(r.madvise(0, APP, A, 64))).toEqual(["local 4"]);
  });

  it("and nothing when nothing is present", async () => {
    const r = start().mmap(0, APP, A, 64).mark().madvise(0, APP, A, 64);
    expect(await flushesOf(r.munmap(0, APP, A, 64))).toEqual([]);
  });

  it("more than 33 pages are everything", async () => {
    const r = start()
      .mmap(0, APP, A, 64)
      .write(0, APP, A, A + 33)
      .mark();
    expect(await flushesOf(r.madvise(0, APP, A, 64))).toEqual(["local -1"]);
  });

  it("pages of PROT_NONE count when they are dropped", async () => {
    const r = start()
      .mmap(0, APP, A, 64)
      .write(0, APP, A, A + 1)
      .mark();
    r.mprotect(0, APP, A, 64, 0).madvise(0, APP, A, 64);
    expect(await flushesOf(r)).toEqual(["local 2", "local 2"]);
  });

  it("mprotect flushes for lost rights, for gained ones, and not for the same", async () => {
    const r = start()
      .mmap(0, APP, A, 4)
      .write(0, APP, A, A + 1)
      .mark();
    r.mprotect(0, APP, A, 4, 1).mprotect(0, APP, A, 4, 1).mprotect(0, APP, A, 4, 3);
    expect(await flushesOf(r)).toEqual(["local 2", "local 2"]);
  });

  it("mprotect flushes for the right to execute", async () => {
    const r = start().mmap(0, APP, A, 4, 1, 2).fault(0, APP, A, 4).mark();
    expect(await flushesOf(r.mprotect(0, APP, A, 4, 5))).toEqual(["local 4"]);
  });

  it("munmap frees page tables nobody else needs, which is a wide flush", async () => {
    const lone = start().mmap(0, APP, A, 4).write(0, APP, A).mark().munmap(0, APP, A, 4);
    expect(await flushesOf(lone)).toEqual(["local -1"]);
    const shared = start()
      .mmap(0, APP, A, 4)
      .mmap(0, APP, A + 8, 4, 1)
      .write(0, APP, A)
      .mark();
    expect(await flushesOf(shared.munmap(0, APP, A, 4))).toEqual(["local 1"]);
  });

  it("a table that outlived its pages is freed with its mapping: a stride of 2 MiB", async () => {
    const near = (r: Recording) =>
      r.mmap(0, APP, A + 512 * 8, 1, 1).mmap(0, APP, A - 512 * 8, 1, 1);
    const r = near(start().mmap(0, APP, A, 4))
      .write(0, APP, A)
      .madvise(0, APP, A, 4)
      .mark();
    expect(await flushesOf(r.munmap(0, APP, A, 4))).toEqual(["local 0"]);
  });

  it("MAP_FIXED over mapped pages is an unmapping", async () => {
    const r = start()
      .mmap(0, APP, A, 8)
      .write(0, APP, A + 1, A + 2)
      .mark();
    r.mmap(0, APP, A, 4, 3, 0x32);
    expect(await flushesOf(r)).toEqual(["local 2"]);
  });

  it("brk shrinks like munmap, and grows without a flush", async () => {
    const r = start()
      .brk(0, APP, 0, A)
      .brk(0, APP, A + 16)
      .write(0, APP, A + 1, A + 9)
      .mark();
    r.brk(0, APP, A + 4).brk(0, APP, A + 20);
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });

  it("mremap flushes the old place, extent by extent, then frees its tables", async () => {
    const r = start()
      .mmap(0, APP, A, 4)
      .mmap(0, APP, A + 16, 1, 1)
      .write(0, APP, A, A + 1);
    r.mmap(0, APP, A + 2048, 1, 1).mark();
    r.mremap(0, APP, A, 4, 8, A + 1024).madvise(0, APP, A + 1024, 8);
    expect(await flushesOf(r)).toEqual(["local 4", "local 2"]);
  });

  it("mremap that shrinks in place unmaps the tail; growing in place flushes nothing", async () => {
    const r = start()
      .mmap(0, APP, A, 8)
      .write(0, APP, A, A + 6)
      .mark();
    r.mremap(0, APP, A, 8, 4, A)
      .mremap(0, APP, A, 4, 6, A)
      .write(0, APP, A + 5);
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });

  it("MADV_FREE flushes private pages", async () => {
    const r = start()
      .mmap(0, APP, A, 8)
      .write(0, APP, A, A + 2)
      .fault(0, APP, A + 5, 4)
      .mark();
    expect(await flushesOf(r.madvise(0, APP, A, 8, 8))).toEqual(["local 3"]);
  });

  it("MAP_POPULATE and MADV_POPULATE_WRITE make every page present", async () => {
    const r = start()
      .mmap(0, APP, A, 4, 3, 0x8022)
      .mmap(0, APP, A + 8, 8)
      .mark();
    r.madvise(0, APP, A, 4)
      .madvise(0, APP, A + 8, 8, 23)
      .madvise(0, APP, A + 8, 8);
    expect(await flushesOf(r)).toEqual(["local 4", "local 8"]);
  });

  it("a huge unmapping flushes once per 9698 pages", async () => {
    const r = start().mmap(0, APP, A, 10_000, 3, 0x8022).mark().munmap(0, APP, A, 10_000);
    expect(await flushesOf(r)).toEqual(["local -1", "local -1"]);
  });

  it("a call that fails has no effect", async () => {
    const r = start().mmap(0, APP, A, 4).write(0, APP, A).mark();
    r.munmap(0, APP, A, 4, "0xffffffffffffffea").madvise(0, APP, A, 4);
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });

  it("a call that has not returned when the recording ends has had its effect", async () => {
    const r = start()
      .mmap(0, APP, A, 8)
      .mmap(0, APP, A + 8, 1, 1)
      .write(0, APP, A)
      .mark();
    r.line(0, APP, "sys_munmap(addr: 0x7f000000, len: 0x4000)");
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });
});

describe("delivery", () => {
  const twoThreads = (): Recording =>
    start()
      .mmap(0, APP, A, 8)
      .mmap(0, APP, A + 8, 1, 1)
      .thread(0, APP, OTHER, 1);

  it("another thread of the mm is told", async () => {
    const r = twoThreads().write(0, APP, A).mark().madvise(0, APP, A, 8);
    const { flushes } = await r.predict({ tids: true });
    expect(flushes).toEqual([`send 1 @${APP}`, `local 1 @${APP}`, `remote 1 @${OTHER}`]);
  });

  it("a lazy CPU is passed over, and catches up when the thread comes back", async () => {
    const r = twoThreads().write(0, APP, A).switch(1, OTHER, 0).mark();
    r.madvise(0, APP, A, 8).switch(1, 0, OTHER);
    expect(await flushesOf(r)).toEqual(["send 1", "local 1", "switch -1"]);
  });

  it("but it is told when page tables are freed: it leaves for init_mm", async () => {
    const r = start().mmap(0, APP, A, 8).thread(0, APP, OTHER, 1).write(0, APP, A);
    r.switch(1, OTHER, 0).mark().munmap(0, APP, A, 8);
    expect(await flushesOf(r)).toEqual(["send -1", "local -1", "switch -1"]);
  });

  it("several targets, one message each", async () => {
    const r = new Recording(4).process(0, APP).mmap(0, APP, A, 8);
    r.thread(0, APP, 1001, 1).thread(0, APP, 1002, 2).thread(0, APP, 1003, 3);
    r.write(0, APP, A).mark().madvise(0, APP, A, 8);
    const { flushes, result } = await r.predict();
    expect(flushes).toEqual(["send 1", "local 1", "remote 1", "remote 1", "remote 1"]);
    expect(result.trace.cpus).toBe(4);
    // The address space that exec replaced may have been cached anywhere: three more.
    expect(result.predicted).toMatchObject({ csd: 6, ipis: 6 });
  });

  it("a call that sleeps for mmapLock takes effect when it runs again", async () => {
    const enter = "sys_madvise(start: 0x7f000000, len_in: 0x8000, behavior: 4)";
    const begun = (): Recording =>
      twoThreads()
        .mmap(0, APP, A + 9, 2)
        .write(0, APP, A, A + 9)
        .mark()
        .line(1, OTHER, "sys_mprotect(start: 0x7f009000, len: 0x1000, prot: 1)")
        .later(50)
        .line(0, APP, enter);
    const locals = async (r: Recording): Promise<string[]> =>
      (await r.predict({ tids: true })).flushes.filter((flush) => flush.startsWith("local"));
    const waits = begun().switch(0, APP, 0, "D").line(1, OTHER, "sys_mprotect -> 0x0");
    waits.switch(0, 0, APP).line(0, APP, "sys_madvise -> 0x0");
    expect(await locals(waits)).toEqual([`local 1 @${OTHER}`, `local 1 @${APP}`]);
    // Who does not sleep has found a way in, and is nested.
    const goes = begun().line(1, OTHER, "sys_mprotect -> 0x0").line(0, APP, "sys_madvise -> 0x0");
    expect(await locals(goes)).toEqual([`local 1 @${OTHER}`, `local -1 @${APP}`]);
  });

  it("a gather that ends while another is open flushes everything", async () => {
    const r = twoThreads()
      .write(0, APP, A, A + 1)
      .mark();
    r.line(0, APP, "sys_madvise(start: 0x7f000000, len_in: 0x1000, behavior: 4)").later(50);
    r.madvise(1, OTHER, A + 1, 1)
      .line(0, APP, "sys_madvise -> 0x0")
      .write(0, APP, A);
    const { flushes } = await r.madvise(0, APP, A, 1).predict();
    expect(flushes.filter((flush) => flush.startsWith("local"))).toEqual([
      "local 1",
      "local -1",
      "local 1",
    ]);
  });
});

describe("processes", () => {
  it("fork flushes the parent, and the child begins with a flush", async () => {
    const r = start().mmap(0, APP, A, 8).write(0, APP, A).mark().fork(0, APP, OTHER, 1);
    expect(await flushesOf(r)).toEqual(["local -1", "switch -1"]);
  });

  it("vfork and threads share the mm: no flush", async () => {
    const r = start().mark().thread(0, APP, OTHER, 1);
    expect(await flushesOf(r)).toEqual(["switch -1"]);
  });

  it("exec loads a new mm, moves the stack and frees its first tables", async () => {
    const r = start().mark().process(0, APP);
    expect(await flushesOf(r)).toEqual(["switch -1", "local 1", "local -1"]);
  });

  it("exec that fails changes nothing", async () => {
    const r = start().mmap(0, APP, A, 2).write(0, APP, A).mark();
    r.line(0, APP, "sys_execve(filename: 0x1, argv: 0x1, envp: 0x1)");
    r.line(0, APP, "sys_execve -> 0xfffffffffffffffe").madvise(0, APP, A, 2);
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });

  it("exec by a thread takes over the leader's id", async () => {
    const r = start().thread(0, APP, OTHER, 1).mark();
    r.line(1, OTHER, "sys_execve(filename: 0x1, argv: 0x1, envp: 0x1)");
    r.line(1, APP, `sched_process_exec: filename=/bin/app pid=${APP} old_pid=${OTHER}`);
    r.line(1, APP, "sys_execve -> 0x0").mmap(1, APP, A, 2).write(1, APP, A);
    const { flushes } = await r.madvise(1, APP, A, 2).predict({ tids: true });
    expect(flushes.at(-1)).toBe(`local 1 @${APP}`);
  });

  it("a thread's exit flushes nothing, the last one's leaves for init_mm", async () => {
    const r = start().thread(0, APP, OTHER, 1).mark();
    r.line(1, OTHER, "sys_exit(error_code: 0)");
    r.line(1, OTHER, `sched_process_exit: comm=app pid=${OTHER} prio=120 group_dead=false`);
    expect(await flushesOf(r)).toEqual([]);
    // A CPU that was there before has no ASID slot of init_mm: the first time it flushes one.
    expect(await flushesOf(start().mark().exit(0, APP))).toEqual(["switch -1"]);
    const twice = start().fork(0, APP, 1003, 0).exit(0, 1003).switch(0, 1003, APP, "X");
    expect(await flushesOf(twice.mark().exit(0, APP))).toEqual(["switch -1", "switch 0"]);
  });

  it("rows are used again: more processes one after the other than the machine has", async () => {
    const r = start().mmap(0, APP, A, 4).write(0, APP, A);
    for (let i = 0; i < 100; i++) {
      r.fork(0, APP, 2000 + i, 1)
        .fault(0, APP, A, 7)
        .exit(1, 2000 + i);
      r.switch(1, 2000 + i, 0, "X");
    }
    const { result } = await r.predict();
    expect(result.predicted.local).toBeGreaterThan(200);
    expect(result.inferred.mms).toBe(1);
  });

  it("a thread id that is used again is somebody else", async () => {
    const r = start().mmap(0, APP, A, 4).write(0, APP, A).fork(0, APP, OTHER, 1);
    r.exit(1, OTHER).switch(1, OTHER, 0, "X").fault(0, APP, A, 7).fork(0, APP, OTHER, 1).mark();
    r.fault(1, OTHER, A, 7);
    expect(await flushesOf(r)).toEqual(["switch -1", "local 1"]);
  });
});

describe("what was there before", () => {
  it("an unknown thread gets an address space of its own, and counts as inferred", async () => {
    const r = new Recording().fault(0, 500, A, 6).fault(1, 501, A, 6);
    const { result, flushes } = await r.predict();
    expect(flushes).toEqual([]);
    expect(result.inferred).toEqual({ mms: 2, vmas: 2, pages: 0, switches: 2 });
  });

  it("a write to a read-only page nobody saw: it was there, and is nobody else's", async () => {
    const { result, flushes } = await new Recording().fault(0, 500, A, 7).predict();
    expect(flushes).toEqual([]);
    expect(result.inferred.pages).toBe(1);
  });

  it("after a fork it was there in parent and child", async () => {
    const r = new Recording().fork(0, 500, 501, 1).mark().fault(0, 500, A, 7).fault(1, 501, A, 7);
    expect(await flushesOf(r)).toEqual(["local 1"]);
  });

  it("a switch-in that is missing is made up, silently", async () => {
    const r = start().process(0, 2000).mark().mmap(0, APP, A, 2).write(0, APP, A);
    const { result, flushes } = await r.madvise(0, APP, A, 2).predict();
    expect(flushes).toEqual(["local 1"]);
    expect(result.inferred.switches).toBeGreaterThan(1);
  });

  it("kernel threads have no address space", async () => {
    const r = start().mark().switch(0, APP, 77).switch(0, 77, APP);
    expect(await flushesOf(r)).toEqual([]);
  });

  it("a lone exit line, and a lone process exit, are passed over", async () => {
    const r = new Recording().line(0, 500, "sys_munmap -> 0x0");
    r.line(0, 501, "sched_process_exit: comm=app pid=501 prio=120 group_dead=true");
    expect((await r.predict()).result.predicted.local).toBe(0);
  });
});
