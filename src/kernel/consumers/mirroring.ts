import { again, op, type Program, repeat, unless, when } from "../../program/notation.js";
import * as abi from "../../core/abi.js";
import type { Consumer } from "../consumer.js";

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
export const mirroring: Consumer = {
  name: "mirroring",
  title: "KVM-like: own shadow table, filled by software, told by brackets",
  source: "notifiers.md 4.1",
  mutant: false,
  kind: "mirroring",
  hooks: { start: mirrorStart, end: mirrorEnd },
  access: (vpn, write) => [
    repeat([
      unless(op("dev.access", { a: vpn, imm: write ? 1 : 0 }), [
        op("dev.snap", { note: "snapshot sequence" }),
        when(
          op("dev.resolve", { a: vpn, imm: write ? 1 : 0, note: "resolve frame" }),
          [
            op("dev.lock"),
            when(op("dev.retry", { a: vpn, note: "invalidated since?" }), [
              op("dev.unlock"),
              again,
            ]),
            op("dev.install", { a: vpn, note: "install shadow entry" }),
            op("dev.unlock"),
            again,
          ],
          [op("dev.fault", { note: "device fault" })],
        ),
      ]),
    ]),
  ],
};
