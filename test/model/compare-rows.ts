/** Rows that some policies or machines have: the core's against the model's. */
import * as abi from "../../src/core/abi.js";
import type { Core } from "../../src/core/core.js";
import { hasCoreTables, tracksSharers } from "./sharers.js";
import type { Model } from "./state.js";
import type { Sub, Subs } from "./subscribers.js";
import { isMove } from "./subscribers.js";
import { idWord } from "./ops-asid.js";
import { id } from "./words.js";

/** Frames of a deferral that are free. */
export function freedFrames(model: Model, key: number): number {
  return model.deferredFrames.flat().filter((pfn) => model.frames[pfn].deferral === key).length;
}

/** Compares one field each. */
export interface Rows {
  readonly core: Core;
  readonly model: Model;
  word(path: string, index: number, at: number, model: number): void;
  long(path: string, index: number, at: number, model: bigint): void;
  mask(path: string, at: number, model: ReadonlySet<number>): void;
}

export function deferrals(c: Rows): void {
  const { core, model } = c;
  const head = core.at(abi.H_OFF_DEFER);
  const next = model.nextDeferral;
  c.word("deferrals.gen", 0, head, model.deferralGen);
  c.word("deferrals.next", 0, head + 4, next);
  c.word("deferrals.oldest", 0, head + 8, Math.min(next, ...model.deferrals.map((d) => d.key)));
  model.deferredFrames.forEach((list, mm) => {
    const p = core.at(abi.H_OFF_DEFER_LIST) + mm * 8;
    c.word("deferrals.first", mm, p, id(list[0]));
    c.word("deferrals.last", mm, p + 4, id(list.at(-1)));
  });
  model.frames.forEach(({ deferral }, pfn) => {
    c.word("frames.deferral", pfn, core.at(abi.H_OFF_DEFER_KEY) + pfn * 4, deferral);
  });
  const ring = core.header[abi.H_DEFER_RING];
  for (let place = 0; place < ring; place++) {
    const p = core.at(abi.H_OFF_DEFER_RING) + place * core.header[abi.H_DEFER_STRIDE];
    const d = model.deferrals.find(({ key }) => key % ring === place);
    c.word("deferral.key", place, p, d?.key ?? 0);
    c.word("deferral.gen", place, p + 4, d?.gen ?? 0);
    c.word("deferral.mm", place, p + 8, id(d?.mm));
    c.word("deferral.owner", place, p + 12, id(d?.owner));
    c.long("deferral.start", place, p + 16, d?.start ?? 0n);
    c.long("deferral.end", place, p + 24, d?.end ?? 0n);
    c.word("deferral.count", place, p + 32, d ? freedFrames(model, d.key) : 0);
    c.word("deferral.recycled", place, p + 36, Number(d?.recycled ?? false));
    c.mask(`deferral[${place}].mask`, p + 40, d?.mask ?? new Set());
  }
}

export function halves(c: Rows): void {
  const { core, model } = c;
  const base = core.at(abi.H_OFF_PTI);
  for (const { index, marks, isUser, othersSuspect } of model.cpus) {
    const p = base + index * abi.PTI_BYTES;
    const word = [...marks].reduce((bits, asid) => bits | (1n << BigInt(asid)), 0n);
    c.long("pti.marks", index, p, word);
    c.word("pti.isUser", index, p + 8, Number(isUser));
    c.word("pti.suspect", index, p + 12, Number(othersSuspect));
  }
  const tasks = base + model.cpus.length * abi.PTI_BYTES;
  model.inKernel.forEach((is, task) => {
    c.word("pti.inKernel", task, tasks + task * 4, Number(is));
  });
}

export function directory(c: Rows): void {
  const { core, model } = c;
  if (!model.has(abi.OPT_DIRECTORY)) return;
  const { turn, ways } = model.directory;
  const base = core.at(abi.H_OFF_DIRECTORY);
  const bytes = Math.ceil((16 + Math.ceil(model.geometry.cpus / 32) * 4) / 8) * 8;
  c.word("directory.turn", 0, base, turn);
  ways.forEach((e, way) => {
    const p = base + 8 + way * bytes;
    const tag = e ? 1n | (e.huge ? 4n : 0n) | (e.vpn << 12n) : 0n;
    c.long("directory.tag", way, p, tag);
    c.word("directory.ctxId", way, p + 8, e?.ctxId ?? 0);
    c.mask(`directory[${way}].mask`, p + 16, e?.holders ?? new Set());
  });
}

export function sharers(c: Rows): void {
  const { core, model } = c;
  if (!tracksSharers(model)) return;
  const bytes = Math.ceil(model.geometry.cpus / 32) * 4;
  const base = core.at(abi.H_OFF_SHARERS);
  const none: ReadonlySet<number> = new Set();
  for (const { id: table, sharers, entries } of model.tables) {
    const n = hasCoreTables(model) ? entries.length : 1;
    for (let i = 0; i < n; i++) {
      const p = base + (table * n + i) * 2 * bytes;
      c.mask(`tables[${table}].tracked[${i}]`, p, sharers[i]?.tracked ?? none);
      c.mask(`tables[${table}].copied[${i}]`, p + bytes, sharers[i]?.copied ?? none);
    }
  }
  for (const { index, told } of model.cpus) {
    c.mask(`cpus[${index}].told`, core.at(abi.H_OFF_TOLD) + index * bytes, told);
  }
}

