import type { Command } from "commander";
import { vdpaSystem } from "../../vdpa/steps/system.js";
import { runStepCommand, type StepOptions, withSteps } from "../step-command.js";

export function addVdpa(program: Command, finish: (code: number) => void): void {
  const command = program
    .command("vdpa [scenario]")
    .summary("vhost-vdpa: what becomes of a device's mappings, by scenarios");
  withSteps(command, [vdpaSystem]).action(
    async (name: string | undefined, options: StepOptions) => {
      finish(await runStepCommand([vdpaSystem], name, options));
    },
  );
}
