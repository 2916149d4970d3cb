/**
 * Random schedules, every named invariant checked after every step: sound parts keep them all, and
 * every broken part is caught, by name, with a seed and the command that finds it again.
 */
import { describe, expect, test } from "vitest";
import {
  Catalogue,
  expectedVerdict,
  listScenarios,
  sample,
  type SampleOptions,
  type SampleResult,
} from "../../src/index.js";

const SEED = BigInt(process.env["SHOOTDOWN_SEED"] ?? 1);
const SOUND_SCHEDULES = Number(process.env["SHOOTDOWN_RUNS"] ?? 60);
const MUTANT_SCHEDULES = 20_000;
const SOUND_POLICIES = Catalogue.standard.parts.policies
  .filter(({ mutant }) => !mutant)
  .map(({ name }) => name);

function command({ scenario, era, policy, consumer }: SampleResult, seed: string): string {
  const parts = `--era ${era} --policy ${policy} --consumer ${consumer}`;
  return `npx shootdown sample ${scenario} ${parts} --schedules 1 --seed ${seed}`;
}

function report(result: SampleResult): string {
  if (result.found === null) return `${result.scenario}: nothing found`;
  const { invariant, detail, seed } = result.found;
  return `${invariant} (${detail}), seed ${seed}\n  again: ${command(result, seed)}`;
}

describe("sound parts", () => {
  for (const scenario of listScenarios()) {
    const consumers = scenario.devices.length === 0 ? ["sharing"] : ["sharing", "mirroring"];
    const parts = ["double", "deduplicated", "coupled"].flatMap((era) =>
      consumers.flatMap((consumer) => SOUND_POLICIES.map((policy) => ({ era, consumer, policy }))),
    );
    const safe = parts.filter(
      ({ era, consumer, policy }) => expectedVerdict(scenario, era, consumer, policy) === "SAFE",
    );
    if (safe.length === 0) continue;
    test(`${scenario.name} keeps every invariant`, async () => {
      for (const options of safe) {
        const result = await sample(scenario, {
          ...options,
          schedules: SOUND_SCHEDULES,
          seed: SEED,
        });
        expect(result.found, report(result)).toBeNull();
        expect(result.steps).toBeGreaterThan(SOUND_SCHEDULES);
      }
    });
  }
});

interface Row {
  readonly kind: "eras" | "policies" | "consumers" | "operations";
  readonly name: string;
  readonly scenario: string;
  readonly options: SampleOptions;
  /** Any of these may be noticed first. */
  readonly names: RegExp;
  /** The same without the broken part. */
  readonly mended: { readonly scenario?: string; readonly options?: SampleOptions };
}

const mirroring = { consumer: "mirroring" };
const earlyAck = { policy: "early-ack" };

