/**
 * Copy-on-write without the initiator's own flush (shootdown.md P16): its entry of the page is
 * read-only, so a write through the new page-table entry makes the CPU walk again, and what it
 * fills takes the old entry's place.
 */
import * as abi from "../src/core/abi";
import { flushPages, genOf } from "./flush";
import { asidSlot, clockAt, cpuAt, hdr } from "./machine";
import { Ctx } from "./rows";
import { cpuFill } from "./user-access";

/**
 * COW_SKIP: true: this CPU is up to date with the request in its info, but for the one entry that
 * COW_DISPLACE will replace. Not for instructions, which are not fetched through that entry, and
 * not if there is more to catch up with.
 */
export function cowSkip<F>(m: usize, self: u32, ctx: Ctx): bool {
  const row = cpuAt(m, self);
  if (row.loadedMm != ctx.mm || row.infoMm != ctx.mm || row.lazy != 0) return false;
  if ((ctx.pte & (abi.PTE_EXEC | abi.PTE_HUGE)) != 0) return false;
  const slot = asidSlot(row, row.asid);
  const gen = row.infoGen;
  if (load<u32>(slot, 4) + 1 != gen || genOf<F>(m, ctx.mm - 1) != gen) return false;
  store<u32>(slot, gen, 4);
  return true;
}

/** COW_DISPLACE: the kernel's write to page `vpn`. What it writes is what is there. */
export function cowDisplace<F>(m: usize, self: u32, ctx: Ctx, vpn: u64): void {
  const row = cpuAt(m, self);
  if (row.loadedMm != ctx.mm) return;
  if (cpuFill<F>(m, self, vpn, true)) return;
  flushPages(m, self, clockAt(m, self), row.asid, vpn, vpn + 1, 1);
}
