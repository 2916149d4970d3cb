// docs/pinned-sets.md: what three kinds of device pin at a time, and what keeping it takes.

export const CHARTS = [
  ["pinned-sets-size.svg", "pinned pages over the trace"],
  ["pinned-sets-bytes.svg", "bytes a pinned page, at the peak"],
];

const one = (value) => value.toFixed(1);
const many = (value) => Math.round(value).toLocaleString("en-US");

function table(head, rows) {
  return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** Figures of every profile, by its name. */
export async function measured({ PIN_PROFILES, pinTrace, measurePins }) {
  const found = new Map();
  for (const profile of PIN_PROFILES) found.set(profile, await measurePins(pinTrace(profile)));
  return found;
}

const SET_ROWS = [
  ["pins in all, pages", ({ pins }) => many(pins)],
  ["pages a call", ({ pagesPerCall }) => one(pagesPerCall)],
  ["pinned already, %", ({ repinnedPercent }) => one(repinnedPercent)],
  ["pinned at a time, pages: most", ({ peak }) => many(peak)],
  ["pinned at a time, pages: mean", ({ mean }) => many(mean)],
];

const DENSITY_ROWS = [
  ["2 MiB blocks with a pin", ({ blocks }) => many(blocks)],
  ["of their pages pinned, %", ({ blockPercent }) => one(blockPercent)],
  ["neighbouring pages in a row", ({ pageRun }) => one(pageRun)],
  ["neighbouring frames with them", ({ frameRun }) => one(frameRun)],
];

const BYTES_ROWS = [
  ["packed", ({ packedBytes, peak }) => [packedBytes, peak]],
  ["a node of 48 bytes a page", ({ treeBytes, peak }) => [treeBytes, peak]],
  ["a node of 64 bytes a page", ({ slabBytes, peak }) => [slabBytes, peak]],
  ["a word for every guest page", ({ denseBytes, peak }) => [denseBytes, peak]],
];

function rowsOf(rows, found) {
  return rows.map(([name, of]) => [name, ...[...found.values()].map((figures) => of(figures))]);
}

/** Lines of `npm run bench -- pinned-sets --json`, nanoseconds a page by contender and profile. */
export function costTable(lines, profiles) {
  const cells = new Map();
  for (const line of lines.filter((text) => text.startsWith("{"))) {
    const { name, perSecond } = JSON.parse(line);
    const match = /^pin and unpin, (\w+), \d+: (.+)$/.exec(name);
    if (match === null) continue;
    const [, profile, contender] = match;
    cells.set(contender, { ...cells.get(contender), [profile]: one(1e9 / perSecond) });
  }
  const rows = [...cells].map(([name, by]) => [name, ...profiles.map((profile) => by[profile])]);
  return table(["kept by", ...profiles], rows);
}

/** What lines of `--largest` say of a 1 TiB guest; nothing if there are none. */
export function guestText(lines) {
  const parsed = lines.filter((text) => text.startsWith("{")).map((text) => JSON.parse(text));
  const rows = parsed.filter(({ name }) => name.includes("1 TiB guest"));
  const time = rows.find(({ perSecond }) => perSecond > 0);
  const bytes = rows.find(({ amount }) => amount > 0);
  if (time === undefined || bytes === undefined) return "";
  return `A 1 TiB guest (\`--largest\`), all 268,435,456 pages mapped, pinned in calls of 512 and unmapped by a driver that unpins:
${one(1e9 / time.perSecond)} ns a page for both, the mean of three runs, and ${bytes.amount.toFixed(2)} bytes a pinned page (packed).`;
}

const COST = /<!-- cost -->[^]*<!-- \/cost -->/;

/** What a page has between its marks: it is measured, not held by a test. */
export function costOf(text) {
  return COST.exec(text)?.[0] ?? "<!-- cost -->\n\n<!-- /cost -->";
}

/** The page. `cost`: its measured part, marks included. */
export function page(found, cost) {
  const head = ["", ...found.keys()];
  return `# Pinned sets of three devices

Written by \`npm run pinned-sets\`; a test holds all of it but the part that is measured. Nobody seems to have published
how many pages mediated devices pin at a time, how densely they lie, and what a pin costs: the question was asked when
VFIO's pin interface was reviewed in 2016. No recordings of such devices exist, so these are *synthetic* traces, made
after what the drivers are known to do (\`src/pin-profiles/\`, \`pinTrace()\`). Change their parameters and the figures change;
what is compared, tree against packed form, gets the same trace.

| profile | after | what it does |
| --- | --- | --- |
| \`ccw\` | vfio-ccw | sparse: up to 64 I/Os in flight; each pins a page of a pool of 256 for its program, and 1 to 16 data pages anywhere in 4 GiB, up to 4 in a row; all are unpinned when it is done, in any order |
| \`vgpu\` | GVT-g (kvmgt) | dense: buffers of 4 KiB to 8 MiB from the guest's buddy allocator in 1 GiB, 95 % of their pages touched, pinned page by page, up to 384 MiB; a cache in the driver keeps a page from being pinned twice |
| \`clustered\` | a pool of huge pages | 256 blocks of 2 MiB, each in one call of 512 pages |

The guest has 4 GiB; of its 2 MiB blocks the host backs 70 % (\`clustered\`: all) with huge pages. Seed 1; each trace pins at
least 200,000 pages and ends with nothing pinned.

## How many

${table(head, rowsOf(SET_ROWS, found))}

![Pinned pages over the trace](charts/${CHARTS[0][0]})

A sparse device holds a few hundred pages, a dense one a hundred thousand. Only the sparse one pins a page that is
pinned already, and seldom: a count above 1 is the exception, so the 12 bits it has in the packed form are enough.

## How densely

At the peak:

${table(head, rowsOf(DENSITY_ROWS, found))}

Frames lie in shorter runs than pages, as the host's memory is not as the guest's: a request for neighbouring pages is
not one for neighbouring frames.

## What keeping them takes

Bytes a pinned page at the peak, and in all:

${table(
  head,
  BYTES_ROWS.map(([name, of]) => [
    name,
    ...[...found.values()].map((figures) => {
      const [bytes, pages] = of(figures);
      return `${one(bytes / pages)} (${many(bytes)})`;
    }),
  ]),
)}

![Bytes a pinned page](charts/${CHARTS[1][0]})

The kernel's node is 48 bytes and usually takes 64. The packed form is smaller in all three, five to seven times where
pins are dense. A word for every page of the guest pays only where a large part of it is pinned.

## What a pin costs

${cost}
`;
}
