import type { Command } from "commander";
import { ArgumentError } from "../../errors.js";
import { amountOf } from "../../step-files/index.js";
import { type DowntimeOptions, vdpaDowntime } from "../../vdpa/downtime.js";
import {
  comparisonTable,
  downtimeTables,
  downtimeTitle,
  profileTable,
} from "../../vdpa/pages/downtime-page.js";
import { type TextTable, truthTables } from "../../vdpa/pages/truth-page.js";
import { vdpaSystem } from "../../vdpa/steps/system.js";
import { vdpaTruthTable } from "../../vdpa/truth-table.js";
import { EXIT_OK, print, printJson } from "../io.js";
import { nameList, wholeNumber } from "../options.js";
import { Progress } from "../progress.js";
import { runStepCommand, type StepOptions, withSteps } from "../step-command.js";
import { formatTable } from "../table.js";

const TEXT_COLUMNS = 16;

function tableText({ title, head, lines }: TextTable): string {
  return `${title}\n\n${formatTable(head, lines, TEXT_COLUMNS)}\n`;
}

async function table(options: { readonly json?: boolean }): Promise<number> {
  const found = await vdpaTruthTable();
  if (options.json === true) await printJson(found);
  else {
    const { regions, entries, pages } = found.guest;
    const guest = `A guest of ${regions} regions, ${entries} runs of frames, ${pages} pages.\n`;
    await print([guest, ...truthTables(found).map(tableText)].join("\n"));
  }
  return EXIT_OK;
}

interface DowntimeCli {
  readonly guest: string;
  readonly devices: string;
  readonly parent: string;
  readonly strategy: string;
  readonly pages: string;
  readonly run: string;
  readonly regions: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

function bytesOf(option: string, text: string): number {
  const amount = amountOf(text, new Map());
  if (amount !== undefined) return Number(amount);
  throw new ArgumentError("E_TYPE", `${option} must be bytes, like 128G, got ${text}`, {
    argument: option,
  });
}

async function downtime(options: DowntimeCli): Promise<number> {
  const progress = new Progress(options.quiet === true);
  const result = await vdpaDowntime({
    guest: bytesOf("--guest", options.guest),
    devices: wholeNumber("--devices", options.devices, 1, 64),
    parent: options.parent,
    strategies: nameList("--strategy", options.strategy),
    pages: options.pages as NonNullable<DowntimeOptions["pages"]>,
    run: bytesOf("--run", options.run),
    regions: wholeNumber("--regions", options.regions, 1, 512),
    onStrategy: (name) => {
      progress.update(name);
    },
  });
  progress.done();
  if (options.json === true) {
    await printJson(result);
    return EXIT_OK;
  }
  const compared = result.comparisons.length === 0 ? [] : [comparisonTable(result)];
  const tables = [...downtimeTables(result), ...compared, profileTable(result)];
  await print([`${downtimeTitle(result)}\n`, ...tables.map(tableText)].join("\n"));
  return EXIT_OK;
}

export function addVdpa(program: Command, finish: (code: number) => void): void {
  const command = program
    .command("vdpa [scenario]")
    .summary("vhost-vdpa: what becomes of a device's mappings, and what that costs")
    .addHelpText(
      "after",
      `
Examples:
  shootdown vdpa v1-unpin-before-unmap
  shootdown vdpa all --json
  shootdown vdpa my-case.yaml --era 5.15
  shootdown vdpa table
  shootdown vdpa downtime --guest 128G --devices 2 --parent mlx5
Exit code: 0 as expected, 1 something was not, 2 usage or bad input.`,
    );
  withSteps(command, [vdpaSystem]).action(
    async (name: string | undefined, options: StepOptions) => {
      finish(await runStepCommand([vdpaSystem], name, options));
    },
  );
  command
    .command("table")
    .summary("mappings at a reset, a close, a stop and start, by parent: found by doing it")
    .option("--json", "print one JSON document")
    .action(async (_: unknown, sub: Command) => {
      finish(await table(sub.optsWithGlobals()));
    });
  command
    .command("downtime")
    .summary("operations and time of a stop and start, by strategy")
    .option("--guest <bytes>", "memory of the guest", "128G")
    .option("--devices <n>", "devices that all of it is mapped for", "2")
    .option("--strategy <names>", "strategies", "unmap-map,acked-unmap-map,persist")
    .option("--pages <kind>", "small, thp or hugetlb", "thp")
    .option("--run <bytes>", "neighbouring frames, an entry each", "2M")
    .option("--regions <n>", "regions the guest is mapped in", "2")
    .option("--parent <name>", "parent; mlx5 is mlx5-6.7", "mlx5")
    .option("--json", "print one JSON document")
    .option("--quiet", "no progress on stderr")
    .action(async (_: unknown, sub: Command) => {
      const options = sub.optsWithGlobals<DowntimeCli>();
      finish(await downtime({ ...options, parent: options.parent ?? "mlx5" }));
    });
}
