/** How often vhost-vdpa did what: the costs that persistence is about. */

/** Since the device was made, or since {@link VhostVdpa.clearCounts}. */
export interface VdpaCounts {
  /** Pages pinned. */
  pins: number;
  /** Pages unpinned, and of these those that were marked dirty. */
  unpins: number;
  dirtied: number;
  /** Calls that pin, of at most 512 pages each. */
  pinCalls: number;
  /** Entries that came to the core's tables and left them. */
  added: number;
  removed: number;
  dmaMaps: number;
  dmaUnmaps: number;
  iommuMaps: number;
  iommuUnmaps: number;
  /** set_map calls, and the entries and pages of all of them. */
  setMaps: number;
  pushed: number;
  pushedPages: number;
  /** Pages of pushed tables that were replaced, or cleared by a reset. */
  droppedPages: number;
  resetMaps: number;
  /** Resets through `reset`, and through `compat_reset`. */
  resets: number;
  compatResets: number;
  /** Times the parent went back to its default, or emptied its tables, in a reset. */
  clears: number;
  /** Messages written, those refused included. */
  messages: number;
}

export function noCounts(): VdpaCounts {
  return {
    ...{ pins: 0, unpins: 0, dirtied: 0, pinCalls: 0, added: 0, removed: 0 },
    ...{ dmaMaps: 0, dmaUnmaps: 0, iommuMaps: 0, iommuUnmaps: 0, setMaps: 0, pushed: 0 },
    ...{ pushedPages: 0, droppedPages: 0 },
    ...{ resetMaps: 0, resets: 0, compatResets: 0, clears: 0, messages: 0 },
  };
}

/** What came since: `now` - `before`. */
export function countsSince(now: VdpaCounts, before: VdpaCounts): VdpaCounts {
  const result = noCounts();
  for (const key of Object.keys(result) as (keyof VdpaCounts)[]) {
    result[key] = now[key] - before[key];
  }
  return result;
}
