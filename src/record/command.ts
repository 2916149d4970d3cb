/** The command that is recorded: held back until its events are, and found beforehand. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, readdir, readFile, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Writable } from "node:stream";
import { ArgumentError } from "../errors.js";

/** How a command came to its end: one of the two is null. */
export interface Ended {
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/**
 * The shell waits for a line on descriptor 3, then becomes another one that becomes the command at
 * once: see beginning.ts.
 */
const GATE = `read -r go <&3 && exec 3<&- && exec /bin/sh -c 'exec "$@"' sh "$@"`;

/** `PF_KTHREAD` of the kernel's task flags. */
const KERNEL_THREAD = 0x0020_0000;
/** Fields of /proc/PID/stat behind the name, up to the flags. */
const FLAGS_FIELD = 6;

/** A command that has been started, but is kept from running. */
export class GatedCommand {
  private readonly child: ChildProcess;
  private readonly ended: Promise<Ended>;

  /**
   * @param command - program and arguments
   * @param toStderr - what it prints goes to stderr, because stdout is taken
   */
  constructor(command: readonly string[], toStderr: boolean) {
    this.child = spawn("/bin/sh", ["-c", GATE, "sh", ...command], {
      stdio: ["inherit", toStderr ? 2 : "inherit", "inherit", "pipe"],
    });
    this.ended = new Promise((resolve, reject) => {
      this.child.on("error", reject);
      this.child.on("exit", (exitCode, signal) => resolve({ exitCode, signal }));
    });
    // Whoever waits hears of it; until then it is no unhandled rejection.
    this.ended.catch(() => undefined);
  }

  /** Its process id, also after the shell became the command. */
  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** Lets it run, and waits for its end. */
  async run(): Promise<Ended> {
    const gate = this.child.stdio[3] as Writable;
    // It may be dead already: then the answer is its end, not a broken pipe.
    gate.on("error", () => undefined);
    gate.end("go\n");
    return this.ended;
  }

  /** Sends it a signal, if it is still there. */
  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** @throws ArgumentError E_NOENT when there is no such program */
export async function findProgram(program: string): Promise<void> {
  const places = program.includes("/")
    ? [program]
    : (process.env["PATH"] ?? "").split(delimiter).map((place) => join(place || ".", program));
  for (const place of places) {
    const isProgram = await access(place, constants.X_OK).then(
      async () => (await stat(place)).isFile(),
      () => false,
    );
    if (isProgram) return;
  }
  const message = `record: cannot find the program ${program}`;
  throw new ArgumentError("E_NOENT", message, { argument: "command", value: program });
}

/** Ids of the idle task and of all kernel threads. */
export async function kernelThreads(): Promise<number[]> {
  const tids = [0];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // A process may end while the list is being read.
    const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const flags = text.slice(text.lastIndexOf(")") + 2).split(" ")[FLAGS_FIELD];
    if ((Number(flags) & KERNEL_THREAD) !== 0) tids.push(Number(name));
  }
  return tids;
}
