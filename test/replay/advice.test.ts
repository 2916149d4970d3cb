// What madvise does to a replay: one kernel rule each, on recordings written by hand.
import { describe, expect, it } from "vitest";
import { Recording } from "./helpers.js";

const A = 0x7f000;
const APP = 1000;
const OTHER = 1001;
const FREE = 8;
const COLD = 20;
const PAGEOUT = 21;
const POPULATE_READ = 22;
const POPULATE_WRITE = 23;
const PRIVATE_FILE = 2;

const start = (cpus = 2): Recording => new Recording(cpus).process(0, APP);
/** Written pages, with a neighbour that keeps the page table. */
const written = (...vpns: number[]): Recording =>
  start()
    .mmap(0, APP, A, 64)
    .mmap(0, APP, A + 64, 1, 1)
    .write(0, APP, ...vpns);

async function flushesOf(recording: Recording): Promise<string[]> {
  return (await recording.predict()).flushes;
}

function advise(r: Recording, tid: number, cpu: number, vpn: number, advice: number): Recording {
  const at = `start: 0x${(vpn * 4096).toString(16)}, len_in: 0x1000, behavior: ${advice}`;
  return r.line(cpu, tid, `sys_madvise(${at})`);
}

describe("accessed and dirty bits", () => {
  it("MADV_COLD flushes from the first accessed page to the last, and once only", async () => {
    const r = written(A + 1, A + 4).mark();
    r.madvise(0, APP, A, 64, COLD).madvise(0, APP, A, 64, COLD);
    expect(await flushesOf(r)).toEqual(["local 4"]);
  });

  it("MADV_COLD leaves pages alone that somebody else has too", async () => {
    const r = written(A).fork(0, APP, OTHER, 1).mark().madvise(0, APP, A, 64, COLD);
    expect(await flushesOf(r)).toEqual([]);
  });

  it("a second MADV_FREE flushes nothing, after COLD it still clears the dirty bit", async () => {
    const r = written(A, A + 8).mark();
    r.madvise(0, APP, A, 1, FREE).madvise(0, APP, A, 1, FREE).madvise(0, APP, A, 1, COLD);
    r.madvise(0, APP, A + 8, 1, COLD).madvise(0, APP, A + 8, 1, FREE);
    expect(await flushesOf(r)).toEqual(["local 1", "local 1", "local 1"]);
  });

  it("a page that was dropped and touched again is accessed again", async () => {
    const r = written(A).madvise(0, APP, A, 1, COLD).madvise(0, APP, A, 1).write(0, APP, A).mark();
    expect(await flushesOf(r.madvise(0, APP, A, 1, COLD))).toEqual(["local 1"]);
  });

  it("bits move with their pages", async () => {
    const r = written(A)
      .mmap(0, APP, A + 1032, 1, 1)
      .madvise(0, APP, A, 1, COLD);
    r.mremap(0, APP, A, 64, 64, A + 1040).mark();
    expect(await flushesOf(r.madvise(0, APP, A + 1040, 64, COLD))).toEqual([]);
  });
});

describe("MADV_PAGEOUT", () => {
  it("flushes nothing where there is no swap", async () => {
    expect(await flushesOf(written(A).mark().madvise(0, APP, A, 64, PAGEOUT))).toEqual([]);
  });

  it("takes what MADV_FREE gave up, page by page, even if it was populated since", async () => {
    const r = written(A, A + 1)
      .madvise(0, APP, A, 64, FREE)
      .madvise(0, APP, A, 1, POPULATE_WRITE);
    r.mark().madvise(0, APP, A, 64, PAGEOUT).madvise(0, APP, A, 64);
    expect(await flushesOf(r)).toEqual(["local 1", "local 1"]);
  });

  it("takes clean pages of a file", async () => {
    const r = start().mmap(0, APP, A, 8, 3, PRIVATE_FILE).fault(0, APP, A, 4).mark();
    expect(await flushesOf(r.madvise(0, APP, A, 2, PAGEOUT))).toEqual(["local 1", "local 1"]);
  });

  it("with another CPU in the mask one flush is deferred; the next walk settles it", async () => {
    const r = written(A, A + 1, A + 2).thread(0, APP, OTHER, 1);
    r.madvise(0, APP, A, 2, FREE).mark();
    r.madvise(0, APP, A, 2, PAGEOUT)
      .madvise(0, APP, A + 2, 1)
      .madvise(0, APP, A + 2, 1);
    expect(await flushesOf(r)).toEqual([
      ...["send -1", "local -1", "remote -1"],
      ...["send -1", "local -1", "remote -1"],
      ...["send 1", "local 1", "remote 1"],
    ]);
  });
});

