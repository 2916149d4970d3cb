// Records programs with `shootdown record`, replays each recording, and writes how well the replay
// predicted what the kernel did into docs/fidelity.md, between its markers. It takes root.
//   npm run fidelity                         build, record, replay, write the page
//   npm run fidelity -- --print              the same, but print the tables and write nothing
//   npm run fidelity -- --only xz,sort       programs whose names contain one of these; prints
//   npm run fidelity -- --trace FILE...      score recordings that are there already; prints
//   npm run fidelity -- --from D             write the page from what --dir has kept in D
// Also: --json, --misses (what was wrong, by cause), --all (record the whole machine),
// --dir D (keep the recordings there; else they are deleted), --no-build.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { page, withTables } from "./fidelity/page.mjs";
import { PROGRAMS } from "./fidelity/programs.mjs";
import { lacking, prepare, recordProgram } from "./fidelity/record.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cli = join(root, "dist/cli/main.js");
const doc = join(root, "docs/fidelity.md");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    trace: { type: "boolean" },
    only: { type: "string" },
    print: { type: "boolean" },
    json: { type: "boolean" },
    misses: { type: "boolean" },
    all: { type: "boolean" },
    dir: { type: "string" },
    from: { type: "string" },
    "no-build": { type: "boolean" },
  },
});
if ((values.trace === true) !== positionals.length > 0) {
  console.error("fidelity: --trace wants recordings, and recordings want --trace");
  process.exit(2);
}
if (values["no-build"] !== true) {
  const build = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (build.status !== 0) process.exit(build.status ?? 1);
}
const { score } = await import("./fidelity/score.mjs");

const say = (text) => process.stderr.write(`fidelity: ${text}\n`);

const slugOf = ({ name }) => name.replace(/[^a-z0-9]+/gi, "-");

/** Scores what was recorded of one program before. */
async function again(program, dir) {
  const { name } = program;
  const trace = join(dir, `${slugOf(program)}.ftrace.gz`);
  if (!existsSync(trace)) return { name, program, why: "there is no recording of it" };
  return { name, program, trace, row: await score(trace, values.misses === true) };
}

/** Records and scores one program; `why` says why there is no row. */
async function run(program, dir) {
  const { name } = program;
  const lacks = lacking(program);
  if (lacks !== null) return { name, program, why: `${lacks} is not installed` };
  const slug = slugOf(program);
  const output = join(dir, `${slug}.ftrace.gz`);
  try {
    prepare(program, join(dir, slug));
  } catch (error) {
    return { name, program, why: error.message };
  }
  const facts = recordProgram(cli, program, join(dir, slug), output, values.all === true);
  if (typeof facts === "string") return { name, program, why: facts };
  return { name, program, trace: output, row: await score(output, values.misses === true) };
}

async function scored(path) {
  const program = { known: true, command: ["-"] };
  return { name: basename(path), program, trace: path, row: await score(path, values.misses) };
}

function summary({ name, row, why }) {
  if (row === undefined) return `${name}: not recorded: ${why}`;
  if (row.invalid !== undefined) return `${name}: not scored: ${row.invalid}`;
  const { local, remote, send } = row.byKind;
  const text =
    `${name}: f1 ${row.f1} (any pages ${row.f1AnyPages}), local ${local.f1}, ` +
    `remote ${remote.f1}, send ${send.f1}, pages exact ${row.pagesExact}; ` +
    `${row.lines} lines, ${row.flushes} flushes, csd ${row.csd.predicted}/${row.csd.observed}`;
  const misses = (row.misses ?? []).slice(0, 25);
  return [text, ...misses.map(({ key, count, first }) => `  ${count} ${key} (${first})`)].join(
    "\n",
  );
}

const results = [];
if (values.trace === true) {
  for (const path of positionals) results.push(await scored(path));
} else {
  const wanted = values.only?.split(",");
  const chosen = PROGRAMS.filter(({ name }) => wanted?.some((part) => name.includes(part)) ?? true);
  const dir = values.from ?? values.dir ?? mkdtempSync(join(tmpdir(), "shootdown-fidelity-"));
  mkdirSync(dir, { recursive: true });
  try {
    for (const program of chosen) {
      const result = await (values.from === undefined ? run : again)(program, dir);
      say(summary(result));
      results.push(result);
    }
  } finally {
    if (values.from === undefined && values.dir === undefined)
      rmSync(dir, { recursive: true, force: true });
  }
}

const machine = {
  kernel: release(),
  cpus: cpus().length,
  date: new Date().toISOString().slice(0, 10),
};
const isPartial = values.trace === true || values.only !== undefined;
if (values.json === true) {
  console.log(JSON.stringify({ machine, results }, null, 2));
} else if (values.trace === true) {
  for (const result of results) console.log(summary(result));
} else if (isPartial || values.print === true) {
  console.log(page(results, machine));
} else {
  const text = withTables(readFileSync(doc, "utf8"), page(results, machine));
  if (text === null) {
    say("docs/fidelity.md has no markers");
    process.exit(2);
  }
  writeFileSync(doc, text);
  say("docs/fidelity.md written");
}
const bad = results.some(({ row }) => row?.invalid === undefined && row?.f1 < 0.95);
process.exit(bad ? 1 : 0);
