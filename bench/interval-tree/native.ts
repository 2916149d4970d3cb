/** The peers in C++, compiled and run where there is a g++. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Sampled } from "../harness.js";
import { type Outsider, stands, type What, WHATS } from "./contender.js";
import { CHURNED, type Input, type Intervals } from "./inputs.js";

const SECONDS = 1;
const SAMPLES = 5;
const NONE: Intervals = { starts: new Float64Array(), lasts: new Float64Array() };

/** This file runs where it is, and compiled to a folder further down. */
let root = dirname(fileURLToPath(import.meta.url));
while (!existsSync(join(root, "asconfig.json"))) root = dirname(root);
const source = join(root, "bench/native/interval-tree.cpp");
const program = join(root, "build/native/interval-tree");

let compiler: boolean | undefined;

/** Is there a g++? Says so if there is none, once: not in the processes of single contenders. */
export function hasCompiler(): boolean {
  if (compiler === undefined) {
    compiler = spawnSync("g++", ["--version"]).status === 0;
    if (!compiler && process.env["SHOOTDOWN_BENCH_APART"] === undefined) {
      console.error("bench: there is no g++, native contenders are left out");
    }
  }
  return compiler;
}

function compile(): void {
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return;
  mkdirSync(join(root, "build/native"), { recursive: true });
  const partial = `${program}.${process.pid}`;
  execFileSync("g++", ["-std=c++17", "-O2", "-o", partial, source]);
  renameSync(partial, program);
}

/** Writes what `what` needs, in the form that the program describes. */
async function write(path: string, input: Input, what: What): Promise<void> {
  const entries = stands(what) ? input.entries() : NONE;
  const queries = input.queries();
  const pool = stands(what) ? NONE : input.pool();
  const fresh = what === "churn" ? input.fresh() : NONE;
  const picks = what === "churn" ? input.picks() : new Uint32Array();
  const removals = what === "remove" ? input.removals() : new Uint32Array();
  const lists = [entries, queries, pool, fresh];
  const lengths = [...lists.map(({ starts }) => starts.length), removals.length];
  const head = Float64Array.of(input.n, input.cuts, CHURNED, ...lengths);
  const file = await open(path, "w");
  const all = [head, ...lists.flatMap(({ starts, lasts }) => [starts, lasts]), picks, removals];
  for (const part of all) await file.write(part);
  await file.close();
}

function run(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
    child.on("error", reject);
    child.on("close", (status) => {
      if (status === 0) resolve(text);
      else reject(new Error(`${program} ${args.join(" ")} ended with ${status}`));
    });
  });
}

async function measure(kind: string, input: Input, what: What, quick: boolean) {
  compile();
  const folder = mkdtempSync(join(tmpdir(), "shootdown-bench-"));
  try {
    const path = join(folder, "input");
    await write(path, input, what);
    const limits = quick ? ["1", "1"] : [`${SAMPLES}`, `${SECONDS * 1000}`];
    return JSON.parse(await run([path, kind, what, ...limits])) as Sampled & { proof: number };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** None without a compiler. */
export function natives(): readonly Outsider[] {
  if (!hasCompiler()) return [];
  return [
    {
      name: "C++ AVL tree",
      can: WHATS,
      measure: (input, what, quick) => measure("avl", input, what, quick),
    },
    {
      name: "C++ std::multimap",
      can: WHATS,
      shapes: ["disjoint"],
      most: 1_000_000,
      measure: (input, what, quick) => measure("multimap", input, what, quick),
    },
  ];
}
