/** The contract between operations and policies: what one needs of a flush, the other gives. */
import { describe, expect, test } from "vitest";
import {
  Catalogue,
  check,
  COMPLETION,
  type CompletionGap,
  completionGaps,
  formatGaps,
  simulate,
} from "../../src/index.js";
import * as abi from "../../src/core/abi.js";
import { buildImage } from "../../src/kernel/image.js";
import { decode } from "../../src/program/disassembler.js";

const catalogue = Catalogue.standard;
const { operations, policies } = catalogue.parts;

/** Micro-ops of an operation, by code. */
function microOps(name: string): Set<number> {
  const args = Object.fromEntries(catalogue.operation(name).params.map((param) => [param, 0]));
  const image = buildImage({
    catalogue,
    era: catalogue.era("coupled"),
    policy: catalogue.policy("concurrent"),
    consumers: [],
    scripts: [{ name: "it", steps: [{ call: name, args }] }],
    scriptsOnly: true,
  });
  const start = image.entries.get("it")!;
  const all = Array.from({ length: image.code.length / 2 }, (_, pc) => pc);
  return new Set(all.filter((pc) => pc >= start).map((pc) => decode(image.code, pc).op));
}

/** Gaps of a policy, as "of: needs over gives", each once. */
function shortfalls(policy: string): string[] {
  const all = operations.flatMap((each) => completionGaps(each, catalogue.policy(policy)));
  return [...new Set(all.map(({ of, needs, gives }) => `${of}: ${needs} over ${gives}`))].sort();
}

describe("what operations need", () => {
  test.each(operations.map(({ name, needs }) => [name, needs] as const))(
    "%s says so if and only if it asks for flushes, and frees tables",
    (name, needs) => {
      const codes = microOps(name);
      expect(needs?.data !== undefined).toBe(codes.has(abi.OP_FLUSH_PREP));
      expect(needs?.tables !== undefined).toBe(codes.has(abi.OP_TABLE_UNHOOK));
    },
  );

  test("levels are ordered by their names", () => {
    const levels = Object.keys(COMPLETION);
    expect(levels).toEqual([...levels].sort());
  });
});

