/** The cost profiles that come with the library. */
import type { CostProfile } from "../profile.js";
import { armBroadcast } from "./arm-broadcast.js";
import { guestKvm } from "./guest-kvm.js";
import { haswell2019 } from "./haswell-2019.js";
import { numa2s } from "./numa-2s.js";
import { riscvHart } from "./riscv-hart.js";
import { skylake2017, skylake2017Pti } from "./skylake-2017.js";

export const PROFILES: readonly CostProfile[] = [
  haswell2019,
  guestKvm,
  skylake2017,
  skylake2017Pti,
  numa2s,
  armBroadcast,
  riscvHart,
];
