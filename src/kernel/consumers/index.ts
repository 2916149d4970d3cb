/** The consumers that come with the library. */
import type { Consumer } from "../consumer.js";
import {
  classicPuts,
  classicRefuses,
  classicRefusesEnds,
  classicUnregisters,
  intervalNoWait,
  intervalReclaims,
  intervalRemoves,
  intervalRemovesDeferred,
  intervalUnfiltered,
} from "./interval-mutants.js";
import {
  interval,
  intervalHole,
  intervalHoleKept,
  intervalHoleNoMemory,
  intervalHoleSteps,
  intervalTwoPass,
} from "./interval.js";
import { mirroring } from "./mirroring.js";
import { mirroringLateSnapshot, mirroringLateZap, mirroringNoRetry } from "./mirroring-mutants.js";
import { sharing } from "./sharing.js";

export const CONSUMERS: readonly Consumer[] = [
  sharing,
  mirroring,
  mirroringNoRetry,
  mirroringLateSnapshot,
  mirroringLateZap,
  interval,
  intervalTwoPass,
  intervalHole,
  intervalHoleSteps,
  intervalHoleNoMemory,
  intervalHoleKept,
  intervalNoWait,
  intervalUnfiltered,
  intervalRemoves,
  intervalRemovesDeferred,
  intervalReclaims,
  classicUnregisters,
  classicPuts,
  classicRefuses,
  classicRefusesEnds,
];
