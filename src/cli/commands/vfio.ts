import type { Command } from "commander";
import { iommufdSystem } from "../../iommufd/steps/system.js";
import { vfioSystem } from "../../vfio/steps/system.js";
import { runStepCommand, type StepOptions, withSteps } from "../step-command.js";

const SYSTEMS = [vfioSystem, iommufdSystem];

export function addVfio(program: Command, finish: (code: number) => void): void {
  withSteps(program.command("vfio [scenario]"), SYSTEMS)
    .summary("run scenarios of VFIO and iommufd: pins, mappings, and who is told of an unmap")
    .addHelpText(
      "after",
      `
SCENARIO is a name from --list, or all, or a file that ends in .yaml or .yml (docs/vfio.md,
docs/iommufd.md, docs/step-files.md). A scenario of \`check\` is explored: --list there has them.
Examples:
  shootdown vfio --list
  shootdown vfio all
  shootdown vfio s4-stubborn-listener --era 7.0
  shootdown vfio pin-h2-reread
  shootdown vfio mine.yaml --storage tree --json
Exit code: 0 everything was as expected, 1 something was not, 2 usage or bad input.`,
    )
    .action(async (name: string | undefined, options: StepOptions) => {
      finish(await runStepCommand(SYSTEMS, name, options));
    });
}
