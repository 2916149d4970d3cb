#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { version } from "../index.js";
import { addAudit } from "./commands/audit.js";
import { addCalibrate } from "./commands/calibrate.js";
import { addCheck } from "./commands/check.js";
import { addCompare } from "./commands/compare.js";
import { addDemo } from "./commands/demo.js";
import { addRecord } from "./commands/record.js";
import { addReplay } from "./commands/replay.js";
import { addSample } from "./commands/sample.js";
import { addSimulate } from "./commands/simulate.js";
import { addVfio } from "./commands/vfio.js";
import { addVdpa } from "./commands/vdpa.js";
import { EXIT_OK, EXIT_USAGE, reportFailure } from "./io.js";

// A reader that has seen enough (head, less) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? EXIT_OK : EXIT_USAGE);
});

const program = new Command("shootdown")
  .description(
    "Simulates how memory translations are invalidated: Linux MMU notifiers, the secondary MMUs\n" +
      "behind them, and TLB shootdown. Results on stdout, progress on stderr.",
  )
  .version(version)
  .exitOverride()
  .addHelpText(
    "after",
    `
Examples:
  shootdown demo
  shootdown compare TRACE --eras double,deduplicated,coupled
  shootdown record --output app.ftrace.gz -- ./app
  shootdown replay app.ftrace.gz
  shootdown check cow-order --era defer
  shootdown audit --rows 7
  shootdown sample munmap-user --policy no-wait
  shootdown simulate --driver parallel --cpus 2 --ops 100000
  shootdown calibrate TRACE --output mine.json
Exit codes: 0 ok, 1 hazard found or threshold missed, 2 usage or bad input.`,
  );

const finish = (code: number): void => {
  process.exitCode = code;
};
const COMMANDS = [
  addDemo,
  addCompare,
  addRecord,
  addReplay,
  addCheck,
  addSample,
  addAudit,
  addSimulate,
  addVfio,
  addCalibrate,
  addVdpa,
];
for (const add of COMMANDS) add(program, finish);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  } else {
    process.exitCode = await reportFailure(error, process.argv.includes("--json"));
  }
}
