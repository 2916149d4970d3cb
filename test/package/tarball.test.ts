import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** What `npm test` tells its children about this package would make npm act on this folder. */
const cleanEnv = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|INIT_CWD$)/.test(name),
  ),
);

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, {
    cwd,
    env: cleanEnv,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

describe("the packed tarball", () => {
  let folder: string;
  let consumer: string;
  let packed: { filename: string; files: { path: string }[] };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "shootdown-tarball-"));
    // The global setup has built dist/ already: without scripts, packing cannot rebuild it under
    // the feet of tests that run at the same time.
    const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
    [packed] = JSON.parse(run("npm", args, root)) as [typeof packed];

    consumer = join(folder, "consumer");
    mkdirSync(consumer);
    const manifest = { name: "consumer", private: true, type: "module" };
    writeFileSync(join(consumer, "package.json"), JSON.stringify(manifest));
    const options = ["--no-package-lock", "--prefer-offline", "--no-audit", "--no-fund"];
    run("npm", ["install", ...options, join(folder, packed.filename)], consumer);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    "dist/index.js",
    "dist/index.d.ts",
    "dist/core/core.wasm",
    "dist/core/core.tracked.wasm",
    "dist/drivers/worker.js",
    "dist/drivers/worker.d.ts",
    "dist/cli/main.js",
    "dist/schemas/scenario-file.json",
    "scenarios/mremap-steps.yaml",
    "src/core/abi.ts",
    "assembly/index.ts",
    "LICENSE",
    "CHANGELOG.md",
  ])("contains %s", (path) => {
    expect(packed.files.map((file) => file.path)).toContain(path);
  });

  test("contains no tests, no build leftovers and no source that dist/ does not need", () => {
    const folders = "(dist|src|assembly|traces|examples|scenarios)/";
    const single = "(package\\.json|README\\.md|CHANGELOG\\.md|LICENSE)$";
    const allowed = new RegExp(`^${folders}|^${single}`);
    expect(packed.files.map((file) => file.path).filter((path) => !allowed.test(path))).toEqual([]);
  });

  test("installs in an empty folder and can be imported by its name", () => {
    const script = join(consumer, "use.mjs");
    writeFileSync(
      script,
      `import * as shootdown from "shootdown";
       console.log(Object.keys(shootdown).length > 0 ? "imported" : "nothing exported");`,
    );
    expect(run(process.execPath, [script], consumer)).toBe("imported\n");
  });

  test("resolves the exported core to a valid WebAssembly module", () => {
    const script = join(consumer, "wasm.mjs");
    writeFileSync(
      script,
      `import { readFileSync } from "node:fs";
       const url = new URL(import.meta.resolve("shootdown/wasm/core.wasm"));
       console.log(WebAssembly.validate(readFileSync(url)));`,
    );
    expect(run(process.execPath, [script], consumer)).toBe("true\n");
  });

  test("installs the command", () => {
    const help = run("npx", ["--no", "--", "shootdown", "--help"], consumer);
    expect(help).toMatch(/^Usage: shootdown/);
  });
});
