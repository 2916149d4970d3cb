import type { Command } from "commander";
import { record, type RecordResult } from "../../record/record.js";
import { EXIT_FOUND, EXIT_OK, printable, printJson } from "../io.js";
import { wholeNumber } from "../options.js";

interface Options {
  readonly output: string;
  readonly bufferKb: string;
  readonly all?: boolean;
  readonly allSwitches?: boolean;
  readonly tracefs?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const LEAST_BUFFER_KB = 64;
const MOST_BUFFER_KB = 2 ** 22;

function formatRecord(result: RecordResult): string {
  const { exitCode, signal, interrupted, lostEvents } = result;
  const how = signal === null ? `exited with ${exitCode}` : `was ended by ${signal}`;
  const cpus = result.cpus.map(
    ({ cpu, entries, lost }) => `  CPU ${cpu}: ${entries} events, ${lost} lost`,
  );
  const notes = [
    ...(interrupted === null ? [] : [`interrupted by ${interrupted}: only the beginning is there`]),
    ...(lostEvents === 0
      ? []
      : [`${lostEvents} events were lost: use a --buffer-kb above ${result.bufferKb}`]),
    ...(result.missing.length === 0
      ? []
      : [`this kernel does not have: ${result.missing.join(", ")}`]),
  ];
  return [
    `${result.output}: ${result.lines.toLocaleString("en-US")} lines, ` +
      `${result.seconds.toFixed(3)} s, clock ${result.clock}`,
    `${printable(result.command[0])} ${how}`,
    ...cpus,
    ...notes,
    "",
  ].join("\n");
}

export function addRecord(program: Command, finish: (code: number) => void): void {
  program
    .command("record")
    .argument("<command...>", "the program to record, after --, and its arguments")
    .summary("run a program and record what replay and calibrate need, with tracefs")
    .option("--output <file>", "the recording; compressed if it ends in .gz", "trace.ftrace.gz")
    .option("--buffer-kb <n>", "buffer of each CPU, in KiB", "65536")
    .option("--all", "keep the events of all processes, not only of the program's tree")
    .option("--all-switches", "keep all context switches, too: for a busy machine")
    .option("--tracefs <dir>", "where tracefs is; by default, it is looked for or mounted")
    .option("--json", "print one JSON document; what the program prints goes to stderr")
    .option("--quiet", "no summary on stderr")
    .addHelpText(
      "after",
      `
Examples:
  sudo shootdown record -- ./server --port 80
  sudo shootdown record --output sort.ftrace.gz --json -- sort --parallel=2 big.txt
  shootdown replay sort.ftrace.gz
It works in a tracing instance of its own, which is removed in the end, also after SIGINT, SIGTERM
and SIGHUP (then what was recorded is kept). Events of the program's processes, of the idle task and
of kernel threads are kept, so that what a shootdown does on CPUs that idle is there as well.
Exit codes: 0 recorded, whatever the program's own exit code, which is in the output;
1 recorded, but events were lost or a signal ended it; 2 usage, no tracefs, no right to use it, no
such program.`,
    )
    .action(async (command: string[], options: Options) => {
      const result = await record({
        command,
        output: options.output,
        bufferKb: wholeNumber("--buffer-kb", options.bufferKb, LEAST_BUFFER_KB, MOST_BUFFER_KB),
        all: options.all === true,
        allSwitches: options.allSwitches === true,
        toStderr: options.json === true,
        ...(options.tracefs === undefined ? {} : { tracefs: options.tracefs }),
      });
      if (options.json === true) await printJson(result);
      // stdout is the program's.
      else if (options.quiet !== true) process.stderr.write(formatRecord(result));
      const isWhole = result.lostEvents === 0 && result.interrupted === null;
      finish(isWhole ? EXIT_OK : EXIT_FOUND);
    });
}
