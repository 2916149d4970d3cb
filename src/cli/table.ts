/** Plain text tables: the first columns left, numbers right. */

/** Aligns `rows` under `head`; `left` columns are text. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  left: number,
): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => formatCell(cell)))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i < left ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [line(cells[0] ?? []), rule, ...cells.slice(1).map(line)].join("\n");
}

function formatCell(cell: string | number): string {
  return typeof cell === "number" ? cell.toLocaleString("en-US") : cell;
}
