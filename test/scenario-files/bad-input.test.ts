/** Whatever is wrong with a file is said with a code, a field, a line and a column. */
import { describe, expect, test } from "vitest";
import { isShootdownError, Random, ShootdownError } from "../../src/index.js";
import { FILE_BYTES_MOST, loadScenario } from "../../src/scenario-files/index.js";

const GOOD = `format: shootdown-scenario
version: 1
name: mine
title: a page is dropped
source: nowhere
pages: { A: 0, B: 1 }
geometry: { frames: 3, tables: 2, indexBits: 1, levels: 2 }
mms:
  - { name: M, map: [ { pages: [ A, A+1 ], prot: [ read, write ] } ] }
cpus:
  - { name: T0, mm: M }
devices:
  - { name: D, mm: M }
setup:
  - { actor: T0, steps: [ { write: A } ] }
programs:
  - { actor: T0, steps: [ { madvise: [ A, B ] }, { signal: done } ] }
  - { actor: D, steps: [ { write: A } ] }
interleaving:
  - [ T0, clear A ]
expect: SAFE
`;

/** The file with one piece of text instead of another, which it must contain. */
function changed(from: string, to: string): string {
  expect(GOOD).toContain(from);
  return GOOD.replace(from, to);
}

function failure(text: string): ShootdownError {
  try {
    loadScenario(text, { file: "mine.yaml" });
  } catch (error) {
    if (isShootdownError(error)) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

/** What, from, to, code, line, column, field. */
type Case = readonly [string, string, string, string, number, number, string];

const CASES: readonly Case[] = [
  ["an unknown key", "title:", "titel:", "E_TYPE", 1, 1, "title"],
  ["an unknown key more", "cpus:", "cows: 3\ncpus:", "E_TYPE", 10, 1, "cows"],
  ["another format", "shootdown-scenario", "yaml", "E_TYPE", 1, 9, "format"],
  ["another version", "version: 1", "version: 2", "E_TYPE", 2, 10, "version"],
  ["a number for a name", "name: mine", "name: 7", "E_TYPE", 3, 7, "name"],
  [
    "an unknown operation",
    "madvise:",
    "madvize:",
    "E_NOENT",
    17,
    29,
    "programs[0].steps[0].madvize",
  ],
  ["a bare unknown one", "{ signal: done }", "go", "E_NOENT", 17, 50, "programs[0].steps[1]"],
  [
    "too few operands",
    "[ A, B ] }, {",
    "[ A ] }, {",
    "E_TYPE",
    17,
    38,
    "programs[0].steps[0].madvise",
  ],
  [
    "a wrong operand",
    "madvise: [ A, B ]",
    "madvise: { start: A, stop: B }",
    "E_TYPE",
    17,
    38,
    "programs[0].steps[0].madvise.end",
  ],
  [
    "a page of no name",
    "madvise: [ A, B ]",
    "madvise: [ A, C ]",
    "E_NOENT",
    17,
    43,
    "programs[0].steps[0].madvise[1]",
  ],
  [
    "a page past the end",
    "madvise: [ A, B ]",
    "madvise: [ A, B+9 ]",
    "E_ADDR_RANGE",
    17,
    27,
    "programs[0].steps[0]",
  ],
  [
    "a page past 2^32",
    "write: A } ] }\nint",
    "write: 4294967296 } ] }\nint",
    "E_LIMIT",
    18,
    35,
    "programs[1].steps[0].write",
  ],
  [
    "no page at all",
    "write: A } ] }\nint",
    "write: [ x ] } ] }\nint",
    "E_NOENT",
    18,
    37,
    "programs[1].steps[0].write[0]",
  ],
  [
    "a mapping past the end",
    "[ A, A+1 ]",
    "[ A, A+9 ]",
    "E_ADDR_RANGE",
    9,
    32,
    "mms[0].map[0].pages",
  ],
  [
    "a mapping that ends first",
    "[ A, A+1 ]",
    "[ B, A ]",
    "E_INVERTED",
    9,
    32,
    "mms[0].map[0].pages",
  ],
  [
    "an unknown protection",
    "[ read, write ]",
    "[ read, wrote ]",
    "E_TYPE",
    9,
    58,
    "mms[0].map[0].prot[1]",
  ],
  ["an unknown mm", "T0, mm: M", "T0, mm: N", "E_NOENT", 11, 21, "cpus[0].mm"],
  ["a name twice", "{ name: D, mm: M }", "{ name: T0, mm: M }", "E_DUP", 13, 13, "devices[0].name"],
  [
    "a program twice",
    "  - { actor: D, steps",
    "  - { actor: T0, steps",
    "E_LIMIT",
    18,
    5,
    "programs[1]",
  ],
  [
    "a program of nobody",
    "  - { actor: D, steps",
    "  - { actor: X, steps",
    "E_NOENT",
    18,
    14,
    "programs[1].actor",
  ],
  [
    "an operation on a device",
    "[ { write: A } ] }\nint",
    "[ exit ] }\nint",
    "E_TYPE",
    18,
    26,
    "programs[1].steps[0]",
  ],
  [
    "an unknown consumer",
    "D, mm: M }",
    "D, mm: M, consumer: tpu }",
    "E_NOENT",
    13,
    33,
    "devices[0].consumer",
  ],
  ["a turn of nobody", "[ T0, clear A ]", "[ T9, clear A ]", "E_NOENT", 20, 5, "interleaving[0]"],
  ["a turn to nowhere", "[ T0, clear A ]", "[ T0, cleer A ]", "E_NOENT", 20, 5, "interleaving[0]"],
  [
    "a turn to no page",
    "[ T0, clear A ]",
    "[ T0, clear Z ]",
    "E_NOENT",
    20,
    11,
    "interleaving[0][1]",
  ],
  ["a page not watched", "[ T0, clear A ]", "[ T0, walk A ]", "E_NOENT", 20, 5, "interleaving[0]"],
  ["an unknown verdict", "expect: SAFE", "expect: FINE", "E_TYPE", 21, 9, "expect"],
  [
    "an unknown era",
    "expect: SAFE",
    "expect: { sharing: { never: SAFE } }",
    "E_NOENT",
    21,
    22,
    "expect.sharing.never",
  ],
  [
    "a consumer expected of none",
    "expect: SAFE",
    "expect: { tpu: SAFE }",
    "E_NOENT",
    21,
    11,
    "expect.tpu",
  ],
  [
    "an unknown policy",
    "expect: SAFE",
    "expect: SAFE\nexpectPolicy: { x: SAFE }",
    "E_NOENT",
    22,
    17,
    "expectPolicy.x",
  ],
  ["an unknown size", "frames: 3", "frams: 3", "E_TYPE", 7, 13, "geometry.frams"],
  ["a size past its limit", "levels: 2", "levels: 6", "E_LIMIT", 7, 57, "geometry.levels"],
  ["a key twice", "version: 1", "version: 1\nversion: 1", "E_DUP", 3, 1, ""],
  ["a tag", "title: a", "title: !!js/function a", "E_PARSE", 4, 8, ""],
  ["half a list", "[ A, A+1 ]", "[ A, A+1", "E_PARSE", 9, 64, ""],
  ["two documents", "expect: SAFE\n", "expect: SAFE\n---\nx: 1\n", "E_PARSE", 22, 1, ""],
  ["an alias of nothing", "title: a page is dropped", "title: *x", "E_PARSE", 4, 8, ""],
  ["a prototype", "cpus:", "__proto__: { x: 1 }\ncpus:", "E_PARSE", 10, 1, ""],
  ["a list for a key", "title: a page is dropped", "? [ a ]\n: 1", "E_PARSE", 4, 3, ""],
];

const KERNEL: readonly (readonly [string, string, string])[] = [
  ["an unknown kernel step", "{ claer: A }", "E_NOENT"],
  ["a clear without its lock", "{ clear: A }", "E_TYPE"],
  ["a zap without a gather", "{ zap: [ A, B ] }", "E_TYPE"],
  ["a bracket in a bracket", BRACKET(BRACKET("")), "E_TYPE"],
  ["a bracket of no event", BRACKET("").replace("CLEAR", "CLEER"), "E_TYPE"],
  ["a bracket under a page-table lock", `{ lock: A, do: [ ${BRACKET("")} ] }`, "E_TYPE"],
  ["a row past the table", BRACKET("").replace("do:", "site: { row: 35 }, do:"), "E_LIMIT"],
  ["an inverted flush", "{ flush: [ B, A ] }", "E_INVERTED"],
  ["a lock past the end", "{ lock: 99, do: [] }", "E_ADDR_RANGE"],
];

function BRACKET(inner: string): string {
  return `{ bracket: CLEAR, pages: [ A, B ], do: [ ${inner} ] }`;
}

describe("a file with one fault", () => {
  test("without it, it is a scenario", () => {
    expect(loadScenario(GOOD).name).toBe("mine");
  });

  test.each(CASES)("%s", (_what, from, to, code, line, column, field) => {
    const { message, details, ...error } = failure(changed(from, to));
    expect(
      `${error.code} ${String(details["line"])}:${String(details["column"])} ${message}`,
    ).toMatch(new RegExp(`^${code} ${line}:${column} mine\\.yaml:${line}:${column}: `));
    expect(details["file"]).toBe("mine.yaml");
    if (field !== "") expect(details["argument"]).toBe(field);
  });

  test.each(KERNEL)("%s", (_what, step, code) => {
    const text = changed("{ madvise: [ A, B ] }", `{ kernel: [ ${step} ] }`);
    const { details, ...error } = failure(text);
    expect(error.code).toBe(code);
    expect(details["line"]).toBe(17);
    expect(String(details["argument"])).toMatch(/^programs\[0\]\.steps\[0\]/);
  });

  test("an operation says what it takes", () => {
    const { message } = failure(changed("[ A, B ] }, {", "[ A ] }, {"));
    expect(message).toMatch(/: cannot be \["A"\]; it takes start, end$/);
  });

  test("limits are in the details", () => {
    expect(failure(changed("levels: 2", "levels: 6")).details).toMatchObject({ most: 5 });
    const cpus = Array.from({ length: 17 }, (_, i) => `  - { name: C${i}, mm: M }\n`).join("");
    const many = failure(changed("  - { name: T0, mm: M }\n", cpus));
    expect(many).toMatchObject({ code: "E_LIMIT", details: { argument: "cpus", limit: 16 } });
    const signals = Array.from({ length: 9 }, (_, i) => `{ signal: s${i} }`).join(", ");
    expect(failure(changed("{ signal: done }", signals))).toMatchObject({
      code: "E_LIMIT",
      details: { limit: 8 },
    });
  });
});

describe("what no scenario is", () => {
  test.each([
    ["nothing", ""],
    ["a comment", "# nothing\n"],
    ["a word", "scenario"],
    ["a list", "- 1\n- 2\n"],
    ["JSON of something else", '{"format":"shootdown-replay"}'],
  ])("%s: E_TYPE", (_what, text) => {
    expect(failure(text)).toMatchObject({ code: "E_TYPE", details: { line: 1 } });
  });

  test.each([
    ["bytes that are no text", "\u0000\u0001\u0002: [", /E_PARSE|E_TYPE/],
    ["a program", "#include <stdio.h>\nint main(void) { return 0; }\n", /E_PARSE|E_TYPE/],
  ])("%s", (_what, text, code) => {
    expect(failure(text).code).toMatch(code);
  });

  test("an anchor inside of itself: E_PARSE", () => {
    expect(failure("&a [ *a ]\n").code).toBe("E_PARSE");
    expect(failure("format: &x { y: *x }\n")).toMatchObject({
      code: "E_PARSE",
      details: { line: 1 },
    });
  });

  test("a bomb of aliases: E_LIMIT, and soon", () => {
    const levels = Array.from({ length: 30 }, (_, i) => {
      const from = i === 0 ? '"lol"' : `*a${i - 1}`;
      return `a${i}: &a${i} [ ${Array.from({ length: 9 }, () => from).join(", ")} ]`;
    });
    const start = performance.now();
    expect(failure(levels.join("\n"))).toMatchObject({
      code: "E_LIMIT",
      details: { limit: 20_000 },
    });
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  test.each([
    ["brackets", "[".repeat(100_000)],
    ["braces", "{a: ".repeat(50_000)],
    ["dashes", "- ".repeat(100_000)],
    [
      "lines, each further in",
      Array.from({ length: 600 }, (_, i) => `${" ".repeat(i)}a:`).join("\n"),
    ],
    ["keys of keys", "? ".repeat(100_000)],
  ])("nested without end by %s: E_LIMIT or E_PARSE", (_what, text) => {
    expect(failure(text).code).toMatch(/E_LIMIT|E_PARSE/);
  });

  test("a text past the limit is not even parsed", () => {
    const text = `${GOOD}# ${"x".repeat(FILE_BYTES_MOST)}\n`;
    const error = failure(text);
    expect(error).toMatchObject({ code: "E_LIMIT", details: { limit: FILE_BYTES_MOST } });
  });
});

describe("files that chance has damaged", () => {
  const seed = BigInt(process.env["SHOOTDOWN_SEED"] ?? 7);

  test("are a scenario or have a fault with its place, never anything else", () => {
    const random = new Random(seed);
    const pieces = [
      "{",
      "}",
      "[",
      "]",
      ":",
      "- ",
      "&a ",
      "*a",
      "\n",
      "\t",
      "'",
      '"',
      "|",
      "A+",
      "9",
    ];
    for (let i = 0; i < 3_000; i++) {
      let text = GOOD;
      for (let k = random.below(4); k >= 0; k--) {
        const at = random.below(text.length);
        const cut = random.below(3) === 0 ? random.below(40) : 0;
        const piece = random.below(2) === 0 ? pieces[random.below(pieces.length)] : "";
        text = text.slice(0, at) + piece + text.slice(at + cut);
      }
      try {
        loadScenario(text, { file: "mine.yaml" });
      } catch (error) {
        const run = "npx vitest run test/scenario-files/bad-input";
        const again = `SHOOTDOWN_SEED=${seed} ${run}, case ${i}`;
        if (!isShootdownError(error)) throw new Error(`${again}\n${text}`, { cause: error });
        expect(error.details, again).toMatchObject({
          line: expect.any(Number) as number,
          column: expect.any(Number) as number,
        });
      }
    }
  });
});
