import { describe, expect, it } from "vitest";
import { begun } from "../../src/record/beginning.js";

const HEAD = "# tracer: nop\n#\n";
const line = (pid: number, text: string): string => `  sh-${pid}  [000] .....  1.000000: ${text}\n`;
const exec = (pid: number): string =>
  line(pid, `sched_process_exec: filename=/bin/sh pid=${pid} old_pid=${pid}`);

async function kept(text: string, size: number): Promise<string> {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    const bytes = Buffer.from(text, "latin1");
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  let all = "";
  for await (const piece of begun(pieces(), 7)) all += Buffer.from(piece).toString("latin1");
  return all;
}

describe("where a recording begins", () => {
  const before = line(7, "sys_execve(filename: 0x1)") + exec(70) + line(9, "tlb_flush: pages:0");
  const after = line(7, "sys_execve -> 0x0") + exec(7) + line(7, "sys_brk(brk: 0)");

  it.each([1, 13, 1 << 20])(
    "behind the first program of its thread, in pieces of %i",
    async (n) => {
      expect(await kept(HEAD + before + exec(7) + after, n)).toBe(HEAD + after);
    },
  );

  it.each([1, 13, 1 << 20])("everything, if there is no such line, in pieces of %i", async (n) => {
    const text = `${HEAD}${before}${line(7, "sys_brk -> 0x1")}no newline`;
    expect(await kept(text, n)).toBe(text);
  });

  it("everything, if the line does not come in reasonable time", async () => {
    const many = line(7, "sys_brk -> 0x1").repeat(100_000) + exec(7) + after;
    expect(await kept(HEAD + many, 1 << 16)).toBe(HEAD + many);
  });
});
