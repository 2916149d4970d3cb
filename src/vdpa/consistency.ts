/** Is what the device translates what the core's tables say? */
import { byteOf } from "./addresses.js";
import { type VdpaCore, entriesOf } from "./core.js";
import type { VdpaEntry } from "./parent.js";

/** What both views say, or where they differ first. */
export type VdpaConsistency =
  | { readonly consistent: true }
  | {
      readonly consistent: false;
      readonly asid: number;
      /** The first address, bytes, at which they differ. */
      readonly iova: bigint;
      /** The core's mapping there, from that page on. */
      readonly core: VdpaEntry | null;
      /** The device's. */
      readonly parent: VdpaEntry | "identity" | null;
    };

/** Joins mappings that go on where the last one ends: how they are split is not looked at. */
function* joined(entries: Iterable<VdpaEntry>): Generator<VdpaEntry, undefined, undefined> {
  let open: VdpaEntry | undefined;
  for (const { start, last, addr, perm } of entries) {
    const follows =
      open !== undefined &&
      start === open.last + 1 &&
      addr === open.addr + (start - open.start) &&
      perm === open.perm;
    if (follows) open = { ...open!, last };
    else {
      if (open !== undefined) yield open;
      open = { start, last, addr, perm };
    }
  }
  if (open !== undefined) yield open;
  return undefined;
}

function isSame(a: VdpaEntry, b: VdpaEntry): boolean {
  return a.start === b.start && a.addr === b.addr && a.perm === b.perm;
}

/** The page at which two mappings, either of which may be missing, differ; -1: nowhere. */
function differAt(a: VdpaEntry | undefined, b: VdpaEntry | undefined): number {
  if (a === undefined || b === undefined) return (a ?? b)?.start ?? -1;
  if (!isSame(a, b)) return Math.min(a.start, b.start);
  return a.last === b.last ? -1 : Math.min(a.last, b.last) + 1;
}

function from(entry: VdpaEntry | undefined, page: number): VdpaEntry | null {
  if (entry === undefined || page < entry.start || page > entry.last) return null;
  return { ...entry, start: page, addr: entry.addr + (page - entry.start) };
}

function compare(core: VdpaCore, asid: number): VdpaConsistency | undefined {
  const found = core.translations(asid);
  if (found === undefined) return undefined;
  const own = joined(entriesOf(core.iotlb, asid));
  if (found === "identity") {
    const { value: first } = own.next();
    // Where nothing is mapped the default is what is promised.
    const isDefault = core.parent.defaultTranslation?.(asid) === "identity";
    if (first === undefined && isDefault) return undefined;
    const at = first?.start ?? 0;
    return {
      ...{ consistent: false, asid, iova: byteOf(at) },
      ...{ core: from(first ?? undefined, at), parent: "identity" },
    };
  }
  const theirs = joined(found);
  for (;;) {
    const a = own.next().value;
    const b = theirs.next().value;
    const at = differAt(a, b);
    if (at >= 0) {
      const iova = byteOf(at);
      return { consistent: false, asid, iova, core: from(a, at), parent: from(b, at) };
    }
    if (a === undefined) return undefined;
  }
}

/** Address spaces the parent tells nothing of are taken to be consistent. */
export function consistency(core: VdpaCore): VdpaConsistency {
  for (let asid = 0; asid < core.asidCount; asid++) {
    const difference = compare(core, asid);
    if (difference !== undefined) return difference;
  }
  return { consistent: true };
}
