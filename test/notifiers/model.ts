/**
 * The obvious model of interval subscribers: arrays, and the steps of notifiers.md 1.4 to 1.7 in
 * their order. Only what {@link MmuNotifiers} and it have in common is here.
 */
import type { Bracket, IntervalOps, NotifierEvent } from "../../src/index.js";

interface Sub {
  handle: number;
  start: number;
  last: number;
  ops: IntervalOps;
  stamp: number;
  isPlaced: boolean;
  isLeaving: boolean;
  releases: boolean;
  pending: { start: number; last: number } | null;
}

interface ModelBracket extends Bracket {
  open: boolean;
}

export class NotifierModel {
  seq = 2;
  private active = 0;
  private handles = 0;
  /** In the order of walks: by start, then in the order in which they were put there. */
  private tree: Sub[] = [];
  /** Newest first. */
  private deferred: Sub[] = [];
  private readonly subs = new Map<number, Sub>();

  private place(sub: Sub): void {
    const at = this.tree.findIndex(({ start }) => start > sub.start);
    this.tree.splice(at < 0 ? this.tree.length : at, 0, sub);
    sub.isPlaced = true;
  }

  private displace(sub: Sub): void {
    this.tree = this.tree.filter((other) => other !== sub);
    sub.isPlaced = false;
  }

  private stamp(sub: Sub): void {
    if (this.active === 0) sub.stamp = this.seq - 1;
    else sub.stamp = this.seq |= 1;
  }

  insert(start: number, last: number, ops: IntervalOps): number {
    const waits = this.seq % 2 === 1;
    const flags = { stamp: 0, isPlaced: false, isLeaving: false, releases: false, pending: null };
    const sub: Sub = { handle: ++this.handles, start, last, ops, ...flags };
    this.subs.set(sub.handle, sub);
    this.stamp(sub);
    if (waits) this.deferred.unshift(sub);
    else this.place(sub);
    return sub.handle;
  }

  has(handle: number): boolean {
    return this.subs.get(handle)?.isLeaving === false;
  }

  private get(handle: number): Sub {
    const sub = this.subs.get(handle);
    if (sub === undefined) throw new Error(`no subscriber ${handle}`);
    return sub;
  }

  private leave(handle: number, releases: boolean): boolean {
    const sub = this.get(handle);
    sub.isLeaving = true;
    sub.releases = releases;
    sub.pending = null;
    if (this.seq % 2 === 1 && sub.isPlaced) {
      if (!this.deferred.includes(sub)) this.deferred.unshift(sub);
      return false;
    }
    this.deferred = this.deferred.filter((other) => other !== sub);
    if (sub.isPlaced) this.displace(sub);
    this.forget(sub);
    return true;
  }

  private forget(sub: Sub): void {
    if (sub.releases) sub.ops.release?.(sub.handle);
    this.subs.delete(sub.handle);
  }

  remove(handle: number): boolean {
    return this.leave(handle, false);
  }

  removeDeferred(handle: number): boolean {
    return this.leave(handle, true);
  }

  private move(handle: number, start: number, last: number, posted: boolean): boolean {
    const sub = this.get(handle);
    if (this.seq % 2 === 0) {
      this.displace(sub);
      Object.assign(sub, { start, last });
      if (!posted && this.active > 0) this.stamp(sub);
      this.place(sub);
      return true;
    }
    if (!posted) this.stamp(sub);
    if (!sub.isPlaced) {
      Object.assign(sub, { start, last });
      return false;
    }
    sub.pending = { start, last };
    if (!this.deferred.includes(sub)) this.deferred.unshift(sub);
    return false;
  }

  update(handle: number, start: number, last: number): boolean {
    return this.move(handle, start, last, false);
  }

  replace(handle: number, intervals: readonly { start: number; last: number }[]): number[] {
    const { ops } = this.get(handle);
    // Released last, when the others are there.
    const sub = this.get(handle);
    const waits = this.seq % 2 === 1 && sub.isPlaced;
    if (waits) this.leave(handle, true);
    else {
      this.deferred = this.deferred.filter((other) => other !== sub);
      if (sub.isPlaced) this.displace(sub);
      sub.isLeaving = true;
    }
    const added = intervals.map(({ start, last }) => this.insert(start, last, ops));
    if (!waits) {
      sub.releases = true;
      this.forget(sub);
    }
    return added;
  }

  find(ops: IntervalOps, start: number, last: number): number | undefined {
    const overlaps = (sub: Sub) => {
      const { start: from, last: to } = sub.pending ?? sub;
      return sub.ops === ops && !sub.isLeaving && from <= last && to >= start;
    };
    const walked = this.tree.filter((sub) => sub.start <= last && sub.last >= start);
    return [...walked, ...this.deferred].find(overlaps)?.handle;
  }

  readonly posted = {
    put: (handle: number) => this.leave(handle, true),
    update: (handle: number, start: number, last: number) => {
      if (start >= last) return false;
      this.move(handle, start, last, true);
      return true;
    },
    find: (ops: IntervalOps, start: number, last: number) =>
      this.tree.find((sub) => sub.ops === ops && sub.start <= last && sub.last >= start)?.handle,
  };

  tryReadBegin(handle: number): number | undefined {
    const { stamp } = this.get(handle);
    return stamp === this.seq ? undefined : stamp;
  }

  setSeq(handle: number, seq: number): void {
    this.get(handle).stamp = seq;
  }

  readRetry(handle: number, stamp: number): boolean {
    return this.get(handle).stamp !== stamp;
  }

  rangeStart(start: number, end: number, options: { event: NotifierEvent }): Bracket {
    return this.start(start, end, options.event, true) as Bracket;
  }

  rangeStartNonblock(start: number, end: number, options: { event: NotifierEvent }) {
    return this.start(start, end, options.event, false);
  }

  private start(start: number, end: number, event: NotifierEvent, blockable: boolean) {
    const range: ModelBracket = { start, end, event, blockable, owner: undefined, open: true };
    this.active++;
    const hit = (sub: Sub) => sub.start < end && sub.last >= start;
    if (!this.tree.some(hit)) return range;
    const seq = (this.seq |= 1);
    const finish: (() => void)[] = [];
    let refused = false;
    for (const sub of this.tree.filter(hit)) {
      const { ops, handle } = sub;
      const answer = ops.invalidateStart
        ? ops.invalidateStart(handle, range, seq)
        : (ops.invalidate?.(handle, range, seq) ?? true);
      if (typeof answer === "function") finish.push(answer);
      if (answer === false && !blockable) {
        refused = true;
        break;
      }
    }
    for (const wait of finish) wait();
    if (!refused) return range;
    this.end();
    return undefined;
  }

  rangeEnd(bracket: Bracket): void {
    (bracket as ModelBracket).open = false;
    this.end();
  }

  private end(): void {
    this.active--;
    if (this.active > 0 || this.seq % 2 === 0) return;
    this.seq++;
    const { deferred } = this;
    this.deferred = [];
    const released: Sub[] = [];
    for (const sub of deferred) {
      if (!sub.isPlaced) this.place(sub);
      else {
        this.displace(sub);
        if (sub.pending === null) {
          if (sub.releases) released.push(sub);
          else this.forget(sub);
        } else {
          Object.assign(sub, sub.pending);
          sub.pending = null;
          this.place(sub);
        }
      }
    }
    for (const sub of released) this.forget(sub);
  }
}
