// Regenerates docs/sites.md, what each era tells at every call site, and docs/audit.md, whether that
// is in time.
//   npm run sites              build, then write them
//   npm run sites -- --print   print them, write nothing

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { page } from "./sites/page.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({ options: { print: { type: "boolean" } } });

const build = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
  stdio: ["ignore", "ignore", "inherit"],
});
if (build.status !== 0) process.exit(build.status ?? 1);

const { auditPage, auditSites, Catalogue, countSites } = await import("../dist/index.js");
const { eras } = Catalogue.standard.parts;
const pages = {
  "docs/sites.md": page(await countSites(), eras),
  "docs/audit.md": auditPage(await auditSites(), eras),
};
for (const [path, text] of Object.entries(pages)) {
  if (values.print === true) process.stdout.write(text);
  else writeFileSync(join(root, path), text);
}