describe("what policies give", () => {
  const DATA = (gives: string) => `data: G2 over ${gives}`;
  const TABLES = (gives: string) => `tables: G4 over ${gives}`;
  // Some that are broken promise enough, and do not keep it: exploration finds that.
  const EXPECTED: Readonly<Record<string, readonly string[]>> = {
    sync: [],
    concurrent: [],
    "early-ack": [],
    "early-ack-flush-guard": [],
    "no-ipi": [],
    "skip-switching": [],
    "local-only": [DATA("G0"), TABLES("G0")],
    "no-wait": [DATA("G0"), TABLES("G0")],
    "ack-first": [DATA("G1"), TABLES("G1")],
    "ack-at-entry": [DATA("G1"), TABLES("G1")],
    "early-ack-unguarded": [DATA("G1")],
    "early-ack-pointer": [DATA("G1")],
    "early-ack-tables": [TABLES("G2")],
    "full-only": [],
    "tell-lazy": [],
    "tell-all": [],
    batched: [],
    "batched-unchecked": [],
    "batched-unforced": [],
    broadcast: [],
    "broadcast-no-sync": [DATA("G0"), TABLES("G0")],
    latr: [],
    "latr-reused": [],
    "latr-tickless": [],
    "latr-everything": [DATA("G0")],
    "latr-own-late": [DATA("G0")],
    "eco-tlb": [],
    "eco-tlb-inactive": [],
    "eco-tlb-refault": [],
    "eco-tlb-written": [],
    "self-invalidating": [],
    "self-invalidating-early": [],
    "self-invalidating-renewed": [],
    "self-invalidating-reused": [],
    luf: [],
    "cow-write": [],
    "cow-unwritten": [],
    abis: [],
    "abis-unflushed": [],
    "abis-flushed-before": [],
    fpr: [],
    "fpr-leaky": [],
    "fpr-aba": [],
    "pte-filter": [],
    "pte-filter-gone": [],
    "luf-unflushed": [],
    "luf-late-stamp": [],
    "luf-writable": [],
    "luf-made-writable": [],
    "luf-written": [],
    "luf-unmapped": [],
    "luf-wiped": [],
    "pv-flush": [],
    "pv-flush-blind": [DATA("G0"), TABLES("G0")],
    "pv-flush-lost": [DATA("G0"), TABLES("G0")],
    pti: [],
    "in-context": [],
    "in-context-blind": [DATA("G0"), TABLES("G0")],
    "in-context-late": [TABLES("G2")],
    "pti-trust-others": [],
    invlpgb: [],
    "invlpgb-quiet-exit": [],
    "invlpgb-reuse": [DATA("G0"), TABLES("G0")],
    "invlpgb-no-transition": [DATA("G0"), TABLES("G0")],
    "riscv-sbi": [],
    "riscv-ipi": [],
    "riscv-loaded-only": [DATA("G0"), TABLES("G0")],
    asids: [],
    "riscv-asids": [],
    "asids-unflushed": [DATA("G0"), TABLES("G0")],
    "asids-unreserved": [DATA("G0"), TABLES("G0")],
    "asids-unpinned": [DATA("G0"), TABLES("G0")],
    "asids-xchg": [DATA("G0"), TABLES("G0")],
    "asids-blind": [DATA("G0"), TABLES("G0")],
    "asids-named": [DATA("G0"), TABLES("G0")],
    "idle-poll": [],
    "idle-poll-stale": [],
    hybrid: [],
    replicas: [],
    "core-tables": [],
    directory: [],
    messages: [],
    consolidated: [],
    "early-ack-consolidated": [],
    "messages-early": [DATA("G0"), TABLES("G0")],
    "directory-silent": [DATA("G0")],
    "directory-tables": [TABLES("G3")],
    "replicas-late": [DATA("G0"), TABLES("G0")],
    "core-tables-owner": [DATA("G0"), TABLES("G0")],
    "hybrid-erratum": [TABLES("G3")],
    "hybrid-overtaken": [DATA("G0"), TABLES("G0")],
    "broadcast-batched": [],
    "broadcast-issued": [],
    "broadcast-barrier": [],
    "batched-reset": [],
    "cleared-slots": [],
    "cleared-slots-late": [DATA("G0"), TABLES("G0")],
    "newest-only": [DATA("G0")],
  };

  test("is known for every policy of the catalogue", () => {
    expect(Object.keys(EXPECTED).sort()).toEqual(policies.map(({ name }) => name).sort());
  });

  test.each(Object.entries(EXPECTED))("%s falls short by %j", (policy, expected) => {
    expect(shortfalls(policy)).toEqual(expected);
  });
});

describe("a mismatch is reported before anything runs", () => {
  test("check: with what the scenario calls, and no more", async () => {
    const seen: CompletionGap[][] = [];
    const onGaps = (gaps: readonly CompletionGap[]) => seen.push([...gaps]);
    const onProgress = () => expect(seen).toHaveLength(1);
    const result = await check("user-in-flight", { policy: "no-wait", onGaps, onProgress });
    expect(result.completion.map(({ operation }) => operation).sort()).toEqual([
      "madvise",
      "write",
    ]);
    expect(seen).toEqual([result.completion]);
    expect((await check("user-in-flight", { policy: "early-ack", onGaps })).completion).toEqual([]);
    expect(seen).toHaveLength(1);
  });

  test("simulate: before the first message is sent", async () => {
    const lines: string[] = [];
    const result = await simulate({
      workload: "remap",
      policy: "early-ack-tables",
      ops: 10,
      onGaps: (gaps) => lines.push(...formatGaps(gaps)),
    });
    expect(lines).toEqual(["completion: early-ack-tables gives G2 for tables, munmap needs G4"]);
    expect(result.completion).toHaveLength(1);
    const sound = await simulate({ workload: "remap", policy: "early-ack", ops: 10 });
    expect(sound.completion).toEqual([]);
  });

  test("several operations share a line", () => {
    const policy = catalogue.policy("ack-first");
    const gaps = ["madvise", "munmap"].flatMap((name) =>
      completionGaps(catalogue.operation(name), policy),
    );
    expect(formatGaps(gaps)).toEqual([
      "completion: ack-first gives G1 for data, madvise, munmap need G2",
      "completion: ack-first gives G1 for tables, munmap needs G4",
    ]);
  });
});
