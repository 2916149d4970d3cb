// Packs the package into a temporary folder and has publint and attw judge the tarball. (attw, left
// to pack by itself, deletes a tarball of the same name in the project folder.)

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules/.bin");
const folder = mkdtempSync(join(tmpdir(), "shootdown-pack-"));

function check(command, args) {
  const { status } = spawnSync(join(bin, command), args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exitCode = status ?? 1;
}

try {
  execFileSync(process.execPath, [join(root, "scripts/build.mjs")], { stdio: "inherit" });
  const packed = execFileSync(
    "npm",
    ["pack", "--ignore-scripts", "--json", "--pack-destination", folder],
    { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  const tarball = join(folder, JSON.parse(packed)[0].filename);
  check("publint", ["run", tarball, "--strict"]);
  check("attw", [
    tarball,
    "--profile",
    "esm-only",
    "--exclude-entrypoints",
    "./wasm/core.wasm",
    "./wasm/core.tracked.wasm",
    "./schemas/*",
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
