// Writes the lists of docs/iommufd.md: selftests from the tests that hold them, verbs of step files.
//   node scripts/iommufd-selftests.mjs

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDER = join(root, "test/iommufd");
const PAGE = join(root, "docs/iommufd.md");
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

function table(head, lines) {
  return [head, head.map(() => "---"), ...lines]
    .map((line) => `| ${line.join(" | ")} |`)
    .join("\n");
}

function between(text, mark, inside) {
  const from = text.indexOf(`<!-- ${mark} -->`) + `<!-- ${mark} -->`.length;
  return `${text.slice(0, from)}\n\n${inside}\n\n${text.slice(text.indexOf(`<!-- /${mark} -->`))}`;
}

/** The page with its lists. `verbs`: those of the step system. */
export async function page(verbs) {
  const tests = rows().map(([source, what, file]) => [`\`${source}\``, what, file]);
  const steps = Object.entries(verbs).map(([name, { summary }]) => [`\`${name}\``, summary]);
  const text = readFileSync(PAGE, "utf8");
  const listed = between(text, "selftests", table(["selftest", "holds", "test"], tests));
  const whole = between(listed, "verbs", table(["verb", "does"], steps));
  return format(whole, { ...(await resolveConfig(PAGE)), filepath: PAGE });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { iommufdSystem } = await import("../dist/iommufd/steps/system.js");
  writeFileSync(PAGE, await page(iommufdSystem.verbs));
}
