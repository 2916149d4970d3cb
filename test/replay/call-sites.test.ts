import { describe, expect, it } from "vitest";
import { compareTrace, type CompareRun } from "../../src/replay/compare.js";
import { tabulateCallSites } from "../../src/replay/site-table.js";
import { siteCode, siteOfCode } from "../../src/kernel/era.js";
import { countSites } from "../../src/sites/count.js";
import { RECORDINGS, recordingPath } from "../traces/helpers.js";

const ERAS = ["double", "deduplicated", "coupled"];

function run(runs: readonly CompareRun[], era: string, consumer: string): CompareRun {
  const found = runs.find((r) => r.era === era && r.consumer === consumer);
  if (found === undefined) throw new Error(`no run of ${era} with ${consumer}`);
  return found;
}

function told(of: CompareRun, row: string): number {
  return of.sites.find((site) => site.row === row)?.notifications ?? 0;
}

describe("call sites of a recording", () => {
  it.each(RECORDINGS)("%s: every notification is at a row of the table", async (name) => {
    const { runs } = await compareTrace(recordingPath(name), {
      eras: ERAS,
      policies: ["concurrent"],
    });
    for (const one of runs) {
      expect(one.sites.length).toBeGreaterThan(0);
      expect(one.sites.filter(({ row }) => row === "-")).toEqual([]);
      const brackets = one.sites.reduce((sum, site) => sum + site.brackets, 0);
      expect(brackets).toBe(one.notifications.start);
      // A sharing device is told by the hook, a mirroring one by brackets.
      for (const site of one.sites) {
        expect(site.flushes).toBe(one.consumer === "sharing" ? site.notifications : site.brackets);
        expect(site.full === site.flushes || site.pages > 0).toBe(true);
      }
      expect(one.device.zaps).toBe(one.sites.reduce((sum, site) => sum + site.flushes, 0));
    }
  });

  it("says of each row what one run of its operation says", async () => {
    const { runs } = await compareTrace(recordingPath("redis-bgsave"), {
      eras: ERAS,
      policies: ["concurrent"],
    });
    const table = await countSites({ eras: ERAS });
    const row = table.find((one) => one.row === 9 && one.part === "");
    for (const era of ERAS) {
      const sharing = run(runs, era, "sharing");
      const brackets = sharing.sites.find((site) => site.row === "9")?.brackets ?? 0;
      expect(brackets).toBeGreaterThan(3000);
      expect(told(sharing, "9")).toBe(brackets * (row?.counts[era]?.secondary ?? 0));
    }
    // fork tells the device as often as there are VMAs to copy, or once with the flush.
    expect(told(run(runs, "coupled", "sharing"), "8")).toBeGreaterThan(0);
  });

  it("charges the device for every command", async () => {
    const options = { policies: ["concurrent"], consumers: ["sharing"], eras: ["double"] };
    const { runs } = await compareTrace(recordingPath("node-gc"), options);
    const [{ device, sites }] = runs;
    expect(device.busyNs).toBeGreaterThan(0);
    expect(device.busyNs).toBe(sites.reduce((sum, site) => sum + site.deviceNs, 0));
  });
});

describe("call sites of several runs side by side", () => {
  /** A run of one era, by its sites: row, brackets, notifications and flushes, ns. */
  function runOf(era: string, given: readonly (readonly [string, number, number, number])[]) {
    const sites = given.map(([row, brackets, told, deviceNs]) => {
      const title = `what is at ${row}`;
      return { row, title, brackets, notifications: told, flushes: told, deviceNs };
    });
    const sum = (of: (site: (typeof sites)[0]) => number) =>
      sites.reduce((all, site) => all + of(site), 0);
    const zaps = sum((site) => site.flushes);
    const busyNs = sum((site) => site.deviceNs);
    const parts = { notifications: { secondary: zaps }, device: { zaps, busyNs } };
    return { era, sites, ...parts } as unknown as CompareRun;
  }

  it("in the order of the site table, with zeros where nothing was told", () => {
    const runs = [
      runOf("double", [
        ["-", 1, 1, 10],
        ["10", 2, 4, 40],
      ]),
      runOf("coupled", [
        ["9", 3, 5, 50],
        ["10", 2, 2, 20],
      ]),
    ];
    const { rows, all, savings } = tabulateCallSites(runs);
    expect(rows.map(({ row, brackets }) => [row, brackets])).toEqual([
      ["9", 3],
      ["10", 2],
      ["-", 1],
    ]);
    expect(rows.map(({ cells }) => cells.map(({ deviceNs }) => deviceNs))).toEqual([
      [0, 50],
      [40, 20],
      [10, 0],
    ]);
    expect(all).toMatchObject({
      brackets: 3,
      cells: [
        { notifications: 5, flushes: 5, deviceNs: 50 },
        { notifications: 7, flushes: 7, deviceNs: 70 },
      ],
    });
    expect(savings).toEqual([{ era: "coupled", ns: -20, percent: -40 }]);
  });

  it("saves nothing of nothing", () => {
    const idle = (era: string) => runOf(era, []);
    expect(tabulateCallSites([idle("double"), idle("coupled")]).savings).toEqual([
      { era: "coupled", ns: 0, percent: 0 },
    ]);
  });

  it("needs a run", () => {
    expect(() => tabulateCallSites([])).toThrow(
      expect.objectContaining({ code: "E_TYPE", details: { argument: "runs", least: 1 } }) as Error,
    );
  });
});

describe("codes of call sites", () => {
  it.each([
    { row: 1, part: undefined },
    { row: 11, part: "b" },
    { row: 29, part: "u" },
    { row: 34, part: "z" },
  ])("row $row$part", ({ row, part }) => {
    const code = siteCode(part === undefined ? { row } : { row, part });
    expect(code).toBeLessThan(2 ** 16);
    expect(siteOfCode(code)).toEqual({ row, part: part ?? "" });
  });

  it("0 is none", () => {
    expect(siteOfCode(0)).toEqual({ row: 0, part: "" });
  });
});
