import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

function node(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
}

/** The fenced block of a language that holds `mark`, of which a document has one. */
function block(document: string, language: string, mark = ""): string {
  const text = readFileSync(join(root, document), "utf8");
  const all = text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"));
  const found = [...all].map(([, code]) => code).filter((code) => code.includes(mark));
  expect(found).toHaveLength(1);
  return found[0];
}

describe("what the documents show", () => {
  test("the worked example of CONTRIBUTING compiles and prints what it says", () => {
    // Inside the package, so that its own name resolves.
    const folder = join(root, "build", "contributing");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "example.ts"), block("CONTRIBUTING.md", "ts"));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const options =
      "--ignoreConfig --module nodenext --target es2023 --lib es2023,dom --strict --types node";
    const compiled = node(tsc, ...options.split(" "), join(folder, "example.ts"));
    expect(compiled.stdout).toBe("");
    const { stdout } = node(join(folder, "example.js"));
    expect(readFileSync(join(root, "CONTRIBUTING.md"), "utf8")).toContain(`\`${stdout.trim()}\``);
    expect(stdout.trim()).toMatch(/^\{"notifySecondary":\d/);
  }, 300_000);

  test("the example of the README runs", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "example.mjs"), block("README.md", "js", "Machine"));
    const { status, stdout } = node(join(folder, "example.mjs"));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+ 2 null/);
  });

  test("the notifier examples of the README and of docs/notifiers.md do as they say", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    const readme = block("README.md", "js", "MmuNotifiers")
      .replace(/^told;.*$/m, "console.log(told.join());")
      .replace(/^(mm\.(remove|has)\(buffer\));.*$/gm, "console.log($1);");
    writeFileSync(join(folder, "notifiers.mjs"), readme);
    const lines = node(join(folder, "notifiers.mjs")).stdout.trim().split("\n");
    expect(lines).toEqual(["UNMAP 384 to 400", "false", "false"]);
    const page = block("docs/notifiers.md", "js").replace(
      /^(shadow\.size);.*$/m,
      "console.log($1);",
    );
    writeFileSync(join(folder, "driver.mjs"), page);
    expect(node(join(folder, "driver.mjs")).stdout.trim()).toBe("0");
  });

  test("the example of docs/devices.md does as it says", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    const page = block("docs/devices.md", "js").replace(
      /^(told\.join\(\));.*$/m,
      "console.log($1);",
    );
    writeFileSync(join(folder, "devices.mjs"), page);
    expect(node(join(folder, "devices.mjs")).stdout.trim()).toBe("UNMAP 16");
  });

  test("the data-structure example of the README does what its comments say", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    const shown = block("README.md", "js", "IntervalTree");
    const told = shown
      .replace(/^(tree\.first\(.*?\)) === heap;.*$/m, "console.log($1 === heap);")
      .replace(/^(tree\.(firstGap|firstMany|has)\(.*?\));.*$/gm, "console.log($1);");
    writeFileSync(join(folder, "structures.mjs"), `${told}\nconsole.log(tree.has(heap));\n`);
    const { stdout } = node(join(folder, "structures.mjs"));
    const [first, one, two, gap, many, stale] = stdout.trim().split("\n");
    expect([first, one, two, gap, stale]).toEqual([
      "true",
      "256 511 1",
      "384 384 2",
      "512",
      "false",
    ]);
    expect(many).toMatch(/^Float64Array\(2\) \[ \d+, -1 \]$/);
  });

  test("the IOTLB example of the README does what its comments say", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    const shown = block("README.md", "js", "Iotlb");
    const asks =
      /^(iotlb\.(?:translate|lookup|translateMany|delete|has)\(.*?\)(?:\.outcome)?);.*$/gm;
    writeFileSync(join(folder, "iotlb.mjs"), shown.replace(asks, "console.log($1);"));
    const { stdout } = node(join(folder, "iotlb.mjs"));
    expect(stdout.trim().split("\n")).toEqual([
      String(0x7080),
      "denied",
      `Float64Array(3) [ ${0x7001}, -1, -2 ]`,
      `${0x100} ${0x7000}`,
      `${0x200} ${0x9000}`,
      "2",
      "false",
    ]);
  });

  test("the example of pinned pages in the README does what its comments say", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    const shown = block("README.md", "js", "PinnedPages");
    const asks =
      /^(pins\.(?:(?:pin|count|anyIn|unpin|unpinRange)\(.*?\)|charge|size));(?: \/\/.*)?$/gm;
    writeFileSync(join(folder, "pins.mjs"), shown.replace(asks, "console.log($1);"));
    const { stdout } = node(join(folder, "pins.mjs"));
    expect(stdout.trim().split("\n")).toEqual([
      String(0x7000),
      "2",
      "302",
      "true",
      `${0x10000} ${0x7000} 2`,
      `${0x10010} ${0x7000} 1`,
      "1",
      "2048",
      "0",
    ]);
  });

  test("the container of the README does what its comments say", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    const shown = block("README.md", "js", "VfioContainer");
    const asks = /^((?:container\.(?:pin|unmap|dma)|qemu\.locked|validate).*?); \/\/ (.*)$/gm;
    const said = [...shown.matchAll(asks)].map(([, , comment]) => comment.split(": ")[0]);
    expect(said).toHaveLength(6);
    writeFileSync(join(folder, "container.mjs"), shown.replace(asks, "console.log($1);"));
    const { stdout } = node(join(folder, "container.mjs"));
    expect(stdout.trim().split("\n")).toEqual(said);
  });

  test("the workload that docs/workloads.md makes compiles and runs", () => {
    const folder = join(root, "build", "workloads");
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const example = `${block("docs/workloads.md", "ts", "two-pages")}console.log(ns, latencies);\n`;
    writeFileSync(join(folder, "example.ts"), example);
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const options =
      "--ignoreConfig --module nodenext --target es2023 --lib es2023,dom --strict --types node";
    expect(node(tsc, ...options.split(" "), join(folder, "example.ts")).stdout).toBe("");
    expect(node(join(folder, "example.js")).stdout).toMatch(/^\d{4,} \[/);
  }, 300_000);

  test("the example of docs/vfio.md does what its comments say", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    const shown = block("docs/vfio.md", "js").replace(/^(.*); \/\/ .*$/gm, "console.log($1);");
    writeFileSync(join(folder, "vfio.mjs"), shown);
    const { stdout } = node(join(folder, "vfio.mjs"));
    expect(stdout.trim().split("\n")).toEqual(["true", "3", "1", "0"]);
  });

  test("examples/vfio.mjs: a driver that keeps a page takes the host down", () => {
    const found = JSON.parse(node("examples/vfio.mjs").stdout) as Record<string, unknown>;
    expect(found["good"]).toEqual({ charged: 3, unmapped: 2 ** 20, rounds: 1, broken: 0 });
    expect(found["keeps"]).toMatchObject({ charged: 3, verdict: "FATAL" });
  });

  test("examples/iommufd.mjs: who never unpins gets an error, not a crash", () => {
    const found = JSON.parse(node("examples/iommufd.mjs").stdout) as Record<string, unknown>;
    const both = { isShared: true, charged: 2, refused: ["EINVAL"] };
    expect(found).toEqual({
      unpins: { ...both, told: { prompt: 3, late: 3 }, unmapped: 0x10000, held: 0 },
      keeps: { ...both, told: { prompt: 101, late: 101 }, unmapped: "EDEADLOCK", held: 1 },
    });
  });

  test("the example of docs/vdpa.md does what its comments say", () => {
    const folder = join(root, "build", "readme");
    mkdirSync(folder, { recursive: true });
    const shown = block("docs/vdpa.md", "js").replace(
      /^(device\.(?:write|setStatus|consistent)\(.*?\)\.\w+);.*$/gm,
      "console.log($1);",
    );
    writeFileSync(join(folder, "vdpa.mjs"), shown);
    const { stdout } = node(join(folder, "vdpa.mjs"));
    expect(stdout.trim().split("\n")).toEqual(["true", "EEXIST", "true", "identity"]);
  });

  test("examples/vdpa.mjs: a parent that forgets is not fit for IOTLB_PERSIST", () => {
    const found = JSON.parse(node("examples/vdpa.mjs").stdout) as Record<string, unknown>;
    // The fifth mapping does not fit: the whole request is taken back.
    const full = { bit: 8, tooMany: ["EFAULT", "ENOSPC", 2], held: 4 };
    expect(found).toEqual({
      card: { ...full, acked: "EOPNOTSUPP", afterReset: false },
      fixed: { ...full, acked: "ok", afterReset: true },
    });
  });

  test("examples/ run", () => {
    const embed = node("examples/embed.mjs");
    expect(JSON.parse(embed.stdout)).toMatchObject({ flushRemote: 1, hazard: null });
    const device = node("examples/device.mjs");
    expect(JSON.parse(device.stdout)).toEqual({
      first: [42, 0, 0, 0],
      again: [0, 0, 0, 0],
      stops: 1,
      rounds: 2,
      waitedNs: true,
      hazard: null,
    });
    const check = node("examples/check.mjs");
    expect(check.stdout).toMatch(/^ORDER after \d+ states/);
    const consumer = node("examples/consumer.mjs").stdout.split("\n");
    expect(consumer.slice(0, 2)).toEqual(["nic-0: UAF", "nic: SAFE"]);
    expect(JSON.parse(consumer[2])).toEqual({
      deviceHits: 1,
      deviceZaps: 1,
      deviceNs: 6500,
      hazard: null,
    });
  });
});
