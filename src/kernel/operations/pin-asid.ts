/** ASIDs that devices use as well (shared virtual addressing): they must not change. */
import { op } from "../../program/notation.js";
import { operation } from "../operation.js";

const SOURCE = "Linux arch/arm64/mm/context.c";

export const asidPin = operation(
  "asid.pin",
  [],
  {
    summary: "a device shares the mm's ASID, which is kept from here on; nothing without asids",
    source: `${SOURCE}: arm64_mm_context_get`,
    settles: "none",
  },
  (kit) => (kit.policy.asids === undefined ? [] : [op("asid.pin", { imm: 1, note: "pin ASID" })]),
);

export const asidUnpin = operation(
  "asid.unpin",
  [],
  {
    summary: "it does not any more: with the next generation the ASID may be another one",
    source: `${SOURCE}: arm64_mm_context_put`,
    settles: "none",
  },
  (kit) => (kit.policy.asids === undefined ? [] : [op("asid.pin", { note: "unpin ASID" })]),
);
