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
import { gpuAts } from "./gpu-ats.js";
import { gpuFences, gpuFencesEarly } from "./gpu-fences.js";
import { iommuv2 } from "./iommuv2.js";
import { KVM_CONSUMERS } from "./kvm.js";
import { mirroring } from "./mirroring.js";
import { mirroringLateSnapshot, mirroringLateZap, mirroringNoRetry } from "./mirroring-mutants.js";
import { ocxl, ocxlReleased } from "./ocxl.js";
import { PINNING_CONSUMERS } from "./pinning.js";
import { sharing } from "./sharing.js";
import { smmu, smmuArm64, smmuBtm, smmuBtmArm64, smmuBtmSilent } from "./smmu.js";
import { svaIntel, svaIntelSilent } from "./sva-intel.js";

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
  iommuv2,
  svaIntel,
  svaIntelSilent,
  smmu,
  smmuArm64,
  smmuBtm,
  smmuBtmArm64,
  smmuBtmSilent,
  ocxl,
  ocxlReleased,
  ...KVM_CONSUMERS,
  gpuAts,
  gpuFences,
  gpuFencesEarly,
  ...PINNING_CONSUMERS,
];
