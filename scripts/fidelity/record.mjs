// Makes a recording of one program with `shootdown record`, and makes it again while events are lost.

import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Buffers of each CPU that are tried, in KiB. */
const BUFFERS_KB = [131_072, 524_288, 1_048_576];
const MOST_MS = 300_000;

/** Is there such a program? */
export function isThere(program) {
  const places = program.includes("/")
    ? [program]
    : (process.env.PATH ?? "").split(delimiter).map((place) => join(place, program));
  return places.some((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The first of a program's commands that this machine does not have, or null. */
export function lacking({ command, needs = [] }) {
  // A program with a path is made by its preparation.
  const programs = [command[0], ...needs].filter((program) => !program.startsWith("./"));
  return programs.find((program) => !isThere(program)) ?? null;
}

/** Puts a program's files in place. @throws Error with what its preparation printed */
export function prepare({ name, files = {}, setup }, dir) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
  if (setup === undefined) return;
  const { status, stderr } = spawnSync("bash", ["-c", `set -e\n${setup}`], {
    cwd: dir,
    encoding: "utf8",
    timeout: MOST_MS,
  });
  if (status !== 0) throw new Error(`${name}: preparation failed: ${stderr.slice(0, 400)}`);
}

/**
 * A guest's page that its host has not backed yet costs 10 us when it is first touched, where a copy
 * takes 1 us: who is first of two threads then depends on what ran before. So the free memory that
 * the program will get is touched before.
 */
function touchMemory() {
  spawnSync(process.execPath, ["-e", `for (let i = 0; i < 2; i++) Buffer.alloc(2 ** 30, 1)`]);
}

/**
 * Records a program to `output`.
 *
 * @returns what `shootdown record --json` says, or a text that says why there is no recording
 */
export function recordProgram(cli, { command }, dir, output, all = false) {
  let why = "";
  for (const bufferKb of BUFFERS_KB) {
    touchMemory();
    const options = ["--json", "--output", output, "--buffer-kb", `${bufferKb}`];
    options.push(all ? "--all" : "--all-switches");
    const args = [cli, "record", ...options, "--", ...command];
    const { status, stdout, stderr, error } = spawnSync(process.execPath, args, {
      cwd: dir,
      encoding: "utf8",
      timeout: MOST_MS,
      maxBuffer: 2 ** 26,
    });
    // Who is told to stop puts everything back, and ends as if all was well.
    if (error !== undefined) return `it took more than ${MOST_MS / 1000} s`;
    if (status === 0) {
      const facts = JSON.parse(stdout);
      return facts.exitCode === 0 ? facts : `the program ended with ${facts.exitCode}`;
    }
    if (status !== 1) return stderr.trim().split("\n").at(-1) ?? `exit code ${status}`;
    why = `events were lost with buffers of ${bufferKb} KiB`;
  }
  return why;
}