/** Machines with one ASID space for all CPUs. */
export function asids(c: Rows): void {
  const { core, model } = c;
  const { asids: all } = model;
  if (!all) return;
  const head = core.at(abi.H_OFF_ASIDS);
  c.word("asids.generation", 0, head, all.generation);
  c.word("asids.next", 0, head + 4, all.next);
  c.word("asids.pins", 0, head + 8, all.pinned.size);
  let at = head + 16;
  const pair = (path: string, index: number, one: number, other: number): void => {
    c.word(path, index, at, one);
    c.word(`${path}, second`, index, at + 4, other);
    at += 8;
  };
  model.mms.forEach((mm, i) => pair("asids.mm", i, idWord(model, mm?.asid ?? null), mm?.pins ?? 0));
  for (const { index, active, reserved } of model.cpus) {
    pair("asids.cpu", index, idWord(model, active), idWord(model, reserved));
  }
  c.mask("asids.pending", at, all.pending);
  at += Math.ceil(model.geometry.cpus / 32) * 4;
  for (const set of [all.used, all.pinned]) {
    for (let w = 0; w <= all.space >> 5; w++, at += 4) {
      const bits = [...set]
        .filter((n) => n >> 5 === w)
        .reduce((word, n) => word | (1 << (n & 31)), 0);
      c.word("asids.bitmap", w, at, bits >>> 0);
    }
  }
}

/** Flags of a row: assembly/notifiers/rows.ts. */
function flagsOf(s: Sub, isListed: boolean): number {
  const bits = [true, s.placed, isListed, s.moving !== null && isMove(s), s.releases, s.leaving];
  return [...bits, s.released].reduce((word, bit, i) => word | (bit ? 1 << i : 0), 0);
}

function intervals(c: Rows, mm: number, at: number, subs: Subs): void {
  const { deferred, released } = subs;
  const live = subs.rows.filter((s) => s !== null);
  const waiting = deferred.filter((s) => !s.placed || isMove(s)).length;
  const leaving = live.filter((s) => s.leaving).length;
  const head = [
    ...[subs.seq, subs.active, id(deferred[0]?.row), id(released[0]?.row)],
    ...[id(released.at(-1)?.row), 64, 0, subs.rows.length, subs.orders, waiting],
    ...[live.length - leaving, Number(subs.enabled), 0, 0, 0, 0],
  ];
  head.forEach((want, i) => c.word(`subscribers[${mm}].head`, i, at + i * 4, want));
  subs.rows.forEach((s, row) => {
    const p = at + 64 + row * 64;
    const place = s === null ? -1 : deferred.indexOf(s);
    const due = s === null ? -1 : released.indexOf(s);
    const next = place >= 0 ? deferred[place + 1] : due >= 0 ? released[due + 1] : undefined;
    const path = `subscribers[${mm}].rows[${row}]`;
    c.long(`${path}.start`, 0, p, s?.start ?? 0n);
    c.long(`${path}.last`, 0, p + 8, s?.last ?? 0n);
    c.long(`${path}.newStart`, 0, p + 16, s?.moving?.start ?? 0n);
    c.long(`${path}.newLast`, 0, p + 24, s?.moving?.last ?? 0n);
    const words = [
      ...[s?.stamp ?? 0, id(next?.row), place > 0 ? deferred[place - 1].row + 1 : 0],
      ...[s === null ? 0 : flagsOf(s, place >= 0), id(s?.device)],
      ...[subs.generations[row], s?.order ?? 0, 0],
    ];
    words.forEach((want, i) => c.word(path, i, p + 32 + i * 4, want));
  });
}

const STATES = { none: 0, linked: 1, freeing: 2, freed: 4 } as const;

/** Machines with subscribers that come and go. */
export function subscribers(c: Rows): void {
  const { core, model } = c;
  const all = model.subscribers;
  if (!all) return;
  const bytes = Math.ceil(all.readers.length / 64) * 8;
  const mask = (path: string, at: number, set: ReadonlySet<number>): void => {
    for (let w = 0; w < bytes / 4; w++) {
      const bits = [...set]
        .filter((i) => i >> 5 === w)
        .reduce((word, i) => word | (1 << (i & 31)), 0);
      c.word(path, w, at + w * 4, bits >>> 0);
    }
  };
  let at = core.at(abi.H_OFF_SUBSCRIBERS) + 32;
  for (const [i, { depth, told, finish, waits }] of all.readers.entries()) {
    const rows = [...finish].reduce((word, row) => word | (1 << row), 0) >>> 0;
    [depth, told, rows, 0].forEach((want, k) => c.word(`readers[${i}]`, k, at + k * 4, want));
    mask(`readers[${i}].waits`, at + 16, waits);
    at += 16 + bytes;
  }
  for (const [i, { entries, state, mm, users, waits }] of all.listeners.entries()) {
    const words = [entries[0] | (entries[1] << 16), entries[2] | (entries[3] << 16)];
    [...words, STATES[state] | (id(mm) << 8), users].forEach((want, k) => {
      c.word(`listeners[${i}]`, k, at + k * 4, want >>> 0);
    });
    mask(`listeners[${i}].waits`, at + 16, waits);
    at += 16 + bytes;
  }
  all.mms.forEach((subs, mm) => {
    intervals(c, mm, at, subs);
    at += 64 + subs.rows.length * 64;
  });
}