describe("gathers of others", () => {
  it("who is preempted inside holds its gather open: empty ones flush, too", async () => {
    const r = written(A).thread(0, APP, OTHER, 1);
    advise(r, OTHER, 1, A + 9, FREE)
      .switch(1, OTHER, 0, "R")
      .mark();
    r.madvise(0, APP, A + 20, 1, COLD);
    expect((await flushesOf(r)).filter((flush) => flush.startsWith("local"))).toEqual(["local -1"]);
  });

  it("who sleeps there waits for a lock, and has none yet", async () => {
    const r = written(A).thread(0, APP, OTHER, 1);
    advise(r, OTHER, 1, A + 9, FREE)
      .switch(1, OTHER, 0, "D")
      .mark();
    expect(await flushesOf(r.madvise(0, APP, A + 20, 1, COLD))).toEqual([]);
  });

  it("advice that a mapping is not fit for has opened its gather before that shows", async () => {
    const r = written(A).thread(0, APP, OTHER, 1);
    advise(r, OTHER, 1, A + 9, FREE)
      .switch(1, OTHER, 0, "R")
      .mark();
    advise(r, APP, 0, A, FREE).line(0, APP, "sys_madvise -> 0xffffffffffffffea");
    expect((await flushesOf(r)).filter((flush) => flush.startsWith("local"))).toEqual(["local -1"]);
  });

  it("a reader goes on beside a writer unless it is seen to sleep", async () => {
    const during = (state: string): Recording => {
      const r = written(A).thread(0, APP, OTHER, 1).mark();
      advise(r, OTHER, 1, A + 9, 0);
      advise(r, APP, 0, A, 4);
      if (state !== "") r.switch(0, APP, 0, state);
      r.line(1, OTHER, "sys_madvise -> 0x0").switch(1, OTHER, 0);
      if (state !== "") r.switch(0, 0, APP);
      return r.line(0, APP, "sys_madvise -> 0x0");
    };
    expect(await flushesOf(during(""))).toContain("remote 1");
    // The other CPU is lazy by the time it gets the lock.
    expect(await flushesOf(during("D"))).not.toContain("remote 1");
  });
});

describe("ranges out of sight", () => {
  const somewhere = (r: Recording, pages: number): Recording =>
    r
      .line(0, APP, "sys_process_madvise(pidfd: 4, vec: 0x1, vlen: 1, behavior: 0x14, flags: 0)")
      .line(0, APP, `sys_process_madvise -> 0x${(pages * 4096).toString(16)}`);

  it("process_madvise is about the only mapping as long as what it returns", async () => {
    const r = written(A + 1, A + 3).mark();
    expect(await flushesOf(somewhere(r, 64))).toEqual(["local 3"]);
  });

  it("and about nothing if there are several, or none", async () => {
    const r = written(A)
      .mmap(0, APP, A + 128, 64)
      .mark();
    expect(await flushesOf(somewhere(somewhere(r, 64), 7))).toEqual([]);
  });
});

describe("files", () => {
  it("populating by reads brings what a fault would", async () => {
    const r = start()
      .mmap(0, APP, A, 64, 1, PRIVATE_FILE)
      .mmap(0, APP, A + 64, 1, 1);
    r.madvise(0, APP, A + 17, 1, POPULATE_READ).mark();
    expect(await flushesOf(r.madvise(0, APP, A, 64))).toEqual(["local 16"]);
  });

  it("advice that splits a mapping ends what a fault brings", async () => {
    const r = start()
      .mmap(0, APP, A, 64, 1, PRIVATE_FILE)
      .mmap(0, APP, A + 64, 1, 1);
    r.madvise(0, APP, A + 4, 4, 1)
      .fault(0, APP, A, 4)
      .mark()
      .madvise(0, APP, A, 64);
    expect(await flushesOf(r)).toEqual(["local 4"]);
    const undone = start()
      .mmap(0, APP, A, 64, 1, PRIVATE_FILE)
      .mmap(0, APP, A + 64, 1, 1);
    undone
      .madvise(0, APP, A + 4, 4, 1)
      .madvise(0, APP, A + 4, 4, 0)
      .fault(0, APP, A, 4)
      .mark();
    expect(await flushesOf(undone.madvise(0, APP, A, 64))).toEqual(["local 16"]);
  });
});

describe("moves and shared memory", () => {
  const far = A + 2048;
  /** Neighbours keep upper tables alive. */
  const around = (r: Recording): Recording =>
    r.mmap(0, APP, A - 512, 1, 1).mmap(0, APP, far + 1024, 1, 1);
  const aligned = 0x7f000;

  it("MREMAP_DONTUNMAP leaves the mapping and its table, without pages", async () => {
    const r = around(start().mmap(0, APP, A + 8, 4))
      .write(0, APP, A + 8)
      .mark();
    const args = `addr: 0x${((A + 8) * 4096).toString(16)}, old_len: 0x4000, new_len: 0x4000`;
    r.line(0, APP, `sys_mremap(${args}, flags: 5, new_addr: 0)`);
    r.line(0, APP, `sys_mremap -> 0x${((far + 9) * 4096).toString(16)}`);
    r.munmap(0, APP, A + 8, 4);
    expect(await flushesOf(r)).toEqual(["local 4", "local 0"]);
  });

  it("a whole table is moved, not freed", async () => {
    const r = around(start().mmap(0, APP, aligned, 512))
      .write(0, APP, aligned)
      .mark();
    r.mremap(0, APP, aligned, 512, 512, far).munmap(0, APP, far, 512);
    // One for the move, one for the page: nothing for a table at the old place.
    expect(await flushesOf(r)).toEqual(["local -1", "local 1"]);
  });

  it("written shared memory is flushed table by table when it is unmapped", async () => {
    const r = around(start().mmap(0, APP, A, 1024, 3, 0x21));
    r.write(0, APP, A + 1, A + 600)
      .mark()
      .munmap(0, APP, A, 1024);
    expect(await flushesOf(r)).toEqual(["local 1", "local 1", "local 1"]);
  });

  it("and when its last thread exits", async () => {
    const sends = async (flags: number): Promise<number> => {
      const r = around(start().mmap(0, APP, A, 8, 3, flags)).thread(0, APP, OTHER, 1);
      r.write(0, APP, A)
        .line(1, OTHER, `sched_process_exit: comm=app pid=${OTHER} prio=120`)
        .switch(1, OTHER, 0, "X");
      const flushes = await flushesOf(r.mark().exit(0, APP));
      return flushes.filter((flush) => flush === "send -1").length;
    };
    expect(await sends(0x22)).toBe(1);
    expect(await sends(0x21)).toBe(2);
  });
});
