/** Broken devices with more than a cache, for random schedules to notice. */
import { shippedScenario } from "../../src/scenario-files/index.js";
import type { Row } from "./broken-parts.js";

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

const named = async (name: string) => (await shippedScenario(name)) ?? name;

export const DEVICE_MUTANTS: readonly Row[] = [
  ...(await Promise.all(
    variants.map(async ([name, scenario, names, sound]): Promise<Row> => ({
      kind: "consumers",
      name,
      scenario: await named(scenario),
      options: { consumer: name },
      names,
      mended: { options: { consumer: sound } },
    })),
  )),
  {
    kind: "operations",
    name: "memslot.set-unfrozen",
    scenario: await named("memslot-unfrozen"),
    options: { consumer: "kvm" },
    names: /^EndsHaveStarts$/,
    mended: { scenario: await named("memslot-frozen") },
  },
];
