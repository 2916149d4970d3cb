/** The consumers that come with the library. */
import type { Consumer } from "../consumer.js";
import { mirroring } from "./mirroring.js";
import { mirroringLateSnapshot, mirroringLateZap, mirroringNoRetry } from "./mirroring-mutants.js";
import { sharing } from "./sharing.js";

export const CONSUMERS: readonly Consumer[] = [
  sharing,
  mirroring,
  mirroringNoRetry,
  mirroringLateSnapshot,
  mirroringLateZap,
];
