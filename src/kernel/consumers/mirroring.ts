import * as abi from "../../core/abi.js";
import { op, type Program } from "../../program/notation.js";
import type { Consumer } from "../consumer.js";
import { mirroringConsumer } from "./guest.js";

/** range_start: count the bracket and drop every shadow entry in it, under the device lock. */
export const mirrorStart: Program = [
  op("dev.lock"),
  op("dev.count", { imm: 1, note: "bracket in progress + 1" }),
  op("dev.zap", { imm: abi.ZAP_RANGE, note: "zap shadow entries" }),
  op("dev.unlock"),
];

/** range_end: the sequence moves before the count drops, or a fault could miss both (S07). */
export const mirrorEnd: Program = [
  op("dev.lock"),
  op("dev.seq", { note: "sequence + 1" }),
  op("dev.count", { imm: 0, note: "bracket in progress - 1" }),
  op("dev.unlock"),
];

/** KVM-like: own table, sequence, in-progress range, retry. */
export const mirroring: Consumer = mirroringConsumer({
  name: "mirroring",
  title: "KVM-like: own shadow table, filled by software, told by brackets",
  source: "notifiers.md 4.1",
});
