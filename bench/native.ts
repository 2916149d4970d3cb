/** The programs in bench/native: compiled when they are first wanted, where there is a g++. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Sampled } from "./harness.js";

const SECONDS = 1;
const SAMPLES = 5;

/** This file runs where it is, and compiled to a folder further down. */
let root = dirname(fileURLToPath(import.meta.url));
while (!existsSync(join(root, "asconfig.json"))) root = dirname(root);
const sources = join(root, "bench/native");
const programs = join(root, "build/native");

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

/** Folder with the sources of btrfs-progs, which has Linux's trees: what the user says, if any. */
export const LINUX = process.env["SHOOTDOWN_LINUX_TREES"];

/** Path of a program that is newer than its source and all headers. */
function compiled(name: string, withLinux: boolean): string {
  const source = `${name}.cpp`;
  const program = join(programs, withLinux ? `${name}-linux` : name);
  const newest = readdirSync(sources)
    .filter((file) => file === source || file.endsWith(".hpp"))
    .reduce((ms, file) => Math.max(ms, statSync(join(sources, file)).mtimeMs), 0);
  if (existsSync(program) && statSync(program).mtimeMs > newest) return program;
  mkdirSync(programs, { recursive: true });
  const partial = `${program}.${process.pid}`;
  // The kernel's is C: a compiler of C++ takes it, with complaints.
  const linux = ["-DLINUX_TREE", "-fpermissive", "-w", `-I${join(sources, "linux")}`, `-I${LINUX}`];
  const options = ["-std=c++17", "-O2", ...(withLinux ? linux : [])];
  execFileSync("g++", [...options, "-o", partial, join(sources, source)]);
  renameSync(partial, program);
  return program;
}

async function write(path: string, parts: readonly (Float64Array | Uint32Array)[]): Promise<void> {
  const file = await open(path, "w");
  for (const { buffer, byteOffset, byteLength } of parts) {
    await file.writeFile(new Uint8Array(buffer, byteOffset, byteLength));
  }
  await file.close();
}

function run(program: string, args: readonly string[]): Promise<string> {
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

/** Has `kind` of a program do `what` with the input, whose parts it reads one after the other. */
export async function measureNative(
  program: string,
  kind: string,
  what: string,
  parts: readonly (Float64Array | Uint32Array)[],
  quick: boolean,
): Promise<Sampled & { proof: number }> {
  const path = compiled(program, kind === "linux");
  const folder = mkdtempSync(join(tmpdir(), "shootdown-bench-"));
  try {
    const input = join(folder, "input");
    await write(input, parts);
    const limits = quick ? ["1", "1"] : [`${SAMPLES}`, `${SECONDS * 1000}`];
    const text = await run(path, [input, kind, what, ...limits]);
    return JSON.parse(text) as Sampled & { proof: number };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
