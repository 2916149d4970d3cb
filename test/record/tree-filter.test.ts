import { expect, it } from "vitest";
import { chosen, TreeFilter } from "../../src/record/tree-filter.js";

const ROOT = 500;
const line = (tid: number, cpu: number, text: string): string =>
  ` some name-${tid}   (    ${tid}) [00${cpu}] d..2.     1.000001: ${text}`;
const to = (next: number): string =>
  "sched_switch: prev_comm=a prev_pid=1 prev_prio=120 prev_state=S " +
  `==> next_comm=b next_pid=${next} next_prio=120`;
const flush = "tlb_flush: pages:0 reason:flush on task switch (0)";
const fault = "page_fault_user: address=0x1000 ip=0x1000 error_code=0x6";

it("keeps the program's lines, its descendants', the kernel's, and every switch", () => {
  const filter = new TreeFilter(ROOT, [0, 15]);
  const kept = (tid: number, text: string): boolean => filter.keeps(line(tid, 0, text));
  expect(kept(ROOT, fault)).toBe(true);
  expect(kept(15, fault)).toBe(true);
  expect(kept(900, fault)).toBe(false);
  expect(kept(900, to(901))).toBe(true);
  expect(kept(901, "sched_process_fork: comm=x pid=901 child_comm=x child_pid=902")).toBe(false);
  expect(kept(902, fault)).toBe(false);
  expect(kept(ROOT, "sched_process_fork: comm=x pid=500 child_comm=x child_pid=903")).toBe(true);
  expect(kept(903, fault)).toBe(true);
  expect(filter.keeps("# tracer: nop")).toBe(true);
});

it("keeps the flush of a switch to one of ours, whoever is still current", () => {
  const filter = new TreeFilter(ROOT, [0]);
  filter.keeps(line(900, 0, to(ROOT)));
  filter.keeps(line(ROOT, 1, to(900)));
  expect(filter.keeps(line(900, 0, flush))).toBe(true);
  expect(filter.keeps(line(ROOT, 1, flush))).toBe(false);
});

it("chooses lines wherever the text is cut", async () => {
  const text = [line(ROOT, 0, fault), line(900, 0, fault), line(900, 0, to(0)), "# end"].join("\n");
  const wanted = [line(ROOT, 0, fault), line(900, 0, to(0)), "# end"].join("\n");
  for (const size of [1, 7, 1000]) {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
    }
    const parts: Uint8Array[] = [];
    for await (const part of chosen(pieces(), new TreeFilter(ROOT, [0]))) parts.push(part);
    expect(Buffer.concat(parts).toString()).toBe(wanted);
  }
});
