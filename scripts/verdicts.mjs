// Regenerates docs/verdicts.md: every scenario under every policy, each explored.
//   npm run verdicts              build, then write it
//   npm run verdicts -- --print   print it, write nothing

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { page } from "./verdicts/page.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { print: { type: "boolean" } } });

const build = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
  stdio: ["ignore", "ignore", "inherit"],
});
if (build.status !== 0) process.exit(build.status ?? 1);

const { Catalogue, checkMatrix, listScenarios } = await import("../dist/index.js");
const { policies } = Catalogue.standard.parts;
const result = await checkMatrix({ policies: policies.map(({ name }) => name) });
const text = page(result, policies, listScenarios());
if (values.print === true) process.stdout.write(text);
else writeFileSync(join(root, "docs/verdicts.md"), text);
const known = result.cells.filter(({ verdict }) => verdict === "INCONCLUSIVE").length;
process.exit(result.unexpected <= known ? 0 : 1);
