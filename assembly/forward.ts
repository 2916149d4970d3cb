/** Invalidations that the TLB directory forwards to whom it names (shootdown.md P21). */
import * as abi from "../src/core/abi";
import { Plain } from "./atomics";
import { apply, pendingOf } from "./broadcast";
import { charge } from "./charge";
import { directoryHolders } from "./directory";
import { cpuAt, hdr } from "./machine";
import { maskNext, maskSet, maskUnset } from "./mask";

/**
 * DIR_SEND: from here on like a broadcast, to fewer CPUs. The directory knows translations, not
 * paging-structure caches: requests that free page tables go to every CPU.
 */
export function forward(m: usize, self: u32, how: u32): i32 {
  const row = cpuAt(m, self);
  const both = abi.OPT_DIRECTORY | abi.OPT_BROADCAST;
  if (row.infoMm == 0 || (hdr(m, abi.H_OPTIONS) & both) != both) return abi.ST_BAD_PROGRAM;
  if (row.infoMm >= <u32>abi.INFO_KERNEL_MM) return abi.ST_BAD_PROGRAM;
  const mask = pendingOf(m, self);
  const cpus = hdr(m, abi.H_CPUS);
  maskSet<Plain>(mask, self);
  if ((row.infoFlags & abi.INFO_FREED) != 0 && (how & abi.DIR_TABLES) == 0) {
    for (let i: u32 = 0; i < cpus; i++) maskSet<Plain>(mask, i);
  } else {
    directoryHolders(m, row, mask);
  }
  charge(m, self, abi.COST_DIRECTORY, 1);
  const words = hdr(m, abi.H_MASK_WORDS);
  const timed = hdr(m, abi.H_OFF_HEAP) != 0;
  for (let i = maskNext<Plain>(mask, words, 0); i >= 0;
    i = maskNext<Plain>(mask, words, <u32>i + 1)) {
    if (<u32>i != self) charge(m, self, abi.COST_FORWARD, 1);
    if (!timed) continue;
    apply<Plain>(m, i, row);
    maskUnset<Plain>(mask, i);
  }
  return abi.ST_OK;
}
