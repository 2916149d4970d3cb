/** Where a hazard is written down: the first stays in Sys.hazard, which is explored state. */
import * as abi from "../src/core/abi";
import { cas32 } from "./atomics";
import { logEvent } from "./log";
import { count, sysAt } from "./machine";
import { Sys } from "./rows";

/** Counted, logged, and kept if it is the first: of two CPUs that race, exactly one claims it. */
export function hazard<F>(m: usize, actor: u32, code: u32, vpn: u64, pfn: u32): void {
  const sys = sysAt(m);
  if (cas32<F>(changetype<usize>(sys) + offsetof<Sys>("hazard"), 0, code | (actor << 8))) {
    sys.hazardVpn = vpn;
    sys.hazardPfn = pfn;
  }
  count(m, actor, abi.CT_HAZARDS, 1);
  logEvent(m, actor, abi.EV_HAZARD, code, vpn, pfn);
}
