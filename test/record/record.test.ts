import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { kernelThreads } from "../../src/record/command.js";
import { record, type RecordOptions } from "../../src/record/record.js";
import { openTracefs } from "../../src/record/tracefs.js";
import { replayTrace } from "../../src/replay/replay.js";
import { readAll } from "../traces/helpers.js";
import { FakeTracefs } from "./fake-tracefs.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const cli = join(root, "dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "shootdown-record-"));
const LINE = "  app-7   [000] ..... 1.000001: sys_munmap -> 0x0\n";

const CALLS = ["mmap", "munmap", "mprotect", "madvise", "mremap", "brk", "clone", "clone3"];
const EVENTS = [
  ...["page_fault_user", "page_fault_kernel"].map((name) => `exceptions/${name}`),
  ...["switch", "migrate_task", "process_fork", "process_exec", "process_exit"].map(
    (name) => `sched/sched_${name}`,
  ),
  "tlb/tlb_flush",
  ...["queue_cpu", "function_entry", "function_exit"].map((name) => `csd/csd_${name}`),
  ...CALLS.flatMap((call) => [`syscalls/sys_enter_${call}`, `syscalls/sys_exit_${call}`]),
];

const stats = (entries: number, overrun: number, dropped: number): string =>
  `entries: ${entries}\noverrun: ${overrun}\ncommit overrun: 0\nbytes: 5\n` +
  `oldest event ts:     1.5\nnow ts:     2.5\ndropped events: ${dropped}\nread events: 0\n`;

const options = (fs: FakeTracefs, more: Partial<RecordOptions> = {}): RecordOptions => ({
  command: ["/bin/true"],
  output: join(folder, "out.ftrace"),
  bufferKb: 128,
  all: false,
  toStderr: false,
  tracefs: fs,
  ...more,
});

