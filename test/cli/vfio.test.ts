/** `shootdown vfio`: what it prints, its exit codes, and its documents. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "shootdown-vfio-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const cli = join(root, "dist/cli/main.js");
  return spawnSync(process.execPath, [cli, "vfio", ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
}

const schema = JSON.parse(readFileSync(join(root, "dist/schemas/vfio.json"), "utf8")) as object;
const conforms = new Ajv2020({
  strict: true,
  allowUnionTypes: true,
  strictTuples: false,
}).compile(schema);

function document(...args: string[]): Record<string, unknown> {
  const { stdout } = run(...args, "--json");
  const value = JSON.parse(stdout) as Record<string, unknown>;
  conforms(value);
  expect(conforms.errors ?? []).toEqual([]);
  return value;
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("shootdown vfio", () => {
  test("all scenarios are as expected, those of iommufd included", () => {
    const { asExpected, scenarios } = document("all") as {
      asExpected: boolean;
      scenarios: { system: string; runs: unknown[] }[];
    };
    expect(asExpected).toBe(true);
    const systems = scenarios.map(({ system }) => system);
    expect(systems.filter((system) => system === "vfio").length).toBeGreaterThan(50);
    expect(systems.filter((system) => system === "iommufd").length).toBeGreaterThan(10);
    expect(run("all").status).toBe(0);
  });

  test("an era that only one of both systems has", () => {
    const { scenarios } = document("all", "--era", "4.19") as { scenarios: { system: string }[] };
    expect(new Set(scenarios.map(({ system }) => system))).toEqual(new Set(["vfio"]));
    const wrong = run("all", "--era", "4.18");
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringMatching(/4\.18 is none of/)]);
  });

  test("what is not as expected is exit code 1, and says so", () => {
    const text = `
format: shootdown-scenario
version: 1
system: vfio
name: mine
title: one page
source: an example
for: { era: ["7.0"] }
setup: { mappings: [{ iova: 0x10000, size: 16K }] }
steps:
  - pin: { device: A, iova: 0x11000 }
    expect: EINVAL
`;
    const { status, stdout } = run(file("mine.yaml", text), "--storage", "tree");
    expect(status).toBe(1);
    expect(stdout).toMatch(/^7\.0 tree: SAFE, NOT as expected$/m);
    expect(stdout).toMatch(/✗ result\.ok is true, expected false/);
    expect(run(file("right.yaml", text.replace("EINVAL", "ok"))).status).toBe(0);
    const wrong = run(file("wrong.yaml", text.replace("iova: 0x11000", "iova: X")));
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/wrong\.yaml:11:\d+: steps\[0\]\.pin\.iova/);
  });

  test("a scenario of check is explored: by name, and from a file", () => {
    const found = document("pin-h1-register") as { verdict: string };
    expect(found.verdict).toBe("DEADLOCK");
    expect(run("pin-h1-register").status).toBe(0);
    const text = readFileSync(join(root, "scenarios/pin-h1-register.yaml"), "utf8");
    expect(run(file("h1.yaml", text)).status).toBe(0);
    const other = text.replace(/^expect: .*$/m, "expect: SAFE");
    expect(run(file("other.yaml", other)).status).toBe(1);
  });

  test("lists of scenarios and of verbs; no name, an unknown one", () => {
    expect(document("--list")["scenarios"]).toContainEqual(
      expect.objectContaining({ name: "s6-double-pin", system: "vfio" }),
    );
    expect(document("--verbs")["verbs"]).toContainEqual(
      expect.objectContaining({ system: "iommufd", verb: "mapFile" }),
    );
    expect(run().status).toBe(2);
    expect(run("no-such").status).toBe(2);
  });
});
