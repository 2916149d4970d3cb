import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { runCompare, withCompareOptions } from "./compare.js";

/** The recording that comes with the package: redis under load during a background save. */
const BUNDLED = new URL("../../../traces/redis-bgsave.ftrace.gz", import.meta.url);

export function addDemo(program: Command, finish: (code: number) => void): void {
  withCompareOptions(program.command("demo"))
    .summary("compare, on the bundled recording of redis with a background save")
    .addHelpText("after", "\nExamples:\n  shootdown demo\n  shootdown demo --profile haswell-2019")
    .action(async (options: Parameters<typeof runCompare>[2]) => {
      finish(await runCompare(fileURLToPath(BUNDLED), "redis-bgsave", options));
    });
}
