/** Broken mirroring consumers: each leaves out one step of the protocol (S06, S07). */
import { again, op, type Program, repeat, unless, when } from "../../program/notation.js";
import type { Consumer } from "../consumer.js";
import { mirrorEnd, mirroring, mirrorStart } from "./mirroring.js";

type Fault = (vpn: Parameters<Consumer["access"]>[0], write: boolean) => Program;

function withFault(name: string, title: string, source: string, fault: Fault): Consumer {
  return {
    ...mirroring,
    name,
    title,
    source,
    mutant: true,
    access: (vpn, write) => [
      repeat([unless(op("dev.access", { a: vpn, imm: write ? 1 : 0 }), [fault(vpn, write)])]),
    ],
  };
}

/** Installs whatever it resolved. */
export const mirroringNoRetry: Consumer = withFault(
  "mirroring-no-retry",
  "mirroring without the retry check",
  "notifiers.md S06, mutant: no check at all",
  (vpn, write) => [
    when(
      op("dev.resolve", { a: vpn, imm: write ? 1 : 0, note: "resolve frame" }),
      [op("dev.lock"), op("dev.install", { a: vpn }), op("dev.unlock"), again],
      [op("dev.fault")],
    ),
  ],
);

/** Reads the sequence after it resolved the frame. */
export const mirroringLateSnapshot: Consumer = withFault(
  "mirroring-late-snapshot",
  "mirroring that snapshots the sequence after resolving",
  "notifiers.md S06c",
  (vpn, write) => [
    when(
      op("dev.resolve", { a: vpn, imm: write ? 1 : 0, note: "resolve frame" }),
      [
        op("dev.snap", { note: "snapshot sequence (too late)" }),
        op("dev.lock"),
        when(op("dev.retry", { a: vpn }), [op("dev.unlock"), again]),
        op("dev.install", { a: vpn }),
        op("dev.unlock"),
        again,
      ],
      [op("dev.fault")],
    ),
  ],
);

/** Zaps when the bracket ends instead of when it starts. */
export const mirroringLateZap: Consumer = {
  ...mirroring,
  name: "mirroring-late-zap",
  title: "mirroring that zaps in range_end",
  source: "notifiers.md S06, mutant: zap in range_end",
  mutant: true,
  hooks: {
    start: mirrorStart.filter((node) => !("op" in node && node.op === "dev.zap")),
    end: [...mirrorStart.filter((node) => "op" in node && node.op === "dev.zap"), ...mirrorEnd],
  },
};
