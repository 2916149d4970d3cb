/** The cost profiles that come with the library. */
import type { CostProfile } from "../profile.js";
import { guestKvm } from "./guest-kvm.js";
import { haswell2019 } from "./haswell-2019.js";

export const PROFILES: readonly CostProfile[] = [haswell2019, guestKvm];
