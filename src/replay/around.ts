/**
 * Which pages a read fault on a private file mapping brings: up to sixteen around it, as far as its
 * VMA goes. Advice that changes the flags of a VMA splits it, so it limits them too.
 */
import type { Space, VmaView } from "./spaces.js";

/** Pages around a read fault of a file that appear with it. */
export const AROUND = 16;
/** Pages a leaf table maps. */
const TABLE_PAGES = 512;
/** Longer ranges of advice are not followed: their ends are far apart. */
const LONGEST = 1 << 14;

/** VMA flags that `madvise` sets and clears, by advice: [set, clear]. */
const CHANGES: ReadonlyMap<number, readonly [number, number]> = new Map<
  number,
  readonly [number, number]
>([
  [0, [0, 3]], // NORMAL
  [1, [1, 2]], // RANDOM
  [2, [2, 1]], // SEQUENTIAL
  [10, [4, 0]], // DONTFORK
  [11, [0, 4]], // DOFORK
  [12, [8, 0]], // MERGEABLE
  [13, [0, 8]], // UNMERGEABLE
  [14, [16, 32]], // HUGEPAGE
  [15, [32, 16]], // NOHUGEPAGE
  [16, [64, 0]], // DONTDUMP
  [17, [0, 64]], // DODUMP
  [18, [128, 0]], // WIPEONFORK
  [19, [0, 128]], // KEEPONFORK
]);

/** Does this advice change flags of VMAs? Then it takes mmapLock for writing. */
export function changesFlags(advice: number): boolean {
  return CHANGES.has(advice);
}

/** Notes flags that advice gives to the pages of [start, end) of a file mapping. */
export function adviseFlags(space: Space, start: number, end: number, advice: number): void {
  const change = CHANGES.get(advice);
  if (change === undefined || end - start > LONGEST) return;
  for (let vpn = start; vpn < end; vpn++) {
    const flags = ((space.advised.get(vpn) ?? 0) | change[0]) & ~change[1];
    if (flags === 0) space.advised.delete(vpn);
    else space.advised.set(vpn, flags);
  }
}

/** The half-open range of pages that a read fault on `vpn` of `vma` brings. */
export function aroundOf(space: Space, vma: VmaView, vpn: number): { start: number; end: number } {
  const flags = space.advised.get(vpn) ?? 0;
  const alike = (page: number): boolean => (space.advised.get(page) ?? 0) === flags;
  const least = Math.max(Math.floor(vpn / AROUND) * AROUND, vma.start);
  let start = vpn;
  while (start > least && alike(start - 1)) start--;
  const table = (Math.floor(vpn / TABLE_PAGES) + 1) * TABLE_PAGES;
  const most = Math.min(start + AROUND, vma.end, table);
  let end = Math.min(vpn + 1, most);
  while (end < most && alike(end)) end++;
  return { start, end };
}
