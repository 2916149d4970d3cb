/** Runs a command and records what a replay and a calibration need of it. */
import { createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { type Ended, findProgram, GatedCommand, kernelThreads } from "./command.js";
import { type CpuStats, TraceInstance } from "./instance.js";
import { begun } from "./beginning.js";
import { chosen, TreeFilter } from "./tree-filter.js";
import { openTracefs, type Tracefs } from "./tracefs.js";

/** What to record, and how. */
export interface RecordOptions {
  /** Program and arguments. */
  readonly command: readonly string[];
  /** File for the recording; compressed if its name ends in `.gz`. */
  readonly output: string;
  /** Buffer of each CPU. */
  readonly bufferKb: number;
  /** Keep the events of all processes. */
  readonly all: boolean;
  /** Without `all`: keep the context switches of all processes, for a busy machine. */
  readonly allSwitches?: boolean;
  /** What the command prints goes to stderr. */
  readonly toStderr: boolean;
  /** Where tracefs is; by default, it is looked for. */
  readonly tracefs?: string | Tracefs;
}

/** See {@link record}. */
export interface RecordResult {
  readonly command: readonly string[];
  /** How the command ended: its code, or the signal that ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The signal that ended the recording, if one did. */
  readonly interrupted: string | null;
  readonly output: string;
  readonly clock: "mono";
  readonly scope: "tree" | "all";
  readonly bufferKb: number;
  readonly seconds: number;
  /** Lines of the recording, comments included. */
  readonly lines: number;
  readonly cpus: readonly CpuStats[];
  readonly lostEvents: number;
  readonly events: readonly string[];
  /** Events this kernel does not have. */
  readonly missing: readonly string[];
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** How long a command may take to end after a signal. */
const PATIENCE_MS = 5_000;

const NEWLINE = 10;

/**
 * Runs `command` and writes a recording of it. Whatever happens, the tracing instance is removed
 * and the signal handlers are gone afterwards; after SIGINT, SIGTERM or SIGHUP the command gets the
 * signal as well, and what was recorded until then is kept.
 *
 * @throws TraceError E_ENV without tracefs or the right to use it; ArgumentError E_NOENT for a
 * program that is not there
 */
export async function record(options: RecordOptions): Promise<RecordResult> {
  const { command, tracefs } = options;
  await findProgram(command[0]);
  const isOpen = typeof tracefs === "object";
  const fs = isOpen ? tracefs : await openTracefs(tracefs);
  const interruption = new Interruption();
  try {
    const name = `shootdown-${process.pid}`;
    const instance = await TraceInstance.create(fs, name, { bufferKb: options.bufferKb });
    try {
      return await recorded(options, instance, interruption);
    } finally {
      await instance.remove();
    }
  } finally {
    interruption.dispose();
    if (!isOpen) await fs.close();
  }
}

async function recorded(
  options: RecordOptions,
  instance: TraceInstance,
  interruption: Interruption,
): Promise<RecordResult> {
  const { command, output } = options;
  const gated = new GatedCommand(command, options.toStderr);
  let ended: Ended;
  let kernel: number[] = [];
  const started = performance.now();
  try {
    if (!options.all) kernel = await kernelThreads();
    if (!options.all && options.allSwitches !== true) {
      await instance.follow([gated.pid, ...kernel]);
    }
    interruption.passTo(gated);
    await instance.start();
    ended = await gated.run();
    await instance.stop();
  } catch (error) {
    gated.kill("SIGKILL");
    throw error;
  }
  const seconds = (performance.now() - started) / 1000;
  const cpus = await instance.stats();
  const filter =
    options.all || options.allSwitches !== true ? null : new TreeFilter(gated.pid, kernel);
  const lines = await write(said(instance, options.all ? null : gated.pid, filter), output);
  return {
    command,
    ...ended,
    interrupted: interruption.signal,
    output,
    clock: "mono",
    scope: options.all ? "all" : "tree",
    bufferKb: options.bufferKb,
    seconds,
    lines,
    cpus,
    lostEvents: cpus.reduce((sum, { lost }) => sum + lost, 0),
    events: instance.events,
    missing: instance.missing,
  };
}

/** The recording, and before it whose it is: a replay must know what it does not show. */
async function* said(
  instance: TraceInstance,
  root: number | null,
  filter: TreeFilter | null,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  if (root !== null) yield encoder.encode(`# recorded: only the threads descended from ${root}\n`);
  const text = filter === null ? instance.text() : chosen(instance.text(), filter);
  yield* root === null ? text : begun(text, root);
}

/** Writes the text, compressed if the name says so; how many lines it has. */
async function write(text: AsyncIterable<Uint8Array>, output: string): Promise<number> {
  let lines = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of text) {
      for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
      yield chunk;
    }
  }
  // Beside the target, then renamed: a full disk leaves no half recording under its name.
  const part = `${output}.part`;
  try {
    const source = Readable.from(counted(), { objectMode: false });
    const file = createWriteStream(part);
    if (output.endsWith(".gz")) await pipeline(source, createGzip(), file);
    else await pipeline(source, file);
    await rename(part, output);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return lines;
}

/** Signals that ask for an end: the command gets them too, and the recording ends with it. */
class Interruption {
  /** The first one. */
  signal: (typeof SIGNALS)[number] | null = null;
  private command: GatedCommand | null = null;
  private timer: NodeJS.Timeout | undefined;
  private readonly handler = (signal: NodeJS.Signals): void => {
    this.signal ??= signal as (typeof SIGNALS)[number];
    this.end();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.handler);
  }

  /** From now on, `command` hears of it; of an earlier signal at once. */
  passTo(command: GatedCommand): void {
    this.command = command;
    if (this.signal !== null) this.end();
  }

  private end(): void {
    const { command, signal } = this;
    if (command === null || signal === null) return;
    command.kill(signal);
    this.timer ??= setTimeout(() => command.kill("SIGKILL"), PATIENCE_MS);
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const signal of SIGNALS) process.off(signal, this.handler);
  }
}