describe("record, with a tracefs in memory", () => {
  const whole = { events: EVENTS, trace: `# tracer: nop\n${LINE}`, stats: [stats(5, 0, 0)] };

  /** What is written before the kernel's text. */
  const RECORDED = /^# recorded: only the threads descended from \d+\n/;

  it("sets up an instance of its own, keeps what it has to, and takes it away", async () => {
    const fs = new FakeTracefs(whole);
    const result = await record(options(fs));
    expect(fs.instances.size).toBe(0);
    expect(fs.closed).toBe(false);
    expect(fs.writes.slice(0, 6)).toEqual([
      "tracing_on = 0",
      "trace_clock = mono",
      "options/overwrite = 0",
      "options/event-fork = 1",
      "options/record-tgid = 1",
      "buffer_size_kb = 128",
    ]);
    const follow = fs.writes.find((line) => line.startsWith("set_event_pid = ")) ?? "";
    const tids = follow.slice("set_event_pid = ".length).split(" ").map(Number);
    // The command, the idle task, and kthreadd with its children.
    expect(tids).toEqual([expect.any(Number), ...(await kernelThreads())]);
    expect(tids).toContain(0);
    expect(fs.writes.at(-2)).toBe("tracing_on = 1");
    expect(fs.writes.at(-1)).toBe("tracing_on = 0");
    expect(result).toMatchObject({ exitCode: 0, signal: null, lines: 3, lostEvents: 0 });
    expect(result.events).toHaveLength(EVENTS.length);
    expect(result.missing).toContain("ipi/ipi_send_cpu");
    const text = readFileSync(result.output, "utf8");
    expect(text).toMatch(RECORDED);
    expect(text.replace(RECORDED, "")).toBe(`# tracer: nop\n${LINE}`);
    expect(text).toContain(` ${tids[0]}\n`);
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  it("compresses by the name, and keeps all processes if told to", async () => {
    const fs = new FakeTracefs(whole);
    const output = join(folder, "out.ftrace.gz");
    await record(options(fs, { output, all: true }));
    expect(gunzipSync(readFileSync(output)).toString()).toBe(`# tracer: nop\n${LINE}`);
    expect(fs.writes.some((line) => line.startsWith("set_event_pid"))).toBe(false);
  });

  it("counts what was lost on each CPU", async () => {
    const fs = new FakeTracefs({ ...whole, stats: [stats(5, 2, 0), stats(6, 0, 40)] });
    const result = await record(options(fs));
    expect(result.lostEvents).toBe(42);
    expect(result.cpus).toEqual([
      { cpu: 0, entries: 5, lost: 2 },
      { cpu: 1, entries: 6, lost: 40 },
    ]);
  });

  it("filters raw_syscalls where single calls have no events", async () => {
    const events = EVENTS.filter((event) => !event.startsWith("syscalls/"));
    const raw = ["raw_syscalls/sys_enter", "raw_syscalls/sys_exit"];
    const fs = new FakeTracefs({ ...whole, events: [...events, ...raw] });
    await record(options(fs));
    const filter = fs.writes.find((line) => line.includes("sys_enter/filter")) ?? "";
    expect(filter).toMatch(/id == 11 \|\| /);
  });

  it.each([
    ["no right", { refuse: { instances: "EACCES" } }, /takes root/],
    ["a clock that is not there", { refuse: { trace_clock: "EINVAL" } }, /"mono" to .*trace_clock/],
    ["threads that cannot be followed", { refuse: { set_event_pid: "EINVAL" } }, /set_event_pid/],
    ["a start that fails", { refuse: { "events/tlb/tlb_flush/enable": "EIO" } }, /tlb_flush/],
    ["no events of faults", { events: EVENTS.slice(2) }, /no events .*page_fault_user/],
    ["no events of calls", { events: EVENTS.slice(0, 11) }, /no events of system calls/],
  ])("%s: an error, and nothing left behind", async (_what, more, message) => {
    const fs = new FakeTracefs({ ...whole, ...more });
    await expect(record(options(fs))).rejects.toThrow(message);
    await expect(record(options(fs))).rejects.toMatchObject({ code: "E_ENV" });
    expect(fs.instances.size).toBe(0);
    expect(process.listenerCount("SIGINT")).toBe(0);
  });

  it("a recording that cannot be written leaves no file and no instance", async () => {
    const fs = new FakeTracefs({ ...whole, refuse: { trace: "EIO" } });
    const output = join(folder, "never.ftrace");
    await expect(record(options(fs, { output }))).rejects.toThrow("EIO");
    expect(readdirSync(folder).filter((name) => name.startsWith("never"))).toEqual([]);
    expect(fs.instances.size).toBe(0);
  });

  it("waits for an instance that is still busy", async () => {
    const fs = new FakeTracefs({ ...whole, busy: 3 });
    await record(options(fs));
    expect(fs.instances.size).toBe(0);
  });

  it("says how the command ended", async () => {
    const shell = (text: string) =>
      options(new FakeTracefs(whole), { command: ["sh", "-c", text] });
    expect(await record(shell("exit 3"))).toMatchObject({ exitCode: 3, signal: null });
    expect(await record(shell("kill -9 $$"))).toMatchObject({ exitCode: null, signal: "SIGKILL" });
  });

  it("after a signal the command ends too, and what was recorded is kept", async () => {
    const fs = new FakeTracefs(whole);
    const running = record(options(fs, { command: ["sleep", "60"] }));
    await expect.poll(() => fs.writes.includes("tracing_on = 1")).toBe(true);
    process.emit("SIGTERM", "SIGTERM");
    expect(await running).toMatchObject({ interrupted: "SIGTERM", signal: "SIGTERM", lines: 3 });
    expect(fs.instances.size).toBe(0);
    expect(process.listenerCount("SIGTERM")).toBe(0);
  });

  it("a program that is not there is found out before anything is done", async () => {
    const fs = new FakeTracefs(whole);
    for (const program of ["no-such-program", "./no-such", "/"]) {
      await expect(record(options(fs, { command: [program] }))).rejects.toMatchObject({
        code: "E_NOENT",
      });
    }
    expect(fs.writes).toEqual([]);
  });
});

function run(...args: string[]) {
  return spawnSync(process.execPath, [cli, "record", ...args], { encoding: "utf8" });
}

describe("the command line", () => {
  it("without tracefs: a message, and exit code 2", () => {
    const { status, stderr, stdout } = run("--tracefs", folder, "--json", "--", "/bin/true");
    expect(status).toBe(2);
    expect(stderr).toMatch(/no tracefs at .* \[E_ENV\]/);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "E_ENV" } });
  });

  it("without a command: usage", () => {
    expect(run("--quiet").status).toBe(2);
    expect(run("--buffer-kb", "1", "--", "/bin/true").status).toBe(2);
  });

  it("explains its exit codes", () => {
    expect(run("--help").stdout).toMatch(/Exit codes: 0 recorded/);
  });
});

