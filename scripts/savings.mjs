// Regenerates docs/savings.md: what notifications of the bundled recordings cost devices, by era.
//   npm run savings              build, then write it
//   npm run savings -- --print   print it, write nothing

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";
import { compared, page, RECORDINGS } from "./savings/page.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const build = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
  stdio: ["ignore", "ignore", "inherit"],
});
if (build.status !== 0) process.exit(build.status ?? 1);

const library = await import("../dist/index.js");
const found = new Map();
for (const [name] of RECORDINGS) {
  found.set(name, await compared(library, readFileSync(join(root, `traces/${name}.ftrace.gz`))));
}
const path = join(root, "docs/savings.md");
const options = { ...(await resolveConfig(path)), filepath: path };
const text = await format(page(library, found), options);
if (process.argv.includes("--print")) process.stdout.write(text);
else writeFileSync(path, text);
