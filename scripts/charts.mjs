// Draws what `npm run bench -- SUITE --full --json > FILE` has measured: for each suite, operation
// and shape one SVG chart of nanoseconds an operation against entries, a line for each contender.
//   npm run charts -- FILE... [--out FOLDER] [--shapes A,B] [--l1d 48K] [--l2 2M] [--l3 32M]
//                             [--bytes BYTES] [--suite NAME]
// Shapes are those of scripts/charts/suites.mjs by default, `all` are all of them. Cache sizes are this machine's by default;
// `--bytes` is what an entry takes, `--suite` the suite of lines that name none.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bytesOf, cacheSizes } from "./charts/caches.mjs";
import { draw } from "./charts/draw.mjs";
import { groupBy, pointsOf } from "./charts/points.mjs";
import { bytesPerEntry, shapesOf } from "./charts/suites.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const text = { type: "string" };
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: text,
    shapes: text,
    suite: text,
    bytes: text,
    l1d: text,
    l2: text,
    l3: text,
  },
});
if (positionals.length === 0) {
  console.error("charts: which file? Lines of `npm run bench -- SUITE --full --json`");
  process.exit(2);
}

const out = values.out ?? join(root, "docs/charts");
const caches = cacheSizes({ L1d: values.l1d, L2: values.l2, L3: values.l3 });
const lines = positionals.flatMap((file) => readFileSync(file, "utf8").split("\n"));
const points = pointsOf(lines, values.suite);

mkdirSync(out, { recursive: true });
let drawn = 0;
for (const [suite, ofSuite] of groupBy(points, (point) => point.suite)) {
  const shapes = values.shapes?.split(",") ?? shapesOf(suite);
  // A contender has the same colour in every chart of its suite.
  const contenders = [...new Set(ofSuite.map((point) => point.contender))];
  const wanted = ofSuite.filter(({ shape }) => shapes.includes("all") || shapes.includes(shape));
  for (const chart of groupBy(wanted, ({ what, shape }) => `${what}-${shape}`).values()) {
    const { what, shape } = chart[0];
    const bytes = values.bytes === undefined ? bytesPerEntry(suite, shape) : bytesOf(values.bytes);
    const name = `${suite}-${what}-${shape}.svg`.replace(/[^\w.-]+/g, "-").toLowerCase();
    writeFileSync(
      join(out, name),
      await draw({ suite, what, shape, points: chart, contenders, caches, bytes }),
    );
    console.log(`charts: ${relative(process.cwd(), join(out, name))}`);
    drawn++;
  }
}
if (drawn === 0) {
  console.error("charts: no line is named `OPERATION, SHAPE, ENTRIES: CONTENDER` in these shapes");
  process.exit(1);
}
