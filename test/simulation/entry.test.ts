// What the main entry loads, so that a page can: none of the packages that only some uses need.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Packages that a built module imports, itself or through its own files, with who does. */
function packagesOf(entry: string): Map<string, string> {
  const packages = new Map<string, string>();
  const seen = new Set<string>();
  const queue = [join(root, entry)];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    for (const { fileName } of ts.preProcessFile(readFileSync(path, "utf8")).importedFiles) {
      if (fileName.startsWith(".")) queue.push(join(dirname(path), fileName));
      else if (!fileName.startsWith("node:")) packages.set(fileName, path);
    }
  }
  expect(seen.size).toBeGreaterThan(10);
  return packages;
}

test("the main entry needs no histograms", () => {
  const names = [...packagesOf("dist/index.js").keys()];
  expect(names).not.toContain("hdr-histogram-js");
});

test("shootdown/simulation is where they are", () => {
  const names = [...packagesOf("dist/simulation/index.js").keys()];
  expect(names).toContain("hdr-histogram-js");
  expect(names).toContain("simple-statistics");
});
