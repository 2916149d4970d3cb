import type { Command } from "commander";
import { ArgumentError } from "../../errors.js";
import { Catalogue } from "../../kernel/catalogue.js";
import { auditSites, type AuditRow } from "../../sites/audit.js";
import { auditPage, auditTable } from "../../sites/audit-page.js";
import { DEADLINES } from "../../sites/races.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import { nameList } from "../options.js";
import { Progress } from "../progress.js";
import { formatTable } from "../table.js";

interface Options {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly markdown?: boolean;
  readonly eras: string;
  readonly consumers: string;
  readonly rows?: string;
}

const TEXT_COLUMNS = 16;

function formatAudit(rows: readonly AuditRow[], consumers: readonly string[]): string {
  const tables = consumers.map((consumer) => {
    const { head, lines } = auditTable(rows, consumer);
    return `consumer ${consumer}\n${formatTable(head, lines, TEXT_COLUMNS)}\n`;
  });
  const found = rows.flatMap(({ row, operation, cells }) =>
    cells
      .filter(({ counterexample }) => counterexample !== null)
      .map(
        ({ era, consumer, verdict, counterexample }) =>
          `row ${row}, ${operation}, era ${era}, consumer ${consumer}: ${verdict}\n\n` +
          `${counterexample}\n`,
      ),
  );
  const deadlines = Object.entries(DEADLINES).map(([name, text]) => `  ${name}: ${text}`);
  return [...tables, ...found, ["deadlines", ...deadlines, ""].join("\n")].join("\n");
}

async function run(options: Options): Promise<number> {
  if (options.json === true && options.markdown === true) {
    throw new ArgumentError("E_TYPE", "audit prints --json or --markdown, not both", {
      argument: "--markdown",
    });
  }
  const all = Catalogue.standard.parts.eras;
  const eras =
    options.eras === "all" ? all.map(({ name }) => name) : nameList("--eras", options.eras);
  const consumers = nameList("--consumers", options.consumers);
  const progress = new Progress(options.quiet === true);
  const rows = await auditSites({
    eras,
    consumers,
    ...(options.rows === undefined ? {} : { rows: nameList("--rows", options.rows) }),
    // A table of all rows says enough.
    counterexamples: options.rows !== undefined,
    onCell: (done, of) => {
      progress.update(`${done} of ${of}`);
    },
  });
  progress.done();
  if (options.json === true) await printJson({ rows });
  else if (options.markdown === true) await print(auditPage(rows, all));
  else await print(formatAudit(rows, consumers));
  const isMutant = (name: string): boolean => all.some((era) => era.name === name && era.mutant);
  const isLate = rows.some(({ cells }) =>
    cells.some(({ era, verdict }) => !isMutant(era) && verdict !== null && verdict !== "SAFE"),
  );
  return isLate ? EXIT_FOUND : EXIT_OK;
}

export function addAudit(program: Command, finish: (code: number) => void): void {
  program
    .command("audit")
    .summary("every call site and era: are secondary TLBs told in time, and how often?")
    .option("--eras <names>", "notification eras, or all", "double,deduplicated,coupled")
    .option("--consumers <names>", "what is behind the secondary MMU", "sharing,mirroring")
    .option("--rows <names>", "rows of the site table, such as 7,11a; with their counterexamples")
    .option("--json", "print one JSON document")
    .option("--markdown", "print the page that docs/audit.md is")
    .option("--quiet", "no progress on stderr")
    .addHelpText(
      "after",
      `
Examples:
  shootdown audit
  shootdown audit --rows 7 --eras deduplicated --consumers sharing
  shootdown audit --eras all --json
Exit code: 0 all in time, 1 a kernel's era is late somewhere, 2 usage or bad input.`,
    )
    .action(async (options: Options) => {
      finish(await run(options));
    });
}
