/** The audit as text and as Markdown: a row for each call site, a column for each era. */
import type { Era } from "../kernel/era.js";
import type { AuditCell, AuditRow } from "./audit.js";
import { DEADLINES } from "./races.js";

/** Verdict and notifications: "UAF (1)". */
export function auditCell({ verdict, notifications, brackets, consumer }: AuditCell): string {
  if (verdict === null) return "-";
  return `${verdict} (${consumer === "sharing" ? notifications : brackets})`;
}

/** Head and lines of the table of one consumer. */
export function auditTable(
  rows: readonly AuditRow[],
  consumer: string,
): { head: string[]; lines: string[][] } {
  const eras = rows[0]?.cells.filter((cell) => cell.consumer === consumer).map(({ era }) => era);
  return {
    head: ["row", "operation", "deadline", ...(eras ?? [])],
    lines: rows.map(({ row, operation, deadline, cells }) => [
      row,
      operation,
      deadline,
      ...cells.filter((cell) => cell.consumer === consumer).map(auditCell),
    ]),
  };
}

function markdown(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const rows = [head, head.map(() => "---"), ...lines];
  return rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** What makes a counterexample of an unsafe cell show. */
function command({ row }: AuditRow, { era, consumer }: AuditCell): string {
  return `shootdown audit --rows ${row} --eras ${era} --consumers ${consumer}`;
}

const LATE_HEAD = [
  "row",
  "operation",
  "era",
  "consumer",
  "what",
  "steps",
  "shows the interleaving",
];

/** The page, docs/audit.md. */
export function auditPage(rows: readonly AuditRow[], eras: readonly Era[]): string {
  const isMutant = (name: string): boolean => eras.some((era) => era.name === name && era.mutant);
  const consumers = [...new Set(rows.flatMap(({ cells }) => cells.map((c) => c.consumer)))];
  const tables = consumers.map((consumer) => {
    const { head, lines } = auditTable(rows, consumer);
    return `## Consumer \`${consumer}\`\n\n${markdown(head, lines)}`;
  });
  const unsafe = rows.flatMap((row) =>
    row.cells
      .filter(({ verdict, era }) => verdict !== null && verdict !== "SAFE" && !isMutant(era))
      .map((cell) => ({ row, cell })),
  );
  const shown = unsafe.map(({ row, cell }) => [
    row.row,
    `\`${row.operation}\``,
    cell.era,
    cell.consumer,
    cell.verdict ?? "",
    String(cell.steps),
    `\`${command(row, cell)}\``,
  ]);
  const reasons = rows.map(({ row, title, deadline, reason, cells }) => {
    const found = cells.find(({ era, consumer }) => {
      return era === "deduplicated" && consumer === "sharing";
    });
    return [row, title, deadline, found?.verdict ?? "-", reason];
  });
  const deadlines = Object.entries(DEADLINES).map(([name, text]) => `- ${name}: ${text}`);
  return `# Audit of the call sites

Written by \`npm run sites\`, or \`shootdown audit --markdown\`; a test holds it to what is found.
For each row of the site table (notifiers.md 2.4) and each era: does the secondary flush come
in time? SAFE: in every interleaving of a small race (\`src/sites/races.ts\`), in which a device has
cached what the operation changes and uses it at any moment; with another thread where the danger
needs one. In brackets: notifications of the secondary hook in one run, or brackets, from
[sites.md](sites.md). Policy \`concurrent\`; assumed: interrupts may be delayed, a step is a
micro-op and atomic.

${deadlines.join("\n")}

${tables.join("\n\n")}

"-": no kernel of that era has the place. \`defer\` and \`only-end-everywhere\` were never shipped.

## Kernels that are late

${markdown(LATE_HEAD, shown)}

Row 1 is about page tables: another gather is open when munmap's flushes, so its range says nothing,
and the bracket has told the device before the table left the tree. Pages are safe there. Without
the other gather \`double\` and \`deduplicated\` are safe, \`empty-table\` is not: nothing follows
its bracket.

## Is deduplication safe?

${markdown(["row", "what", "deadline", "explored", "why"], reasons)}

Row 32 takes nothing away, but a device that caches what it may not write asks for ever
(notifiers.md S19): these devices walk again. Devices here take part in no fault of their own.
`;
}
