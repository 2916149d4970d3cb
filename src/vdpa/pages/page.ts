/** docs/vdpa-tables.md: the truth table, and downtimes by what backs the guest. */
import type { Downtime } from "../downtime.js";
import { comparisonTable, downtimeTables, downtimeTitle, profileTable } from "./downtime-page.js";
import { type TextTable, truthTables } from "./truth-page.js";
import type { TruthTable } from "../truth-table.js";
import { truthParents } from "../truth-table.js";
import { VDPA_STRATEGIES } from "../userspace.js";

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

function tableOf({ head, lines }: TextTable): string {
  return [head, head.map(() => "---"), ...lines].map(line).join("\n");
}

function section(table: TextTable, level: string): string {
  return `${level} ${table.title}\n\n${tableOf(table)}\n`;
}

function downtimeSection(result: Downtime): string {
  const tables = [...downtimeTables(result).slice(1), comparisonTable(result)];
  return [
    `## ${result.pages}\n\n${downtimeTitle(result)}.\n`,
    ...tables.map((table) => section(table, "###")),
    section(profileTable(result), "###"),
  ].join("\n");
}

/** The page; `downtimes` are of the same cycles. */
export function vdpaPage(truth: TruthTable, downtimes: readonly Downtime[]): string {
  const { regions, entries, pages } = truth.guest;
  const parents: TextTable = {
    title: "Parents",
    head: ["parent", "name", "is"],
    lines: truthParents().map(({ symbol, name, title }) => [symbol ?? "", `\`${name}\``, title]),
  };
  const strategies: TextTable = {
    title: "Strategies",
    head: ["strategy", "is"],
    lines: [...VDPA_STRATEGIES.values()].map(({ name, title }) => [name, title]),
  };
  return `# What becomes of a device's mappings, and what that costs

Written by \`npm run vdpa\`; a test holds it to what the model does. Words and rules:
[vdpa.md](vdpa.md). The same on the terminal: \`shootdown vdpa table\`, \`shootdown vdpa downtime\`.

${section(parents, "##")}
${section(strategies, "##")}
A guest of ${regions} regions, ${entries} runs of neighbouring frames and ${pages} pages; one
address space.

${truthTables(truth)
  .map((table) => section(table, "##"))
  .join("\n")}
# Downtime

All devices start, stop and start again. Operations are those the model did; times are a
profile's, and each constant of it says where it is from and what is assumed. What virtqueues,
shadow virtqueues and the migration itself take is not in it: only differences between strategies
can be held against what was published. Those figures do not say how the guest was backed, and
that decides: see \`thp\` and \`small\`.

${section(downtimeTables(downtimes[0])[0], "##")}
${downtimes.map(downtimeSection).join("\n")}`;
}
