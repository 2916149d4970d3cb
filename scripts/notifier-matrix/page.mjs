// The page of the notifier matrix, from what exploration finds, and that itself.

import {
  applies,
  bookOf,
  CONSUMERS,
  ERAS,
  REASONS,
  reasonOf,
  ROWS,
  SUBSCRIPTION_REASONS,
  SUBSCRIPTIONS,
  VARIANTS,
} from "./rows.mjs";

/** The era that races of registration are explored in. */
const SUBSCRIBED = "coupled";

/** Every cell: row, era, consumer; the broken ones last, by their own name. */
export function cellsOf() {
  const cells = [];
  for (const row of ROWS) {
    for (const era of ERAS) {
      for (const column of CONSUMERS) {
        if (!applies(era, column)) continue;
        const consumer = row.as?.[column] ?? column;
        cells.push({ id: row.id, scenario: row.scenario, era, column, consumer });
      }
    }
  }
  for (const [id, scenario, consumer] of VARIANTS) {
    for (const era of ERAS) {
      const isMeant = era !== "empty-table" || !/smmu|sva|ocxl/.test(consumer);
      if (isMeant) cells.push({ id, scenario, era, column: null, consumer });
    }
  }
  for (const [id, scenario, consumer, book] of SUBSCRIPTIONS) {
    cells.push({ id, scenario, era: SUBSCRIBED, column: null, consumer, book });
  }
  return cells;
}

/** Explores one. `library` is the package, `files` its scenario files. */
export async function explored(cell, library, files) {
  const builtIn = library.listScenarios().find(({ name }) => name === cell.scenario);
  const scenario = builtIn ?? (await files.shippedScenario(cell.scenario));
  const { era, consumer } = cell;
  const options = { era, consumer, reduction: "partial-order", interleavings: "all" };
  const { verdict, states } = await library.check(scenario, options);
  return { ...cell, verdict, states };
}

const line = (cells) => `| ${cells.join(" | ")} |`;
const table = (rows) => [rows[0], rows[0].map(() => "---"), ...rows.slice(1)].map(line).join("\n");
const keyOf = ({ id, scenario, era, column, consumer }) =>
  [id, scenario, era, column ?? consumer, column === null].join("/");

function textOf(found, row, era, column) {
  const cell = found.get([row.id, row.scenario, era, column, false].join("/"));
  if (cell === undefined) return "-";
  const book = bookOf(row, era, column);
  const text = `${cell.verdict} ${cell.states}`;
  if (book === null) return `(${text})`;
  if (book === cell.verdict) return text;
  const reason = reasonOf(row, era, column);
  return `${text}, not ${book} (${reason < 0 ? "?" : reason + 1})`;
}

/** Cells that differ from the book, and for which no reason is given. */
export function unexplained(cells) {
  const rows = new Map(ROWS.map((row) => [row.id, row]));
  return cells.filter(({ id, scenario, era, column, verdict, book: said }) => {
    if (said !== undefined) return said !== verdict && !(scenario in SUBSCRIPTION_REASONS);
    const row = rows.get(id);
    if (column === null || row === undefined) return false;
    const book = bookOf(row, era, column);
    return book !== null && book !== verdict && reasonOf(row, era, column) < 0;
  });
}

/** The whole page. */
export function page(cells, titles) {
  const found = new Map(cells.map((cell) => [keyOf(cell), cell]));
  const sections = ROWS.map((row) => {
    const head = ["era", ...CONSUMERS.map((name) => row.as?.[name] ?? name)];
    const body = ERAS.map((era) => [
      era,
      ...CONSUMERS.map((column) => textOf(found, row, era, column)),
    ]);
    return `### ${row.id}: ${row.what}\n\n\`shootdown check ${row.scenario}\`\n\n${table([head, ...body])}`;
  });
  const variants = VARIANTS.map(([id, scenario, consumer]) => {
    const cell = (era) => found.get([id, scenario, era, consumer, true].join("/"));
    const verdicts = ERAS.map((era) => cell(era)?.verdict ?? "-");
    return [id, `\`${scenario}\``, `\`${consumer}\``, ...verdicts];
  });
  const subscriptions = SUBSCRIPTIONS.map(([id, scenario, consumer, book]) => {
    const cell = found.get([id, scenario, SUBSCRIBED, consumer, true].join("/"));
    const text = `${cell.verdict} ${cell.states}`;
    const why = cell.verdict === book ? "" : (SUBSCRIPTION_REASONS[scenario] ?? "?");
    return [id, `\`${scenario}\``, `\`${consumer}\``, book, text, why];
  });
  return `# Races of MMU notifiers by era and consumer

Written by \`npm run notifier-matrix\`; a test holds it to what exploration finds. The races of section 3
of \`notifiers.md\`, the book, in every era, for seven consumers ([consumers.md](consumers.md)). A cell is
the verdict and the states that were looked at for it, under policy \`concurrent\`, with partial-order
reduction ([exploring.md](exploring.md)). The book's matrix 3.x is about one sharing consumer; it stands
for all of them here, and a mirroring consumer is to be SAFE in all of these rows. Where a cell is
something else, the book's word follows with the number of the reason below. In parentheses: the book
says nothing. \`-\`: there was no such consumer (before 3.19 only IOMMUv2).

\`shootdown check SCENARIO --era ERA --consumer CONSUMER\` prints a cell with its interleaving.

${sections.join("\n\n")}

## Consumers made for one row

Broken ones, and what they are to be compared with; the rows above have the right ones.

${table([["race", "scenario", "consumer", ...ERAS], ...variants])}

${VARIANTS.map(([, , name]) => `* \`${name}\`: ${titles.get(name)}`)
  .filter((text, i, list) => list.indexOf(text) === i)
  .join("\n")}

\`smmu-btm\` under \`defer\` is UAF although every notification reaches its device: there the message
comes at range_end, before the CPU flush that drops the IOTLB's entry, so the device's cache is filled
again from the IOTLB with what the message was about.

## Registration

Races of drivers that subscribe and go, which no era decides (explored in \`${SUBSCRIBED}\`); the kernel's faults
are \`faults\` of the scenario ([notifiers.md](notifiers.md)).

${table([["race", "scenario", "consumer", "book", "here", "why"], ...subscriptions])}

${SUBSCRIPTIONS.map(([, , name]) => `* \`${name}\`: ${titles.get(name)}`)
  .filter((text, i, list) => list.indexOf(text) === i)
  .join("\n")}

## Where we differ from the book

${REASONS.map(({ text }, i) => `${i + 1}. ${text}`).join("\n")}

## What is not here

S21 and the rows of single call sites: [scenarios.md](scenarios.md) and [audit.md](audit.md).
`;
}
