// Regenerates docs/pinned-sets.md and its charts.
//   npm run pinned-sets                    build, then write what is counted
//   npm run pinned-sets -- --cost FILE     what is measured, too: lines of
//                                          `npm run bench -- pinned-sets --json`

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { bytesChart, sizeChart } from "./pinned-sets/charts.mjs";
import { CHARTS, costOf, costTable, guestText, measured, page } from "./pinned-sets/page.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
  stdio: ["ignore", "ignore", "inherit"],
});
if (build.status !== 0) process.exit(build.status ?? 1);

const library = await import("../dist/index.js");
const found = await measured(library);
const path = join(root, "docs/pinned-sets.md");
const before = existsSync(path) ? readFileSync(path, "utf8") : "";
const at = process.argv.indexOf("--cost");
const options = { ...(await resolveConfig(path)), filepath: path };

function cost() {
  if (at < 0) return costOf(before);
  const lines = readFileSync(process.argv[at + 1], "utf8").split("\n");
  const machine = `${cpus()[0].model}, ${cpus().length} CPUs, Node ${process.version}`;
  const table = costTable(lines, library.PIN_PROFILES);
  const guest = guestText(lines);
  const text = `Nanoseconds a page pinned or unpinned, over the whole trace (\`npm run bench -- pinned-sets\`), on
${machine}. The trace runs several times in parts of
1,000 pages, and the fastest run of each part counts. Every keeper comes to the same sum of frames as a plain map. \`container\` is
\`VfioContainer\` with its checks, fault-in, references and charge; \`ledger\`: with the list of pins it keeps for each device.`;
  return `<!-- cost -->\n\n${text}\n\n${table}\n\n${guest}\n\n<!-- /cost -->`;
}

writeFileSync(path, await format(page(found, cost()), options));
const draw = [sizeChart, bytesChart];
for (const [i, [name]] of CHARTS.entries()) {
  writeFileSync(join(root, "docs/charts", name), await draw[i](found));
}
