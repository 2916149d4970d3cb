import * as abi from "../../core/abi.js";
import { again, op, repeat, unless, when } from "../../program/notation.js";
import type { Consumer } from "../consumer.js";

/** SVA / IOMMUv2-like: walks the CPU's page table, caches leaves and table pointers. */
export const sharing: Consumer = {
  name: "sharing",
  title: "SVA-like IOMMU: walks the mm's page table, own IOTLB",
  source: "notifiers.md 4.2 and 4.3",
  mutant: false,
  kind: "sharing",
  hooks: {
    secondary: [op("dev.zap", { imm: abi.ZAP_RANGE, note: "invalidate IOTLB range" })],
  },
  access: (vpn, write) => [
    repeat([
      unless(op("dev.access", { a: vpn, imm: write ? 1 : 0 }), [
        when(
          op("dev.walk", { a: vpn, imm: write ? 1 : 0 }),
          [again],
          [op("dev.fault", { note: "device fault" })],
        ),
      ]),
    ]),
  ],
};
