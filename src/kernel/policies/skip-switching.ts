import * as abi from "../../core/abi.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";

/** Mutant: the target filter skips CPUs in the middle of a context switch (CVE-2025-37964). */
export const skipSwitching: FlushPolicy = {
  ...concurrent,
  name: "skip-switching",
  title: "as concurrent, but a CPU in the middle of a switch is not told",
  source: "shootdown.md I13; CVE-2025-37964",
  mutant: true,
  options: abi.OPT_SKIP_SWITCHING,
};
