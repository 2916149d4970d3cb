/** Subscribers as ordinary objects (notifiers.md 1.1): lists and sets, searched from end to end. */
import type { Context } from "./state.js";

/** An interval subscriber; its row is where it is found again. */
export interface Sub {
  readonly row: number;
  readonly gen: number;
  readonly device: number;
  start: bigint;
  last: bigint;
  stamp: number;
  /** Place in the order of insertion into the tree; 0: not in it. */
  order: number;
  placed: boolean;
  /** Where it goes when the open brackets have ended. */
  moving: { readonly start: bigint; readonly last: bigint } | null;
  leaving: boolean;
  releases: boolean;
  released: boolean;
}

/** Those of one mm. */
export interface Subs {
  enabled: boolean;
  seq: number;
  active: number;
  orders: number;
  readonly rows: (Sub | null)[];
  readonly generations: number[];
  /** The newest first. */
  deferred: Sub[];
  /** Whose release is due, the oldest first. */
  released: Sub[];
}

/** What a context has of its own. */
export interface Reader {
  depth: number;
  told: number;
  /** Rows of the second pass. */
  readonly finish: Set<number>;
  waits: Set<number>;
}

/** What a device has of its own. */
export interface Listener {
  /** Programs: invalidate, finish, release; classic release. */
  entries: readonly number[];
  state: "none" | "linked" | "freeing" | "freed";
  /** Whose list it is in. */
  mm: number | null;
  users: number;
  waits: Set<number>;
  /** Who was behind it in the list that it has left. */
  next: number | null;
}

/** All of a machine. */
export interface Subscribers {
  readonly mms: readonly Subs[];
  readonly readers: readonly Reader[];
  readonly listeners: readonly Listener[];
}

export function newSubscribers(
  mms: number,
  contexts: number,
  devices: number,
  rows: number,
): Subscribers {
  const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);
  return {
    mms: times(mms, () => ({
      enabled: false,
      seq: 2,
      active: 0,
      orders: 0,
      rows: times(rows, () => null),
      generations: times(rows, () => 0),
      deferred: [],
      released: [],
    })),
    readers: times(contexts, () => ({ depth: 0, told: 0, finish: new Set(), waits: new Set() })),
    listeners: times(devices, () => ({
      entries: [0, 0, 0, 0],
      state: "none",
      mm: null,
      users: 0,
      waits: new Set(),
      next: null,
    })),
  };
}

const isOdd = ({ seq }: Subs): boolean => seq % 2 === 1;

const overlaps = (s: { start: bigint; last: bigint }, first: bigint, last: bigint): boolean =>
  s.start <= last && s.last >= first;

/** Who a walk over [first, last] finds, in order. */
export function hits(subs: Subs, first: bigint, last: bigint): Sub[] {
  return subs.rows
    .filter((s): s is Sub => s !== null && s.placed && overlaps(s, first, last))
    .sort((a, b) => (a.start === b.start ? a.order - b.order : a.start < b.start ? -1 : 1));
}

function put(subs: Subs, s: Sub): void {
  s.placed = true;
  s.order = ++subs.orders;
}

function takeOut(s: Sub): void {
  s.placed = false;
  s.order = 0;
}

/** A stamp for what appears or changes now. */
function stamp(subs: Subs, s: Sub): void {
  if (subs.active > 0 && !isOdd(subs)) subs.seq++;
  s.stamp = subs.active > 0 ? subs.seq : subs.seq - 1;
}

export function freeRows(subs: Subs): number {
  return subs.rows.filter((s) => s === null).length;
}

export function insert(
  subs: Subs,
  device: number,
  start: bigint,
  last: bigint,
  unstamped = false,
): Sub {
  const row = subs.rows.indexOf(null);
  const gen = ++subs.generations[row];
  const flags = { placed: false, leaving: false, releases: false, released: false };
  const s: Sub = { row, gen, device, start, last, stamp: 0, order: 0, moving: null, ...flags };
  subs.rows[row] = s;
  const waits = isOdd(subs);
  if (unstamped && subs.active > 0 && !waits) s.stamp = subs.seq - 1;
  else stamp(subs, s);
  if (waits) subs.deferred.unshift(s);
  else put(subs, s);
  return s;
}

/** It is out: gone, or its release is due. */
function retire(subs: Subs, s: Sub): void {
  if (s.releases) {
    s.released = true;
    subs.released.push(s);
  } else {
    subs.rows[s.row] = null;
  }
}

/** True: it is out. */
export function remove(subs: Subs, s: Sub, releases: boolean): boolean {
  s.leaving = true;
  s.releases = releases;
  if (!isOdd(subs)) {
    takeOut(s);
    retire(subs, s);
    return true;
  }
  if (!s.placed) {
    subs.deferred = subs.deferred.filter((other) => other !== s);
    retire(subs, s);
    return true;
  }
  if (subs.deferred.includes(s)) s.moving = s.moving === null ? null : { ...s.moving };
  else subs.deferred.unshift(s);
  return false;
}

/** Intervals that wait for a removal as well are forgotten by it, but their numbers stay. */
export const isMove = (s: Sub): boolean => s.moving !== null && !s.leaving;

export function update(subs: Subs, s: Sub, start: bigint, last: bigint, posted: boolean): void {
  if (!isOdd(subs)) {
    takeOut(s);
    s.start = start;
    s.last = last;
    if (!posted && subs.active > 0) stamp(subs, s);
    put(subs, s);
    return;
  }
  if (!posted) stamp(subs, s);
  if (!s.placed) {
    s.start = start;
    s.last = last;
    return;
  }
  s.moving = { start, last };
  if (!subs.deferred.includes(s)) subs.deferred.unshift(s);
}

function staysOver(s: Sub, first: bigint, last: bigint): boolean {
  return !s.leaving && overlaps(isMove(s) ? s.moving! : s, first, last);
}

export function find(
  subs: Subs,
  device: number,
  first: bigint,
  last: bigint,
  posted: boolean,
): Sub | null {
  const own = (s: Sub): boolean => s.device === device;
  const found = hits(subs, first, last).filter(own);
  if (posted) return found[0] ?? null;
  const all = [...found, ...subs.deferred.filter(own)];
  return all.find((s) => staysOver(s, first, last)) ?? null;
}

export function open(subs: Subs, first: bigint, last: bigint): Sub | null {
  subs.active++;
  const [hit] = hits(subs, first, last);
  if (hit === undefined) return null;
  if (!isOdd(subs)) subs.seq++;
  return hit;
}

/** False: none was open. */
export function close(subs: Subs): boolean {
  if (subs.active === 0) return false;
  subs.active--;
  if (subs.active > 0 || !isOdd(subs)) return true;
  subs.seq++;
  const { deferred } = subs;
  subs.deferred = [];
  for (const s of deferred) {
    if (!s.placed) {
      put(subs, s);
      continue;
    }
    takeOut(s);
    if (s.leaving) {
      retire(subs, s);
      continue;
    }
    s.start = s.moving!.start;
    s.last = s.moving!.last;
    s.moving = null;
    put(subs, s);
  }
  return true;
}

export function handleOf(s: Sub): bigint {
  return (BigInt(s.gen) << 16n) | BigInt(s.row + 1);
}

export function subOf(subs: Subs, handle: bigint): Sub | null {
  return subs.rows.find((s) => s !== null && handleOf(s) === handle) ?? null;
}

/** Does a context's row say anything? */
export function readerOf(all: Subscribers, c: Context): Reader {
  return all.readers[c.index];
}
