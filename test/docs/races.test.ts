/**
 * docs/races.md says what scenarios expect: every cell names the verdict of a policy, the book's or
 * ours, and gives a reason where they differ. What scenarios expect is held to exploration by
 * test/explore; what no scenario says, because a policy is changed for it, is explored here.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import {
  Catalogue,
  check,
  expectedVerdict,
  type FlushPolicy,
  listScenarios,
  type Scenario,
  scenarioNamed,
  transport,
  type Verdict,
} from "../../src/index.js";

const page = readFileSync(new URL("../../docs/races.md", import.meta.url), "utf8");
const COLUMNS = {
  SYN: "sync",
  CON: "concurrent",
  "EAR+g": "early-ack",
  "EAR-g": "early-ack-unguarded",
  ENT: "ack-at-entry",
  NOA: "no-wait",
  LAT: "latr",
  UBC: "batched",
  BC: "broadcast",
} as const;
const POLICIES = Object.values(COLUMNS);

/** Words of the book. What is only missed can end in any way. */
const WORDS: Readonly<Record<string, Verdict | null>> = {
  ok: "SAFE",
  tol: "SAFE",
  UAF: "UAF",
  stale: "STALE",
  MC: "PT_UAF",
  "lost-D": "LOSTW",
  hang: "DEADLOCK",
  missed: null,
};

/** Races that other pages tell of, or that have no steps. */
const ELSEWHERE = [8, 17, 19, 20, 23, 25];

const notes = new Set(
  [...page.split("## Where we differ")[1].matchAll(/^(\d+)\. /gm)].map(([, n]) => n),
);

/** What a cell, or a part of it, says is found; null: it says nothing. */
function found(text: string): Verdict | null {
  if (text === "-" || text === ".") return null;
  const own = /^\((\w+)\)$/.exec(text);
  if (own) return own[1] as Verdict;
  const differs = /^(\S+) → (\w+) \((\d+)\)$/.exec(text);
  if (!differs) {
    expect(Object.keys(WORDS), text).toContain(text);
    return WORDS[text];
  }
  const [, book, ours, note] = differs;
  expect(Object.keys(WORDS), text).toContain(book);
  expect(ours, `${text}: not a difference`).not.toBe(WORDS[book]);
  expect([...notes], `${text}: no such reason`).toContain(note);
  return ours as Verdict;
}

function rowsOf(text: string): string[][] {
  const lines = text.split("\n").filter((line) => line.startsWith("| "));
  return lines.map((line) => line.slice(2, -2).split(" | "));
}

const [head, , ...rows] = rowsOf(page.split("## ")[0]);

/** What a scenario says of a policy; null: nothing. */
function told(scenario: Scenario, policy: string): Verdict | null {
  const { mutant } = Catalogue.standard.policy(policy);
  const { expectPolicy } = scenario;
  const isTold = expectPolicy?.["*"] ?? expectPolicy?.[policy];
  if (isTold === undefined && mutant) return null;
  return expectedVerdict(scenario, "coupled", "sharing", policy);
}

describe("the table of races", () => {
  test("has a column for each policy", () => {
    expect(head).toEqual(["race", "scenario", ...Object.keys(COLUMNS)]);
    for (const row of rows) expect(row).toHaveLength(head.length);
    const legend = page.replaceAll("\n", " ");
    for (const [name, policy] of Object.entries(COLUMNS)) {
      expect(legend).toMatch(new RegExp(`${name.replace("+", "\\+")} +\`${policy}\``));
    }
  });

  test.each(rows.map((row) => [row[0], row] as const))("%s", (_race, row) => {
    const scenario = scenarioNamed(row[1].slice(1, -1));
    row.slice(2).forEach((cell, i) => {
      const [first, ...others] = cell.split("; ");
      const parts = [[POLICIES[i], first] as const].concat(
        others.map((part) => {
          const [, policy, text] = /^`([^`]+)` (.+)$/.exec(part)!;
          return [policy as (typeof POLICIES)[number], text] as const;
        }),
      );
      for (const [policy, text] of parts) {
        if (text === "-") continue;
        const says = `${scenario.name} ${policy} ${text}`;
        expect(`${says}: ${found(text)}`).toBe(`${says}: ${told(scenario, policy)}`);
      }
    });
  });

  test("has every race of the book, and every scenario that is one of them", () => {
    const races = new Set(rows.map(([race]) => Number(/^I(\d+)/.exec(race)![1])));
    for (let id = 1; id <= 27; id++) {
      expect(`I${id} ${races.has(id)}`).toBe(`I${id} ${!ELSEWHERE.includes(id)}`);
      expect(page).toContain(`I${id}`);
    }
    const named = new Set(rows.map(([, scenario]) => scenario.slice(1, -1)));
    for (const { name, source } of listScenarios()) {
      const ids = [...source.matchAll(/\bI(\d+)\b/g)].map(([, id]) => Number(id));
      const isRace =
        source.startsWith("shootdown.md I") && !ids.every((i) => ELSEWHERE.includes(i));
      if (isRace && !EARLIER_FORMS.has(name)) expect([...named]).toContain(name);
    }
  });

  test("every reason is given for something", () => {
    for (const note of notes) expect(page).toContain(`(${note})`);
  });
});

/** The same races in scenarios about something else, or a variant of a row. */
const EARLIER_FORMS = new Set([
  "munmap-user",
  "switch-race",
  "freed-table",
  "freed-table-early",
  "nmi-unmapped",
]);

async function explore(scenario: Scenario, policy: FlushPolicy): Promise<Verdict> {
  const catalogue = Catalogue.standard.with({ policies: [policy] });
  return (await check(scenario, { policy: policy.name, catalogue })).verdict;
}

describe("I13 with the bad filter", () => {
  const dropped = scenarioNamed("switch-in");
  /** The neighbour page keeps the page table: freeing it would be told to everybody. */
  const unmapped: Scenario = {
    ...dropped,
    name: "switch-in-unmap",
    mms: [{ vmas: [{ start: 0, end: 2, prot: 3 }] }, { vmas: [] }],
    actors: [
      { name: "T0 unmaps A", cpu: 0, steps: [{ call: "munmap", args: { start: 0, end: 1 } }] },
      ...dropped.actors.slice(1),
    ],
  };
  const table = rowsOf(page.split("## I13 with the bad filter")[1].split("\n## ")[0]);

  test.each([
    ["drops A", dropped],
    ["unmaps A", unmapped],
  ] as const)("%s", async (what, scenario) => {
    const row = table.find(([name]) => name === what)!;
    for (const [i, name] of POLICIES.entries()) {
      const policy = Catalogue.standard.policy(name);
      const options = (policy.options ?? 0) | abi.OPT_SKIP_SWITCHING;
      const verdict = await explore(scenario, { ...policy, name: `${name}-filter`, options });
      expect(`${name} ${verdict}`).toBe(`${name} ${found(row[i + 1])}`);
    }
  });
});

describe("I7 with a pointer", () => {
  test.each([
    ["reach", "refuse"],
    ["reach", "none"],
    ["entry", "refuse"],
  ] as const)("acknowledged at %s, guard %s: UAF", async (ack, guard) => {
    const described = { title: "for this test", source: "shootdown.md I7", mutant: true } as const;
    const completes = { data: "G1", tables: "G1" } as const;
    const name = `pointer-${ack}-${guard}`;
    const knobs = { ack, guard, local: "after", payload: "pointer" } as const;
    const policy = transport({ name, ...described, completes }, knobs);
    expect(await explore(scenarioNamed("two-requests"), policy)).toBe("UAF");
  });
});
