import type { Command } from "commander";
import { vfioSystem } from "../../vfio/steps/system.js";
import { runStepCommand, type StepOptions, withSteps } from "../step-command.js";

const SYSTEMS = [vfioSystem];

export function addVfio(program: Command, finish: (code: number) => void): void {
  withSteps(program.command("vfio [scenario]"), SYSTEMS)
    .summary("run scenarios of VFIO containers: pins, mappings, and who is told of an unmap")
    .addHelpText(
      "after",
      `
SCENARIO is a name from --list, or all, or a file that ends in .yaml or .yml (docs/vfio.md,
docs/step-files.md).
Examples:
  shootdown vfio --list
  shootdown vfio all
  shootdown vfio stubborn-listener --era 7.0
  shootdown vfio mine.yaml --storage tree --json
Exit code: 0 everything was as expected, 1 something was not, 2 usage or bad input.`,
    )
    .action(async (name: string | undefined, options: StepOptions) => {
      finish(await runStepCommand(SYSTEMS, name, options));
    });
}