/** Is there a real one, and the right to use it? Elsewhere the tests below are skipped. */
async function usable(): Promise<boolean> {
  try {
    const fs = await openTracefs();
    const name = `instances/shootdown-test-${process.pid}`;
    try {
      await fs.makeDir(name);
      await fs.removeDir(name);
    } finally {
      await fs.close();
    }
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!(await usable()))("record, with this machine's tracefs", () => {
  const work = "x=0; while [ $x -lt 200 ]; do x=$((x+1)); done; ls / > /dev/null; exit 5";

  it("records a program that can be replayed, and leaves no trace of itself", async () => {
    const output = join(folder, "real.ftrace.gz");
    const { status, stdout } = run("--json", "--output", output, "--", "sh", "-c", work);
    expect(status).toBe(0);
    const file = readFileSync(join(root, "dist/schemas/record.json"), "utf8");
    const schema: unknown = JSON.parse(file);
    const validate = new Ajv2020({ strict: true }).compile(schema as object);
    const result = JSON.parse(stdout) as Record<string, unknown>;
    validate(result);
    expect(validate.errors ?? []).toEqual([]);
    expect(result).toMatchObject({ exitCode: 5, lostEvents: 0, scope: "tree", missing: [] });
    const events = await readAll(output);
    const execs = events.filter((event) => event.kind === "schedProcessExec");
    expect(execs.length).toBeGreaterThanOrEqual(2);
    expect(events.some((event) => event.kind === "tlbFlush")).toBe(true);
    const { trace, fidelity } = await replayTrace(output);
    expect(trace).toMatchObject({ format: "ftrace", residency: "recorded" });
    expect(fidelity?.f1).toBeGreaterThan(0.7);
    const fs = await openTracefs();
    expect(
      readdirSync(join(fs.root, "instances")).filter((n) => n.startsWith("shootdown-")),
    ).toEqual([]);
    await fs.close();
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "%s ends both, and restores everything",
    async (signal) => {
      const output = join(folder, `${signal}.ftrace`);
      const child = spawn(
        process.execPath,
        [cli, "record", "--output", output, "--", "sleep", "60"],
        {
          stdio: ["ignore", "ignore", "pipe"],
        },
      );
      let said = "";
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      // The command runs when its own program does.
      const isRunning = (): boolean =>
        spawnSync("pgrep", ["-P", String(child.pid), "-x", "sleep"]).status === 0;
      await expect.poll(isRunning, { timeout: 20_000 }).toBe(true);
      child.kill(signal);
      const code = await new Promise((resolve) => child.on("exit", resolve));
      expect(code).toBe(1);
      expect(said).toContain(`interrupted by ${signal}`);
      expect(existsSync(output)).toBe(true);
      const fs = await openTracefs();
      expect(existsSync(join(fs.root, "instances", `shootdown-${child.pid}`))).toBe(false);
      await fs.close();
    },
  );
});
