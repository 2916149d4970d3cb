// Writes what `npm run bench -- SUITE --json > FILE` has measured as Markdown, a table a suite:
// nanoseconds an operation in two or three digits, a column for each contender. What was counted,
// and not timed, comes in a table of its own below.
//   npm run -s bench:table -- FILE... [--shapes A,B] [--entries 100,10000]

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { figuresOf, groupBy } from "./charts/points.mjs";

const text = { type: "string" };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { shapes: text, entries: text },
});
if (positionals.length === 0) {
  console.error("bench-table: which file? Lines of `npm run bench -- SUITE --json`");
  process.exit(2);
}

/** Does a list that may be missing have it? */
function has(list, value) {
  return list === undefined || list.split(",").includes(String(value));
}

/** Two digits below 100, three from there on. */
function digits(value) {
  const rounded = Number(value.toPrecision(value < 100 ? 2 : 3));
  const decimals = rounded < 10 ? 1 : 0;
  return rounded.toLocaleString("en-US", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

const many = (n) => n.toLocaleString("en-US");

function table(figures, contenders, valueOf) {
  const isHere = (name) => figures.some(({ contender }) => contender === name);
  const columns = contenders.filter(isHere);
  const rows = groupBy(figures, ({ what, shape, entries }) => `${what}, ${shape}, ${entries}`);
  const lines = [...rows.values()].map((row) => {
    const { what, shape, entries } = row[0];
    const cells = columns.map((name) => {
      const cell = row.find(({ contender }) => contender === name);
      return cell === undefined ? "–" : valueOf(cell);
    });
    return [what, shape, many(entries), ...cells];
  });
  const head = ["", "", "entries", ...columns];
  const rule = ["---", "---", ...head.slice(2).map(() => "---:")];
  return [head, rule, ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Those that do not take part in what comes first would come last. */
function oursFirst(names) {
  const isOurs = (name) => name.startsWith("shootdown");
  return [...names.filter(isOurs), ...names.filter((name) => !isOurs(name))];
}

/** In the order of operations, shapes and sizes as they were first met. */
function sorted(figures) {
  const ranks = ["what", "shape"].map((key) => [...new Set(figures.map((one) => one[key]))]);
  const rank = ({ what, shape }) => ranks[0].indexOf(what) * 1e3 + ranks[1].indexOf(shape);
  return figures.toSorted((a, b) => rank(a) - rank(b) || a.entries - b.entries);
}

const lines = positionals.flatMap((file) => readFileSync(file, "utf8").split("\n"));
const wanted = figuresOf(lines).filter(({ shape, entries }) => {
  return has(values.shapes, shape) && has(values.entries, entries);
});
const parts = [];
for (const [suite, ofSuite] of groupBy(sorted(wanted), ({ suite }) => suite)) {
  const contenders = oursFirst([...new Set(ofSuite.map(({ contender }) => contender))]);
  const times = ofSuite.filter(({ ns }) => ns !== undefined);
  if (times.length > 0) {
    parts.push(`${suite}, nanoseconds an operation:`);
    parts.push(table(times, contenders, ({ ns }) => digits(ns)));
  }
  const amounts = ofSuite.filter(({ amount }) => amount !== undefined);
  for (const [unit, list] of groupBy(amounts, ({ unit }) => unit)) {
    parts.push(
      `${suite}, ${unit}:`,
      table(list, contenders, ({ amount }) => digits(amount)),
    );
  }
}
if (parts.length === 0) {
  console.error("bench-table: no such line is named `OPERATION, SHAPE, ENTRIES: CONTENDER`");
  process.exit(1);
}
console.log(parts.join("\n\n"));
