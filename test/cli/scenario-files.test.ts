/** `shootdown check` with scenario files. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

const root = fileURLToPath(new URL("../../", import.meta.url));
const cli = join(root, "dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "shootdown-"));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args, "--quiet"], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

function conforms(schema: string, document: unknown): Record<string, unknown> {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  const file = readFileSync(join(root, `dist/schemas/${schema}.json`), "utf8");
  const validate = ajv.compile(JSON.parse(file) as object);
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
  return document as Record<string, unknown>;
}

function written(name: string, text: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("shootdown check FILE.yaml", () => {
  test("a built-in scenario, written out, is the same scenario", () => {
    const { status, stdout } = run("check", "munmap-user", "--yaml");
    expect(status).toBe(0);
    conforms("scenario-file", parse(stdout));
    const path = written("mine.yaml", stdout);
    const [mine, built] = [path, "munmap-user"].map((name) => run("check", name, "--json"));
    expect(mine.status).toBe(0);
    expect(mine.stdout).toBe(built.stdout);
    expect(run("check", path, "--yaml").stdout).toBe(stdout);
  });

  test("files of the package go by their names, with era, consumer and policy", () => {
    const found = run("check", "mremap-steps", "--era", "double", "--json");
    expect(found.status).toBe(1);
    const document = conforms("check", JSON.parse(found.stdout));
    expect(document).toMatchObject({ verdict: "UAF", expected: "UAF", interleavings: "given" });
    const path = join(root, "scenarios/mremap-steps.yaml");
    expect(run("check", path, "--era", "double", "--json").stdout).toBe(found.stdout);
    const text = run("check", "mremap-steps", "--consumer", "mirroring", "--policy", "sync");
    expect(text.status).toBe(0);
    expect(text.stdout).toContain("the interleaving it gives: ");
    const all = run("check", "mremap-steps", "--era", "double", "--interleavings", "all", "--json");
    expect(conforms("check", JSON.parse(all.stdout))).toMatchObject({
      verdict: "UAF",
      expected: null,
      interleavings: "all",
    });
    const listed = run("check", "--list", "--json").stdout;
    expect(JSON.stringify(conforms("scenarios", JSON.parse(listed)))).toContain('"mremap-steps"');
  });

  test("a fault is one line with its place, and an error document", () => {
    const text = run("check", "munmap-user", "--yaml").stdout.replace("munmap:", "munmapp:");
    const path = written("bad.yml", text);
    const { status, stdout, stderr } = run("check", path, "--json");
    expect(status).toBe(2);
    const { error } = conforms("error", JSON.parse(stdout)) as { error: Record<string, unknown> };
    expect(error["code"]).toBe("E_NOENT");
    const { line, column } = error["details"] as { line: number; column: number };
    expect(text.split("\n")[line - 1].slice(column - 1)).toMatch(/^munmapp:/);
    expect(stderr).toMatch(new RegExp(`bad.yml:${line}:${column}: .*munmapp.*\\[E_NOENT\\]`));
    expect(stderr.trimEnd()).not.toContain("\n");
  });

  test.each([
    ["what is not YAML", "not-yaml.yaml", "a: [ 1\n", "E_PARSE"],
    ["what is not text", "binary.yaml", Buffer.from([0xff, 0xfe, 0x80]), "E_PARSE"],
    ["nothing", "empty.yaml", "", "E_TYPE"],
  ])("%s is refused", (_what, name, text, code) => {
    const { status, stdout } = run("check", written(name, text), "--json");
    expect(status).toBe(2);
    expect(conforms("error", JSON.parse(stdout))).toMatchObject({ error: { code } });
  });

  test("100 MB are refused without being read", () => {
    const path = written("huge.yaml", "");
    truncateSync(path, 100 * 2 ** 20);
    const start = performance.now();
    const { status, stdout } = run("check", path, "--json");
    expect(status).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "E_LIMIT" } });
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  test("a file that is not there, and a folder", () => {
    for (const path of [join(folder, "none.yaml"), written("f", "") && `${folder}/.yaml`]) {
      const { status, stdout } = run("check", path, "--json");
      expect(status).toBe(2);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: "E_IO" } });
    }
    const unknown = run("check", "no-such-scenario", "--json");
    expect(unknown.status).toBe(2);
    expect(JSON.parse(unknown.stdout)).toMatchObject({ error: { code: "E_NOENT" } });
  });
});
