// Writes the list of selftests in docs/iommufd.md from the tests that hold them.
//   node scripts/iommufd-selftests.mjs

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDER = join(root, "test/iommufd");
const PAGE = join(root, "docs/iommufd.md");
const BEGIN = "<!-- selftests -->";
const END = "<!-- /selftests -->";
const STRING = '"((?:[^"\\\\]|\\\\.)*)"';

/** [source, what, file] of each assertion that a test holds. */
export function rows() {
  const found = [];
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith(".test.ts"))) {
    const text = readFileSync(join(FOLDER, file), "utf8");
    for (const [, call, source, what] of text.matchAll(
      new RegExp(`^ *(selftest|compat)\\(\\s*${STRING},\\s*${STRING}`, "gm"),
    )) {
      const full = call === "compat" ? `vfio_compat_mock_domain.${source}` : source;
      found.push([full, what, file]);
    }
    if (file !== "fail-nth.test.ts") continue;
    for (const [, name] of text.matchAll(/^ {2}(\w+): \{/gm)) {
      found.push([`iommufd_fail_nth.${name}`, "each allocation fails once: nothing changes", file]);
    }
  }
  return found;
}

/** The page with its list as the tests have it. */
export async function page() {
  const text = readFileSync(PAGE, "utf8");
  const lines = rows().map(([source, what, file]) => `| \`${source}\` | ${what} | ${file} |`);
  const table = ["| selftest | holds | test |", "| --- | --- | --- |", ...lines].join("\n");
  const from = text.indexOf(BEGIN) + BEGIN.length;
  const whole = `${text.slice(0, from)}\n\n${table}\n\n${text.slice(text.indexOf(END))}`;
  return format(whole, { ...(await resolveConfig(PAGE)), filepath: PAGE });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, await page());
