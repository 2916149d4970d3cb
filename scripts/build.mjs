// Builds the package: assembly/ -> build/core.wasm and core.tracked.wasm, src/ -> dist/, then the
// files that travel with dist/. Each stage is skipped when its output is newer than everything it
// reads, so running the build before every test run is cheap. `--force` rebuilds all of it.

import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const force = process.argv.includes("--force");
process.chdir(root);

/** Newest modification time below `path`; folders count, so that a deleted file is noticed. */
function newestMs(path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const children = readdirSync(path).map((name) => newestMs(join(path, name)));
  return Math.max(stat.mtimeMs, ...children);
}

function isFresh(outputs, inputs) {
  if (force || !outputs.every((path) => existsSync(path))) return false;
  const oldest = Math.min(...outputs.map((path) => statSync(path).mtimeMs));
  return inputs.every((path) => newestMs(path) < oldest);
}

function run(file, args) {
  const { status, error } = spawnSync(process.execPath, [file, ...args], { stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) fail(`${relative(root, file)} failed`);
}

function fail(message) {
  console.error(`build: ${message}`);
  process.exit(1);
}

/** Copies through a rename: a process that loads the target meanwhile never sees half a file. */
function copyWhole(from, to) {
  if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) return;
  mkdirSync(dirname(to), { recursive: true });
  const partial = `${to}.${process.pid}`;
  copyFileSync(from, partial);
  renameSync(partial, to);
}

async function buildCore() {
  const inputs = ["assembly", "src/core/abi.ts", "asconfig.json"];
  if (isFresh(["build/core.wasm", "build/core.wat"], inputs)) return;
  const startedMs = Date.now();
  const { default: asc } = await import("assemblyscript/asc");
  const { error } = await asc.main(["--target", "release"], {
    stdout: process.stdout,
    stderr: process.stderr,
  });
  if (error) {
    // A core from an older source must not pass for this one.
    rmSync("build/core.wasm", { force: true });
    fail(`asc: ${error.message}`);
  }
  // Dated by the start: a source saved during the compilation is newer than what it produced.
  for (const path of ["build/core.wasm", "build/core.wat"]) {
    utimesSync(path, startedMs / 1000, startedMs / 1000);
  }
  console.log(`build: core.wasm ${statSync("build/core.wasm").size} bytes`);
}

async function buildTrackedCore() {
  const outFile = "build/core.tracked.wasm";
  const inputs = ["assembly", "src/core/abi.ts", "scripts/tracked.mjs", "scripts/tracked.json"];
  if (isFresh([outFile], inputs)) return;
  const startedMs = Date.now();
  rmSync(outFile, { force: true });
  const { buildTracked } = await import("./tracked.mjs");
  await buildTracked(outFile).catch((error) => fail(error.message));
  utimesSync(outFile, startedMs / 1000, startedMs / 1000);
  console.log(`build: core.tracked.wasm ${statSync(outFile).size} bytes`);
}

/** Deletes what an earlier build left in dist/ for a source that is gone. */
function pruneDist(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      pruneDist(path);
      if (readdirSync(path).length === 0) rmSync(path, { recursive: true });
    } else {
      const stem = /^(.*?)(\.d\.ts|\.js)(\.map)?$/.exec(relative("dist", path))?.[1];
      if (stem !== undefined && !existsSync(join("src", `${stem}.ts`))) rmSync(path);
    }
  }
}

function buildLibrary() {
  const stamp = "build/tsc.stamp";
  const inputs = ["src", "tsconfig.json", "package.json"];
  if (isFresh([stamp, "dist/index.js"], inputs)) return;
  const startedMs = Date.now();
  rmSync(stamp, { force: true });
  run(join(root, "node_modules/typescript/bin/tsc"), ["-p", "tsconfig.json"]);
  pruneDist("dist");
  if (existsSync("dist/cli/main.js")) chmodSync("dist/cli/main.js", 0o755);
  // Writes dist/schemas/*.json; the folder to write to is its only argument.
  const generate = "dist/schemas/generate.js";
  if (existsSync(generate)) run(join(root, generate), ["dist/schemas"]);
  mkdirSync("build", { recursive: true });
  writeFileSync(stamp, "");
  utimesSync(stamp, startedMs / 1000, startedMs / 1000);
}

await buildCore();
await buildTrackedCore();
buildLibrary();
for (const name of ["core.wasm", "core.tracked.wasm"])
  copyWhole(`build/${name}`, `dist/core/${name}`);
