/**
 * arm64's ASIDs (arch/arm64/mm/context.c): one space for all CPUs, generations, and a flush by each
 * CPU of its own TLB after a rollover. Invalidations are broadcast by ASID.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { broadcast } from "./broadcast.js";
import { riscvSbi } from "./riscv.js";

type Asids = NonNullable<FlushPolicy["asids"]>;

const TAKE: Partial<Record<Asids, number>> = {
  unflushed: abi.ASID_UNFLUSHED,
  unreserved: abi.ASID_UNRESERVED,
  unpinned: abi.ASID_UNPINNED,
};

const SWAP: Partial<Record<Asids, number>> = {
  blind: abi.ASID_BLIND,
  exchanged: abi.ASID_XCHG,
};

/** check_and_switch_context: without the lock, unless a rollover came, or comes in between. */
export function chooseAsid(mm: Reg, asids: Asids): Program {
  const imm = TAKE[asids] ?? 0;
  const take = op("asid.take", { a: mm, imm, note: "with the lock: an ASID of this generation" });
  const how = SWAP[asids] ?? 0;
  return [
    when(
      op("asid.look", { a: mm, note: "is its ASID of this generation?" }),
      [take],
      [when(op("asid.swap", { a: mm, imm: how, note: "active ASID: cmpxchg" }), [take])],
    ),
  ];
}

/** Of the mutant that names an ASID too early. */
export const nameEarly: Program = [
  op("asid.look", { imm: abi.ASID_NAME, note: "read the ASID to be flushed (too early)" }),
];

const SOURCE = "Linux arch/arm64/mm/context.c";

export const asids: FlushPolicy = {
  ...broadcast,
  name: "asids",
  title: "as broadcast, by ASIDs of one space for all CPUs, which rolls over",
  source: `${SOURCE}; shootdown.md P11: ASID uniqueness, ASID reuse only after flush`,
  alone: broadcast.shootdown,
  asids: "flushed",
};

function broken(name: string, asidsAre: Asids, title: string, source: string): FlushPolicy {
  return {
    ...asids,
    name,
    title,
    source,
    mutant: true,
    completes: { data: "G0", tables: "G0" },
    asids: asidsAre,
  };
}

/** I20: the entries of who had the ASID before are still there. */
export const asidsUnflushed = broken(
  "asids-unflushed",
  "unflushed",
  "as asids, but no CPU flushes after a rollover",
  `${SOURCE}: tlb_flush_pending`,
);

/** Who runs goes on under an ASID that somebody else gets. */
export const asidsUnreserved = broken(
  "asids-unreserved",
  "unreserved",
  "as asids, but a rollover does not reserve what CPUs use",
  `${SOURCE}: reserved_asids`,
);

export const asidsUnpinned = broken(
  "asids-unpinned",
  "unpinned",
  "as asids, but a rollover gives pinned ASIDs away",
  `${SOURCE}: arm64_mm_context_get, pinned_asid_map`,
);

/** The rollover has reserved what this CPU used before. */
export const asidsBlind = broken(
  "asids-blind",
  "blind",
  "as asids, but a switch without the lock overlooks that a rollover has begun",
  `${SOURCE}: cmpxchg of active_asids, and 0`,
);

/** Linux until 2018: another rollover takes what it has not got yet for what it uses. */
export const asidsXchg = broken(
  "asids-xchg",
  "exchanged",
  "as asids, but a switch that finds 0 has exchanged it all the same, and then takes the lock",
  "Linux a8ffaaa060b8; found with kernel-tla, asidalloc",
);

/** A bug of Linux, which kernel-tla's asidalloc has a step for. */
export const asidsNamed: FlushPolicy = {
  ...broken(
    "asids-named",
    "named",
    "as asids, but a request names the ASID of before the entries were cleared",
    "verification.md B8; kernel-tla asidalloc, try_to_unmap against a rollover",
  ),
  info: abi.INFO_NAMED,
};

/** The same allocator; fences are carried out by firmware, on the harts of the mask. */
export const riscvAsids: FlushPolicy = {
  ...riscvSbi,
  name: "riscv-asids",
  title: "as riscv-sbi, by ASIDs of one space for all harts, which rolls over",
  source: "Linux arch/riscv/mm/context.c; shootdown.md 1.8 [K8]",
  asids: "flushed",
};
