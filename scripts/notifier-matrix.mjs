// Regenerates docs/matrix-notifiers.md: the races of MMU notifiers by era and consumer.
//   npm run notifier-matrix              build, then write it
//   npm run notifier-matrix -- --print   print it, write nothing

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { format, resolveConfig } from "prettier";
import { cellsOf, explored, page, unexplained } from "./notifier-matrix/page.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { print: { type: "boolean" } } });

const build = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
  stdio: ["ignore", "ignore", "inherit"],
});
if (build.status !== 0) process.exit(build.status ?? 1);

const library = await import("../dist/index.js");
const files = await import("../dist/scenario-files/index.js");
const cells = [];
for (const cell of cellsOf()) cells.push(await explored(cell, library, files));
const titles = new Map(library.Catalogue.standard.parts.consumers.map((c) => [c.name, c.title]));
const path = join(root, "docs/matrix-notifiers.md");
const options = { ...(await resolveConfig(path)), filepath: path };
const text = await format(page(cells, titles), options);
if (values.print === true) process.stdout.write(text);
else writeFileSync(path, text);
const open = unexplained(cells);
for (const { id, era, consumer, verdict } of open) {
  console.error(`${id} ${era} ${consumer}: ${verdict} is not what the book says`);
}
process.exit(open.length === 0 ? 0 : 1);
