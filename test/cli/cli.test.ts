import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { Catalogue, scenarioNamed } from "../../src/index.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const cli = join(root, "dist/cli/main.js");
const redis = join(root, "traces/redis-bgsave.ftrace.gz");
const strace = join(root, "test/traces/samples/threads.strace");
const madvise = join(root, "traces/madvise-2threads.ftrace.gz");

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

function conforms(schema: string, text: string): Record<string, unknown> {
  const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
  const file = readFileSync(join(root, `dist/schemas/${schema}.json`), "utf8");
  const validate = ajv.compile(JSON.parse(file) as object);
  const document = JSON.parse(text) as Record<string, unknown>;
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
  return document;
}

describe("the command line", () => {
  test("check finds the order violation and prints it by the schema", () => {
    const { status, stdout } = run("check", "cow-order", "--era", "defer", "--json");
    expect(status).toBe(1);
    const document = conforms("check", stdout);
    expect(document["verdict"]).toBe("ORDER");
    expect((document["steps"] as unknown[]).length).toBe(76);
  });

  for (const era of ["double", "deduplicated", "coupled"]) {
    test(`check cow-order is safe under ${era}`, () => {
      const { status, stdout } = run("check", "cow-order", "--era", era, "--json");
      expect(status).toBe(0);
      const document = conforms("check", stdout);
      expect(document["states"]).toBeGreaterThan(1000);
      expect((document["assumptions"] as string[]).join()).toContain("delayed IPI");
    });
  }

  test("check --list and a text table with a column per actor", () => {
    const { policies } = conforms("scenarios", run("check", "--list", "--json").stdout);
    const parts = Catalogue.standard.parts.policies;
    expect(policies).toEqual(
      parts.map(({ name, mutant, title, source }) => {
        return { name, kind: mutant ? "broken" : "sound", title, source };
      }),
    );
    const listed = run("check", "--list").stdout;
    expect(listed).toContain("cow-order");
    for (const { name, mutant, title } of parts) {
      const line = listed.split("\n").find((text) => text.startsWith(`${name} `));
      expect(line?.replace(/ +/g, " ")).toBe(`${name} ${mutant ? "broken" : "sound"} ${title}`);
    }
    const { stdout } = run("check", "mremap", "--era", "double");
    expect(stdout).toMatch(/T0 mremap +T1 truncate +device/);
    expect(stdout).toContain("UAF: device uses frame 1, which was freed");
  });

  test("check all prints every scenario, and says whether all came out as they say", () => {
    const policies = ["--policy", "early-ack-pointer,no-ipi"];
    const few = run("check", "all", ...policies, "--max-states", "300", "--json", "--quiet");
    const document = conforms("matrix", few.stdout) as {
      cells: { policy: string; verdict: string; expected: string | null }[];
      unexpected: number;
    };
    const names = conforms("scenarios", run("check", "--list", "--json").stdout)["scenarios"];
    expect(document.cells.length).toBe((names as unknown[]).length * 2);
    // Given up that early, some are inconclusive, which is never what is expected.
    expect(document.cells.some(({ verdict }) => verdict === "INCONCLUSIVE")).toBe(true);
    expect(document.unexpected).toBeGreaterThan(0);
    expect(few.status).toBe(1);
    const text = run("check", "all", ...policies, "--max-states", "300", "--quiet");
    const sum = `${document.cells.length} explored, ${document.unexpected} not as expected`;
    expect(text.stdout).toContain(sum);
    const unknown = run("check", "all", "--policy", "no-such-policy", "--json");
    expect(unknown.status).toBe(2);
    expect(conforms("error", unknown.stdout)["error"]).toMatchObject({ code: "E_NOENT" });
  });

  test("a saved counterexample runs again; a changed one is refused", () => {
    const file = join(mkdtempSync(join(tmpdir(), "shootdown-")), "trail.json");
    expect(run("check", "mremap", "--era", "double", "--save", file).status).toBe(1);
    expect(run("check", "--replay", file).status).toBe(1);
    const trail = JSON.parse(readFileSync(file, "utf8")) as { hashes: string[] };
    trail.hashes[3] = "0000000000000000";
    writeFileSync(file, JSON.stringify(trail));
    const refused = run("check", "--replay", file, "--json");
    expect(refused.status).toBe(2);
    expect(conforms("error", refused.stdout)["error"]).toMatchObject({ code: "E_VERSION" });
  });

  test("sample names the invariant; the command it prints finds it again", () => {
    const args = ["sample", "munmap-user", "--policy", "no-wait"];
    const first = run(...args, "--json", "--quiet");
    expect(first.status).toBe(1);
    const { found } = conforms("sample", first.stdout) as { found: { replay: string } };
    const [, , ...again] = found.replay.split(" ");
    const second = run(...again, "--json");
    expect(second.status).toBe(1);
    expect((conforms("sample", second.stdout) as { found: object }).found).toEqual(found);
    expect(run(...args).stdout).toContain(`again: ${found.replay}`);
    const sound = run("sample", "munmap-user", "--schedules", "50", "--json");
    expect(sound.status).toBe(0);
    expect(conforms("sample", sound.stdout)["found"]).toBeNull();
  });

  test("a scenario file is checked, explored, and travels with its counterexample", () => {
    const folder = mkdtempSync(join(tmpdir(), "shootdown-"));
    const file = join(folder, "mine.json");
    const trail = join(folder, "trail.json");
    const mine = { ...scenarioNamed("mremap"), name: "mine" };
    writeFileSync(file, JSON.stringify(mine));
    conforms("scenario", JSON.stringify(mine));
    expect(run("check", file, "--era", "double", "--save", trail).status).toBe(1);
    expect(run("check", "--replay", trail).stdout).toContain("UAF");
    writeFileSync(file, JSON.stringify({ ...mine, threads: [0, 7] }));
    const refused = run("check", file, "--json");
    expect(refused.status).toBe(2);
    expect(conforms("error", refused.stdout)["error"]).toMatchObject({
      code: "E_LIMIT",
      details: { argument: "scenario.threads[1]" },
    });
  });

  test("what a policy does not give is the first line, and a field; the exit code stays", () => {
    const line = /^completion: early-ack-unguarded gives G1 for data, write, madvise need G2\n/;
    const parts = ["check", "csd-ahead", "--policy", "early-ack-unguarded"];
    const checked = run(...parts);
    expect(checked.stdout).toMatch(line);
    expect(checked.status).toBe(0);
    const gaps = (schema: string, text: string) =>
      (conforms(schema, text)["completion"] as { policy: string }[]).map(({ policy }) => policy);
    const asJson = run(...parts, "--json");
    expect(asJson.status).toBe(0);
    expect(new Set(gaps("check", asJson.stdout))).toEqual(new Set(["early-ack-unguarded"]));

    const simulated = ["simulate", "--policy", "early-ack-unguarded", "--ops", "100"];
    expect(run(...simulated).stdout).toMatch(line);
    expect(gaps("simulate", run(...simulated, "--json").stdout)).toHaveLength(2);

    const policies = ["--policies", "early-ack,early-ack-unguarded,early-ack-tables"];
    const compared = ["compare", madvise, "--eras", "coupled", "--consumers", "sharing"];
    const [first, second] = run(...compared, ...policies, "--quiet").stdout.split("\n");
    expect(first).toMatch(/^completion: early-ack-unguarded gives G1 for data, .* need G2$/);
    expect(second).toMatch(/^completion: early-ack-tables gives G2 for tables, .* need G4$/);
    const { status, stdout } = run(...compared, "--policies", "early-ack", "--json");
    expect(status).toBe(0);
    expect(gaps("compare", stdout)).toEqual([]);
  });

  test("compare conforms, and the same seed gives the same bytes", () => {
    const args = ["compare", redis, "--eras", "double,coupled", "--policies", "sync"];
    const first = run(...args, "--seed", "1", "--json", "--quiet");
    expect(first.status).toBe(0);
    const { runs } = conforms("compare", first.stdout) as { runs: { era: string }[] };
    const eras = ["double", "coupled"].flatMap((era) => [era, era, era]);
    expect(runs.map((r) => r.era)).toEqual(eras);
    expect(run(...args, "--seed", "0x1", "--json").stdout).toBe(first.stdout);
  });

  test("replay of strace says what is inferred, conforms, and cannot miss a threshold", () => {
    const plain = run("replay", strace);
    expect(plain.status).toBe(0);
    expect(plain.stdout).toContain("residency: inferred");
    expect(plain.stdout).toMatch(/predicted for +local +remote/);
    expect(plain.stdout).not.toContain("f1");
    const document = conforms(
      "replay",
      run("replay", strace, "--format", "strace", "--json").stdout,
    );
    expect(document).toMatchObject({
      fidelity: null,
      trace: { format: "strace", residency: "inferred", cpus: 8 },
      model: { residentPages: 16 },
    });
    conforms("compare", run("compare", strace, "--cpus", "4", "--json", "--quiet").stdout);
    const refused = run("replay", strace, "--min-f1", "90", "--json");
    expect(refused.status).toBe(2);
    expect(conforms("error", refused.stdout)["error"]).toMatchObject({ code: "E_EMPTY" });
    expect(run("replay", strace, "--format", "perf").status).toBe(2);
    expect(run("replay", strace, "--format", "vmstat").status).toBe(2);
  });

  test("replay conforms, and --min-f1 sets the exit code", () => {
    const good = run("replay", madvise, "--json", "--min-f1", "90");
    expect(good.status).toBe(0);
    conforms("replay", good.stdout);
    expect(run("replay", madvise, "--min-f1", "100").status).toBe(1);
  });

  test("a deadlock is something that was found: exit 1", () => {
    const { status, stdout } = run("simulate", "--policy", "no-ipi", "--ops", "100", "--json");
    expect(status).toBe(1);
    const { violations, ops } = conforms("simulate", stdout) as {
      violations: { invariant: string }[];
      ops: { asked: number; done: number };
    };
    expect(violations[0]).toMatchObject({ invariant: "NoDeadlock" });
    expect(ops.done).toBeLessThan(ops.asked);
  });

  test("simulate conforms under both drivers", () => {
    conforms("simulate", run("simulate", "--cpus", "4", "--ops", "200", "--json").stdout);
    const args = ["--driver", "parallel", "--cpus", "2", "--ops", "500", "--json"];
    const parallel = run("simulate", ...args);
    expect(parallel.status).toBe(0);
    conforms("simulate", parallel.stdout);
  });

  test("calibrate conforms, and what it writes is a profile for the other commands", () => {
    const folder = mkdtempSync(join(tmpdir(), "shootdown-"));
    const [file, document] = [join(folder, "mine.json"), join(folder, "fit.json")];
    const args = ["calibrate", madvise, "--name", "mine", "--json"];
    const first = run(...args, "--output", file);
    expect([first.stderr, first.status]).toEqual(["", 0]);
    const { profile } = conforms("calibrate", first.stdout) as { profile: object };
    expect(conforms("profile", readFileSync(file, "utf8"))).toEqual(profile);
    expect(run(...args, "--seed", "0x1").stdout).toBe(first.stdout);
    expect(run("calibrate", madvise).stdout).toContain("ranged flush, Theil-Sen");

    writeFileSync(document, first.stdout);
    const runs = [file, document].map((path) =>
      run("simulate", "--profile", path, "--ops", "100", "--json"),
    );
    for (const { status, stdout } of runs) {
      expect(status).toBe(0);
      expect(conforms("simulate", stdout)["simulated"]).toMatchObject({ profile: "mine" });
    }
    const compared = run("compare", redis, "--profile", file, "--eras", "coupled", "--json");
    expect(conforms("compare", compared.stdout)["profile"]).toBe("mine");
    writeFileSync(file, JSON.stringify({ ...profile, prices: { nope: { ns: 1, source: "x" } } }));
    const refused = run("simulate", "--profile", file, "--json");
    expect(refused.status).toBe(2);
    expect(conforms("error", refused.stdout)["error"]).toMatchObject({
      code: "E_TYPE",
      details: { argument: "profile.prices.nope" },
    });
  });

  const bad: readonly (readonly [string, readonly string[], string])[] = [
    ["no such file", ["replay", "/nonexistent.gz"], "E_IO"],
    ["not a recording", ["replay", join(root, "package.json")], "E_PARSE"],
    ["unknown scenario", ["check", "nope"], "E_NOENT"],
    ["unknown era", ["check", "mremap", "--era", "nope"], "E_NOENT"],
    ["bounds of zero", ["check", "mremap", "--max-states", "0"], "E_LIMIT"],
    ["bad seed", ["check", "mremap", "--seed", "-1"], "E_TYPE"],
    ["seed past 64 bits", ["check", "mremap", "--seed", "18446744073709551616"], "E_LIMIT"],
    ["no schedules", ["sample", "mremap", "--schedules", "0"], "E_LIMIT"],
    ["a scenario file that is none", ["sample", join(root, "package.json")], "E_TYPE"],
    ["bad list", ["compare", redis, "--eras", "double,,coupled"], "E_PARSE"],
    ["no CPUs", ["simulate", "--cpus", "0"], "E_LIMIT"],
    ["too many CPUs", ["simulate", "--cpus", "65"], "E_LIMIT"],
    ["unknown driver", ["simulate", "--driver", "quantum"], "E_TYPE"],
    ["a profile that is none", ["simulate", "--profile", join(root, "package.json")], "E_TYPE"],
    ["no such profile file", ["simulate", "--profile", "/nonexistent.json"], "E_IO"],
    ["an unknown base", ["calibrate", madvise, "--base", "nope"], "E_NOENT"],
    ["a bad name of a profile", ["calibrate", madvise, "--name", "No Good"], "E_TYPE"],
  ];
  for (const [what, args, code] of bad) {
    test(`${what}: exit 2, one line, ${code}`, () => {
      const { status, stdout, stderr } = run(...args, "--json");
      expect(status).toBe(2);
      expect(conforms("error", stdout)["error"]).toMatchObject({ code });
      expect(stderr.trim().split("\n")).toHaveLength(1);
    });
  }

  test("usage errors exit with 2, help with 0 and examples", () => {
    expect(run("check", "--nope").status).toBe(2);
    expect(run("nope").status).toBe(2);
    expect(run("compare").status).toBe(2);
    for (const command of [
      "demo",
      "compare",
      "replay",
      "check",
      "sample",
      "simulate",
      "calibrate",
    ]) {
      const { status, stdout } = run(command, "--help");
      expect(status).toBe(0);
      expect(stdout).toContain("Examples:");
    }
  });

  test("what is echoed cannot drive the terminal", () => {
    const { stderr } = run("check", "\u001b[31mred");
    expect(stderr).not.toContain("\u001b");
    expect(stderr).toContain("\\x1b");
  });
});