const MUTANTS: readonly Row[] = [
  {
    kind: "eras",
    name: "defer",
    scenario: "cow-order",
    options: { era: "defer" },
    names: /^(ReadsInOrder|NoStaleUse)$/,
    mended: { options: { era: "deduplicated" } },
  },
  {
    kind: "eras",
    name: "only-end-everywhere",
    scenario: "nested-gather",
    options: { era: "only-end-everywhere" },
    names: /^(NoUseAfterFree|NoStaleUse|NoStaleAfterQuiesce)$/,
    mended: { options: { era: "double" } },
  },
  {
    kind: "policies",
    name: "no-wait",
    scenario: "munmap-user",
    options: { policy: "no-wait" },
    names: /^(NoUseAfterFree|SlotsCurrentAtRest|NoStaleAfterQuiesce)$/,
    mended: { options: {} },
  },
  {
    kind: "policies",
    name: "local-only",
    scenario: "munmap-user",
    options: { policy: "local-only" },
    names: /^(NoUseAfterFree|SlotsCurrentAtRest|NoStaleAfterQuiesce)$/,
    mended: { options: {} },
  },
  {
    kind: "policies",
    name: "ack-first",
    scenario: "munmap-user",
    options: { policy: "ack-first" },
    names: /^(NoUseAfterFree|SlotsCurrentAtRest|NoStaleAfterQuiesce)$/,
    mended: { options: {} },
  },
  {
    kind: "policies",
    name: "no-ipi",
    scenario: "munmap-user",
    options: { policy: "no-ipi" },
    names: /^(NoDeadlock|QueueReachable)$/,
    mended: { options: {} },
  },
  {
    kind: "policies",
    name: "skip-switching",
    scenario: "switch-race",
    options: { policy: "skip-switching" },
    names: /^(NoUseAfterFree|SlotsCurrentAtRest)$/,
    mended: { options: {} },
  },
  {
    kind: "policies",
    name: "early-ack-unguarded",
    scenario: "nmi-recycled",
    options: { policy: "early-ack-unguarded" },
    names: /^NoUseAfterFree$/,
    mended: { options: earlyAck },
  },
  {
    kind: "policies",
    name: "early-ack-pointer",
    scenario: "two-requests",
    options: { policy: "early-ack-pointer" },
    names: /^(NoStaleUse|NoUseAfterFree|SlotsCurrentAtRest|NoStaleAfterQuiesce)$/,
    mended: { options: earlyAck },
  },
  {
    kind: "policies",
    name: "ack-at-entry",
    scenario: "csd-ahead",
    options: { policy: "ack-at-entry" },
    names: /^NoUseAfterFree$/,
    mended: { options: earlyAck },
  },
  {
    kind: "policies",
    name: "early-ack-tables",
    scenario: "freed-table-walk",
    options: { policy: "early-ack-tables" },
    names: /^NoWalkOfFreedTable$/,
    mended: { options: earlyAck },
  },
  {
    kind: "policies",
    name: "batched-unchecked",
    scenario: "reclaim-mprotect",
    options: { policy: "batched-unchecked" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "batched" } },
  },
  {
    kind: "policies",
    name: "batched-unforced",
    scenario: "write-out",
    options: { policy: "batched-unforced" },
    names: /^(NoLostWrite)$/,
    mended: { options: { policy: "batched" } },
  },
  {
    kind: "policies",
    name: "broadcast-no-sync",
    scenario: "munmap-user",
    options: { policy: "broadcast-no-sync" },
    names: /^(NoUseAfterFree|SlotsCurrentAtRest|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "broadcast" } },
  },
  {
    kind: "policies",
    name: "latr-reused",
    scenario: "unmap-and-map",
    options: { policy: "latr-reused" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "latr" } },
  },
  {
    kind: "policies",
    name: "latr-everything",
    scenario: "tighten",
    options: { policy: "latr-everything" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "latr" } },
  },
  {
    kind: "policies",
    name: "latr-tickless",
    scenario: "unmap-and-map",
    options: { policy: "latr-tickless" },
    names: /^(NoDeadlock)$/,
    mended: { options: { policy: "latr" } },
  },
  {
    kind: "policies",
    name: "latr-own-late",
    scenario: "nmi-unmapped",
    options: { policy: "latr-own-late" },
    names: /^(NoUseAfterFree)$/,
    mended: { options: { policy: "latr" } },
  },
  {
    kind: "policies",
    name: "pv-flush-blind",
    scenario: "vcpu-preempted",
    options: { policy: "pv-flush-blind" },
    names: /^(NoUseAfterFree)$/,
    mended: { options: { policy: "pv-flush" } },
  },
  {
    kind: "policies",
    name: "pv-flush-lost",
    scenario: "vcpu-preempted",
    options: { policy: "pv-flush-lost" },
    names: /^(NoUseAfterFree)$/,
    mended: { options: { policy: "pv-flush" } },
  },
  {
    kind: "policies",
    name: "batched-reset",
    scenario: "reclaim-nested",
    options: { policy: "batched-reset" },
    names: /^(NoUseAfterFree|NoLostWrite|SlotsCurrentAtRest)$/,
    mended: { options: { policy: "batched" } },
  },
  {
    kind: "policies",
    name: "broadcast-barrier",
    scenario: "reclaim-munmap",
    options: { policy: "broadcast-barrier" },
    names: /^NoStaleUse$/,
    mended: { options: { policy: "broadcast-issued" } },
  },
  {
    kind: "policies",
    name: "newest-only",
    scenario: "reordered-generations",
    options: { policy: "newest-only" },
    names: /^(NoUseAfterFree|NoStaleAfterQuiesce)$/,
    mended: { options: {} },
  },
  {
    kind: "policies",
    name: "cleared-slots-late",
    scenario: "switch-in",
    options: { policy: "cleared-slots-late" },
    names: /^(NoUseAfterFree|NoStaleUse|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "cleared-slots" } },
  },
  {
    kind: "policies",
    name: "in-context-blind",
    scenario: "user-half",
    options: { policy: "in-context-blind" },
    names: /^(NoUseAfterFree)$/,
    mended: { options: { policy: "in-context" } },
  },
  {
    kind: "policies",
    name: "in-context-late",
    scenario: "user-table",
    options: { policy: "in-context-late" },
    names: /^(NoWalkOfFreedTable)$/,
    mended: { options: { policy: "in-context" } },
  },
  {
    kind: "policies",
    name: "pti-trust-others",
    scenario: "kernel-page",
    options: { policy: "pti-trust-others" },
    names: /^(NoUseAfterFree)$/,
    mended: { options: { policy: "pti" } },
  },
  {
    kind: "policies",
    name: "idle-poll-stale",
    scenario: "idle-poller",
    options: { policy: "idle-poll-stale" },
    names: /^(NoDeadlock|QueueReachable)$/,
    mended: { options: { policy: "idle-poll" } },
  },
  {
    kind: "policies",
    name: "luf-unflushed",
    scenario: "reclaimed-read",
    options: { policy: "luf-unflushed" },
    names: /^(NoUseAfterFree)$/,
    mended: { options: { policy: "luf" } },
  },
  {
    kind: "policies",
    name: "luf-late-stamp",
    scenario: "reclaimed-meanwhile",
    options: { policy: "luf-late-stamp" },
    names: /^(NoUseAfterFree|SlotsCurrentAtRest)$/,
    mended: { options: { policy: "luf" } },
  },
  {
    kind: "policies",
    name: "luf-writable",
    scenario: "write-out",
    options: { policy: "luf-writable" },
    names: /^(NoLostWrite)$/,
    mended: { options: { policy: "luf" } },
  },
  {
    kind: "policies",
    name: "luf-made-writable",
    scenario: "reclaimed-made-writable",
    options: { policy: "luf-made-writable" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "luf" } },
  },
  {
    kind: "policies",
    name: "luf-written",
    scenario: "reclaimed-file-written",
    options: { policy: "luf-written" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "luf" } },
  },
  {
    kind: "policies",
    name: "luf-unmapped",
    scenario: "reclaimed-unmapped",
    options: { policy: "luf-unmapped" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "luf" } },
  },
  {
    kind: "policies",
    name: "luf-wiped",
    scenario: "reclaimed-read",
    options: { policy: "luf-wiped" },
    names: /^(NoUseAfterFree)$/,
    mended: { options: { policy: "luf" } },
  },
  {
    kind: "policies",
    name: "pte-filter-gone",
    scenario: "tighten",
    options: { policy: "pte-filter-gone" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "pte-filter" } },
  },
  {
    kind: "policies",
    name: "fpr-leaky",
    scenario: "recycled-elsewhere",
    options: { policy: "fpr-leaky" },
    names: /^(NoUseAfterFree)$/,
    mended: { options: { policy: "fpr" } },
  },
  {
    kind: "policies",
    name: "fpr-aba",
    scenario: "recycled-back",
    options: { policy: "fpr-aba" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "fpr" } },
  },
  {
    kind: "policies",
    name: "hybrid-erratum",
    scenario: "freed-table-of-three",
    options: { policy: "hybrid-erratum" },
    names: /^(NoWalkOfFreedTable)$/,
    mended: { options: { policy: "hybrid" } },
  },
  {
    kind: "policies",
    name: "hybrid-overtaken",
    scenario: "two-roads",
    options: { policy: "hybrid-overtaken" },
    names: /^(NoUseAfterFree|NoStaleUse|SlotsCurrentAtRest|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "hybrid" } },
  },
  {
    kind: "policies",
    name: "replicas-late",
    scenario: "replica-fault",
    options: { policy: "replicas-late" },
    names: /^(NoUseAfterFree|NoStaleUse|SharersCoverCachers|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "replicas" } },
  },
  {
    kind: "policies",
    name: "directory-silent",
    scenario: "directory-full",
    options: { policy: "directory-silent" },
    names: /^(NoUseAfterFree|NoStaleUse|DirectoryInclusive)$/,
    mended: { options: { policy: "directory" } },
  },
  {
    kind: "policies",
    name: "directory-tables",
    scenario: "freed-table-of-three",
    options: { policy: "directory-tables" },
    names: /^(NoWalkOfFreedTable|WalkCacheFresh)$/,
    mended: { options: { policy: "directory" } },
  },
  {
    kind: "policies",
    name: "messages-early",
    scenario: "two-nodes",
    options: { policy: "messages-early" },
    names: /^(NoUseAfterFree|NoStaleUse|SlotsCurrentAtRest|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "messages" } },
  },
  {
    kind: "policies",
    name: "core-tables-owner",
    scenario: "shared-by-two",
    options: { policy: "core-tables-owner" },
    names: /^(NoUseAfterFree|NoStaleUse|SharersCoverCachers|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "core-tables" } },
  },
  {
    kind: "policies",
    name: "invlpgb-reuse",
    scenario: "asid-reuse",
    options: { policy: "invlpgb-reuse" },
    names: /^(NoUseAfterFree|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "invlpgb-quiet-exit" } },
  },
  {
    kind: "policies",
    name: "invlpgb-no-transition",
    scenario: "asid-transition",
    options: { policy: "invlpgb-no-transition" },
    names: /^(NoUseAfterFree|SlotsCurrentAtRest|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "invlpgb" } },
  },
  {
    kind: "policies",
    name: "riscv-loaded-only",
    scenario: "hart-away",
    options: { policy: "riscv-loaded-only" },
    names: /^(NoUseAfterFree|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "riscv-ipi" } },
  },
  {
    kind: "policies",
    name: "abis-unflushed",
    scenario: "aged-dropped",
    options: { policy: "abis-unflushed" },
    names: /^(NoUseAfterFree|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "abis" } },
  },
  {
    kind: "policies",
    name: "abis-flushed-before",
    scenario: "aged-dropped",
    options: { policy: "abis-flushed-before" },
    names: /^(NoUseAfterFree|NoStaleAfterQuiesce)$/,
    mended: { options: { policy: "abis" } },
  },
  {
    kind: "policies",
    name: "cow-unwritten",
    scenario: "copied-for-kernel",
    options: { policy: "cow-unwritten" },
    names: /^(NoStaleUse)$/,
    mended: { options: { policy: "cow-write" } },
  },
  {
    kind: "consumers",
    name: "mirroring-no-retry",
    scenario: "fault-race",
    options: { consumer: "mirroring-no-retry" },
    names: /^(NoUseAfterFree|NoShadowInsideBracket|NoStaleAfterQuiesce)$/,
    mended: { options: mirroring },
  },
  {
    kind: "consumers",
    name: "mirroring-late-snapshot",
    scenario: "fault-race",
    options: { consumer: "mirroring-late-snapshot" },
    names: /^(NoUseAfterFree|NoShadowInsideBracket|NoStaleAfterQuiesce)$/,
    mended: { options: mirroring },
  },
  {
    kind: "consumers",
    name: "mirroring-late-zap",
    scenario: "fault-race",
    options: { consumer: "mirroring-late-zap" },
    names: /^(NoUseAfterFree|NoShadowInsideBracket|NoStaleAfterQuiesce)$/,
    mended: { options: mirroring },
  },
  {
    kind: "operations",
    name: "mremap-late-flush",
    scenario: "mremap-cpu-late-flush",
    options: {},
    names: /^NoUseAfterFree$/,
    mended: { scenario: "mremap-cpu" },
  },
  {
    kind: "operations",
    name: "munmap-tables-first",
    scenario: "freed-table-early",
    options: {},
    names: /^NoWalkOfFreedTable$/,
    mended: { scenario: "freed-table" },
  },
  {
    kind: "operations",
    name: "migrate-copy-first",
    scenario: "migrate-copy-first-user",
    options: {},
    names: /^ReadsInOrder$/,
    mended: { scenario: "migrate-user" },
  },
  {
    kind: "operations",
    name: "madvise-irqs-off",
    scenario: "irqs-off",
    options: {},
    names: /^NoDeadlock$/,
    mended: { scenario: "two-requests" },
  },
  {
    kind: "operations",
    name: "cpu-offline-undrained",
    scenario: "cpu-offline-undrained",
    options: {},
    names: /^(NoDeadlock|QueueReachable)$/,
    mended: { scenario: "cpu-offline" },
  },
  {
    kind: "operations",
    name: "discard-late",
    scenario: "lock-drop-late",
    options: {},
    names: /^NoStaleUse$/,
    mended: { scenario: "lock-drop" },
  },
  {
    kind: "operations",
    name: "madvise-uncounted",
    scenario: "nested-drop-uncounted",
    options: {},
    names: /^NoStaleUse$/,
    mended: { scenario: "nested-drop" },
  },
  {
    kind: "operations",
    name: "madvise.free-uncounted",
    scenario: "nested-clean-uncounted",
    options: {},
    names: /^NoLostWrite$/,
    mended: { scenario: "nested-clean" },
  },
  {
    kind: "operations",
    name: "munmap-irqs-off",
    scenario: "irqs-off-unmap",
    options: {},
    names: /^NoDeadlock$/,
    mended: { options: { policy: "latr" } },
  },
];

describe("broken parts", () => {
  test("are all in the table", () => {
    const { parts } = Catalogue.standard;
    const all = (["eras", "policies", "consumers", "operations"] as const).flatMap((kind) =>
      parts[kind].filter(({ mutant }) => mutant).map(({ name }) => `${kind} ${name}`),
    );
    expect(MUTANTS.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual(all.sort());
  });

  for (const { kind, name, scenario, options, names, mended } of MUTANTS) {
    test(`${kind}: ${name} is caught`, async () => {
      const result = await sample(scenario, {
        ...options,
        schedules: MUTANT_SCHEDULES,
        seed: SEED,
      });
      console.log(`${name}: ${report(result)}`);
      expect(result.found?.invariant ?? "nothing").toMatch(names);
      const seed = result.found?.seed ?? "";
      const again = await sample(scenario, { ...options, schedules: 1, seed });
      expect(again.found).toEqual(result.found);
      const sound = await sample(mended.scenario ?? scenario, {
        ...(mended.options ?? options),
        schedules: Math.min(result.schedules * 2, 6_000),
        seed: SEED,
      });
      expect(sound.found, report(sound)).toBeNull();
    }, 60_000);
  }
});
