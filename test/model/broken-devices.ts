/** Broken devices with more than a cache, for random schedules to notice. */
import { consumerRows, type Row, scenarioOf } from "./broken-rows.js";

const STALE = /^(NoUseAfterFree|NoStaleUse|NoStaleAfterQuiesce|NoShadowInsideBracket)$/;
const variants = [
  ["gpu-fences-early", "reclaim-fences", /^NoDeadlock$/, "gpu-fences"],
  ["kvm-pfn-cache-in-progress", "pfn-cache", STALE, "kvm-pfn-cache"],
  ["kvm-pfn-cache-spinning", "pfn-cache-storm", /^Progress$/, "kvm-pfn-cache-waiting"],
  ["kvm-pre-check", "fault-race", STALE, "kvm"],
  ["kvm-unchecked", "fault-race", STALE, "kvm"],
  ["kvm-swapped-reads", "counter-order", STALE, "kvm-unlocked-end"],
  ["kvm-swapped-writes", "counter-order", STALE, "kvm-unlocked-end"],
  ["smmu-btm-silent", "nested-gather", STALE, "smmu-btm"],
  ["sva-intel-silent", "nested-gather", STALE, "sva-intel"],
] as const;

export const DEVICE_MUTANTS: readonly Row[] = [
  ...(await consumerRows(variants)),
  {
    kind: "operations",
    name: "memslot.set-unfrozen",
    scenario: await scenarioOf("memslot-unfrozen"),
    options: { consumer: "kvm" },
    names: /^EndsHaveStarts$/,
    mended: { scenario: await scenarioOf("memslot-frozen") },
  },
];
