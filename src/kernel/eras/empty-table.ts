import * as abi from "../../core/abi.js";
import { op } from "../../program/notation.js";
import type { Era } from "../era.js";

/**
 * No notification but the bracket: while one is open the device's root is an empty table, so that
 * every access faults, and such a fault is answered without work.
 */
export const emptyTable: Era = {
  name: "empty-table",
  title: "an empty root for the device from range_start to range_end",
  kernels: "up to 3.18, IOMMUv2 only",
  source: "notifiers.md 0.4 and S10; Linux before 1897bdc4d331",
  mutant: false,
  rangeEndNotifies: () => false,
  lockedNotifies: () => false,
  gatherNotifies: false,
  flushNotifies: false,
  sharingHooks: {
    start: [
      op("dev.count", { imm: 1, note: "root = empty table" }),
      op("dev.zap", { imm: abi.ZAP_ALL, note: "invalidate the whole IOTLB" }),
    ],
    end: [op("dev.count", { imm: 0, note: "root = page table, if no bracket is open" })],
  },
};
