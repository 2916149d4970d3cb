/** Memory that a policy holds back: pages that are unmapped and must not be used again yet. */
import * as abi from "../core/abi.js";
import type { Core } from "../core/core.js";

/** Most pages that waited to be freed at any one time; 0 under policies that free at once. */
export function deferredPagesMost(core: Core): number {
  return core.header[abi.H_PARKED_MOST];
}
