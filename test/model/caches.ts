/** Translation caches: a page goes to the set its number names; ways are replaced in turn. */
import type { Cache, Cached, CachedTable, WalkCache } from "./state.js";

function firstOf(vpn: bigint, bits: bigint, huge: boolean): bigint {
  return huge ? (vpn >> bits) << bits : vpn;
}

function setFor(cache: Cache, vpn: bigint, bits: bigint, huge: boolean): (Cached | null)[] {
  const key = huge ? vpn >> bits : vpn;
  return cache.sets[Number(key % BigInt(cache.sets.length))];
}

function wayOf(cache: Cache, vpn: bigint, asid: number, bits: bigint, huge: boolean): number {
  const first = firstOf(vpn, bits, huge);
  return setFor(cache, vpn, bits, huge).findIndex(
    (e) => e !== null && e.vpn === first && e.asid === asid && e.huge === huge,
  );
}

/** What translates `vpn`: its own entry, or else a huge one around it. */
export function lookUp(cache: Cache, vpn: bigint, asid: number, bits: bigint): Cached | null {
  for (const huge of [false, true]) {
    const way = wayOf(cache, vpn, asid, bits, huge);
    if (way >= 0) return setFor(cache, vpn, bits, huge)[way]!;
  }
  return null;
}

/** Replaces the entry of the same page and size, else the first free way, else whose turn it is. */
export function fill(cache: Cache, entry: Cached, bits: bigint): void {
  const set = setFor(cache, entry.vpn, bits, entry.huge);
  let way = wayOf(cache, entry.vpn, entry.asid, bits, entry.huge);
  if (way < 0) way = set.indexOf(null);
  if (way < 0) {
    way = cache.turn % set.length;
    cache.turn = (way + 1) % set.length;
  }
  set[way] = { ...entry, vpn: firstOf(entry.vpn, bits, entry.huge) };
}

export function dropWhere(cache: Cache, isGone: (entry: Cached) => boolean): void {
  for (const set of cache.sets) {
    set.forEach((entry, way) => {
      if (entry !== null && isGone(entry)) set[way] = null;
    });
  }
}

/** Pages an entry covers. */
export function covers(entry: Cached, start: bigint, end: bigint, bits: bigint): boolean {
  const last = entry.vpn + (entry.huge ? 1n << bits : 1n);
  return entry.vpn < end && start < last;
}

export function findTable(
  cache: WalkCache,
  prefix: bigint,
  level: number,
  asid: number,
): CachedTable | null {
  return (
    cache.entries.find(
      (e) => e !== null && e.prefix === prefix && e.level === level && e.asid === asid,
    ) ?? null
  );
}

/** True if the cache is different now. */
export function fillTable(cache: WalkCache, entry: CachedTable): boolean {
  if (cache.entries.length === 0) return false;
  const known = findTable(cache, entry.prefix, entry.level, entry.asid);
  if (known) {
    cache.entries[cache.entries.indexOf(known)] = entry;
    return known.table !== entry.table || known.gen !== entry.gen;
  }
  const way = cache.turn % cache.entries.length;
  cache.turn = (way + 1) % cache.entries.length;
  cache.entries[way] = entry;
  return true;
}

export function dropTables(cache: WalkCache, asid?: number): void {
  cache.entries.forEach((entry, way) => {
    if (entry !== null && (asid === undefined || entry.asid === asid)) cache.entries[way] = null;
  });
}
