// Builds the package and the benchmarks, then runs build/bench/main.js, or without one every
// build/bench/**/*.bench.js in turn. Arguments go to the programs that run.
// Benchmarks import the package by its name, so they measure the files that users get.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, "build/bench");

function run(file, args) {
  const { status } = spawnSync(process.execPath, [file, ...args], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

run(join(root, "scripts/build.mjs"), []);
rmSync(out, { recursive: true, force: true });
run(join(root, "node_modules/typescript/bin/tsc"), ["-p", "bench/tsconfig.json"]);

const main = join(out, "main.js");
const programs = existsSync(main)
  ? [main]
  : existsSync(out)
    ? readdirSync(out, { recursive: true })
        .filter((name) => name.endsWith(".bench.js"))
        .sort()
        .map((name) => join(out, name))
    : [];
if (programs.length === 0) {
  console.error("bench: no benchmark found; add bench/main.ts or bench/<name>.bench.ts");
  process.exit(1);
}
for (const program of programs) run(program, process.argv.slice(2));
