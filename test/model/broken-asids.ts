/** Broken allocators of ASIDs, for random schedules to notice. */
import type { Row } from "./broken-rows.js";

const variants = [
  ["unflushed", "asid-rollover", /^(NoUseAfterFree|NoStaleUse|NoStaleAfterQuiesce)$/],
  ["unreserved", "asid-reserved", /^(NoUseAfterFree|OneOwnerPerAsid|NoStaleAfterQuiesce)$/],
  ["unpinned", "asid-pinned", /^(NoStaleUse|OneOwnerPerAsid)$/],
  ["blind", "asid-fast-path", /^(NoUseAfterFree|OneOwnerPerAsid|NoStaleAfterQuiesce)$/],
  ["xchg", "asid-twice", /^(NoStaleUse|OneOwnerPerAsid|NoStaleAfterQuiesce)$/],
  ["named", "asid-named", /^(NoUseAfterFree|NoStaleAfterQuiesce)$/],
] as const;

export const ASID_MUTANTS: readonly Row[] = variants.map(([broken, scenario, names]) => ({
  kind: "policies",
  name: `asids-${broken}`,
  scenario,
  options: { policy: `asids-${broken}` },
  names,
  mended: { options: { policy: "asids" } },
}));
