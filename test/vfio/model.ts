/** The model of a container: mappings, unmapping, groups, dirty pages, vaddr updates. */
import {
  type Answer,
  fail,
  type ModelDma,
  type ModelGroup,
  type ModelProcess,
  Stopped,
} from "./model-rows.js";
import { ModelPins } from "./model-pins.js";

export class VfioModel extends ModelPins {
  map(first: number, pages: number, vpn: number, prot: number, mm: ModelProcess): Answer {
    return this.locked(() => {
      const last = first + pages - 1;
      if (this.dmas.some((dma) => dma.first <= last && dma.last >= first)) {
        return fail("EEXIST", "overlap");
      }
      if (this.dmas.length >= this.knobs.dmaEntryLimit) return fail("ENOSPC", "entry-limit");
      if (!this.take()) return fail("ENOMEM", "no-memory");
      const dma: ModelDma = {
        ...{ first, last, vpn, prot, mm, cap: mm.cap, mapped: undefined, pins: new Map() },
        ...{ dirty: undefined, charged: 0, invalid: false, gone: false },
      };
      this.dmas.push(dma);
      this.dmas.sort((a, b) => a.first - b.first);
      let problem = this.real ? this.mapReal(dma, this.domains()) : undefined;
      if (problem === undefined && this.tracking) {
        if (this.take()) dma.dirty = new Set();
        else problem = fail("ENOMEM", "no-memory");
      }
      if (problem === undefined) return { ok: true, value: 0 };
      this.remove(dma);
      return problem;
    });
  }

  /** Pins run by run; a run ends where frames do not follow, or begin or cease to be reserved. */
  private mapReal(dma: ModelDma, domains: number): Answer | undefined {
    const mapped = new Map<number, number>();
    const undo = (): void => {
      for (const [page, pfn] of mapped) {
        this.ref(pfn, -1);
        if (!this.isReserved(pfn) && !dma.pins.has(page)) this.charge(dma, -1);
      }
    };
    let page = dma.first;
    while (page <= dma.last) {
      const run: number[] = [];
      let error: string | undefined;
      for (let at = page; at <= dma.last; at++) {
        // The first page of a run consumes what is to go wrong with it.
        const vpn = dma.vpn + at - dma.first;
        if (run.length > 0 && dma.mm.failing.has(vpn)) break;
        const pfn = this.fault(dma, at);
        if (typeof pfn === "string") {
          if (run.length === 0) error = pfn;
          break;
        }
        if (run.length > 0) {
          if (pfn !== run[0] + run.length) break;
          if (this.isReserved(pfn) !== this.isReserved(run[0])) break;
        }
        run.push(pfn);
      }
      if (error !== undefined) {
        undo();
        return fail(error, dma.mm.alive ? "fault" : "owner-exited");
      }
      const from = page;
      const wanted = run.filter((pfn, i) => !this.isReserved(pfn) && !dma.pins.has(from + i));
      if (!this.isReserved(run[0]) && !dma.cap) {
        const room = Math.max(0, dma.mm.limit - dma.mm.locked);
        if (wanted.length > room) {
          if (!this.knobs.shortRunAtLimit || room === 0) {
            undo();
            return fail("ENOMEM", "over-rlimit");
          }
          // Ends before the page that is one too many.
          let paid = 0;
          const end = run.findIndex((_, i) => !dma.pins.has(from + i) && ++paid > room);
          run.length = end;
        }
      }
      const charged = run.filter((pfn, i) => !this.isReserved(pfn) && !dma.pins.has(from + i));
      if (charged.length > 0 && dma.mm.interrupt) {
        dma.mm.interrupt = false;
        undo();
        return fail("EINTR", "charge-interrupted");
      }
      for (const [i, pfn] of run.entries()) {
        mapped.set(from + i, pfn);
        this.ref(pfn, 1);
      }
      this.charge(dma, charged.length);
      for (let i = 0; i < domains; i++) {
        if (this.take()) continue;
        undo();
        return fail("ENOMEM", "no-memory");
      }
      page += run.length;
    }
    dma.mapped = mapped;
    return undefined;
  }

  private unmapReal(dma: ModelDma): void {
    for (const [page, pfn] of dma.mapped ?? []) {
      this.ref(pfn, -1);
      if (!this.isReserved(pfn) && !dma.pins.has(page)) this.charge(dma, -1);
    }
    dma.mapped = undefined;
  }

  private remove(dma: ModelDma): void {
    if (dma.pins.size > 0) {
      if (this.knobs.freeWithPins === "warn") this.warned.push("pins-left");
      for (const page of [...dma.pins.keys()].sort((a, b) => a - b)) {
        this.leaks.push(`pin ${page}`);
      }
    }
    this.unmapReal(dma);
    dma.gone = true;
    this.dmas = this.dmas.filter((each) => each !== dma);
  }

  private next(first: number, last: number): ModelDma | undefined {
    const inside = this.dmas.filter((dma) => dma.first <= last && dma.last >= first);
    const { unmapOrder } = this.knobs;
    if (unmapOrder === "ascending") return inside[0];
    if (unmapOrder === "descending") return inside.at(-1);
    const zeros = (dma: ModelDma): number => {
      let rank = this.dmas.indexOf(dma) + 1;
      let n = 0;
      for (; rank % 2 === 0; rank /= 2) n++;
      return n;
    };
    return inside.sort((a, b) => zeros(b) - zeros(a))[0];
  }

  private cuts(first: number, last: number): boolean {
    const low = this.find(first);
    const high = this.find(last);
    return (low !== undefined && low.first < first) || (high !== undefined && high.last > last);
  }

  unmap(first: number, last: number, caller: ModelProcess, all: boolean, dirty: boolean): Answer {
    if (all && !this.knobs.unmapAll) return fail("EINVAL", "flags");
    if (dirty && !this.knobs.dirtyTracking) return fail("EINVAL", "flags");
    return this.locked(() => {
      if (dirty && !this.tracking) return fail("EINVAL", "not-tracking");
      let size = 0;
      let rounds = 0;
      let retries = 0;
      let most = 0;
      let before: ModelDma | undefined;
      const written: number[] = [];
      const told = new Set<ModelDma>();
      for (;;) {
        if (!all && this.cuts(first, last)) return fail("EINVAL", "bisects");
        let again = false;
        for (;;) {
          const dma = this.next(first, last);
          if (dma === undefined) break;
          if (this.knobs.stopAtOtherMm && dma.mm !== caller) break;
          const always = this.knobs.notifyPolicy === "always" && !told.has(dma);
          const tells = dma.pins.size > 0 || always;
          if (tells && this.knobs.notifyWhen === "before-remove") {
            if (before === dma) {
              if (++retries > this.knobs.retryBudget) {
                if (this.knobs.onExhausted === "fatal") this.stop("FATAL");
                this.warned.push("retries-exhausted");
                return fail("EDEADLOCK", "retries-exhausted");
              }
              most = Math.max(most, retries);
            } else {
              before = dma;
              retries = 0;
            }
            rounds++;
            told.add(dma);
            this.tell(dma, first, last);
            again = true;
            break;
          }
          if (dirty) written.push(...this.report(dma));
          size += dma.last - dma.first + 1;
          this.remove(dma);
          if (tells) {
            rounds++;
            this.tell(dma, first, last);
            again = true;
            break;
          }
        }
        if (again) continue;
        const value = { ok: true, value: size, rounds, retries: most };
        return dirty ? { ...value, dirty: written.sort((a, b) => a - b) } : value;
      }
    });
  }

  private tell(dma: ModelDma, first: number, last: number): void {
    let [from, to] = [dma.first, dma.last];
    if (this.knobs.notifyRange === "request") [from, to] = [first, last];
    if (this.knobs.notifyRange === "pinned" && dma.pins.size > 0 && !dma.gone) {
      from = Math.min(...dma.pins.keys());
      to = Math.max(...dma.pins.keys());
    }
    const order = [...this.listeners];
    if (this.knobs.notifyOrder === "newest-first") order.reverse();
    const drops = this.knobs.lockAroundCallback === "drop";
    // The list of devices is not to be locked twice.
    if (this.knobs.listeners === "devices" && this.closing.length > 0) this.stop("DEADLOCK");
    if (drops) this.isLocked = false;
    this.closing.push(dma);
    for (const device of order) {
      this.told.push(`${device.name} ${from} ${to}`);
      device.told(from, to - from + 1);
      if (this.verdict !== "OK") throw new Stopped(this.verdict as "FATAL");
    }
    this.closing.pop();
    if (drops) this.isLocked = true;
  }

  attach(name: string, real: boolean, iommu: string): Answer {
    return this.locked(() => {
      if (this.invalid > 0) return fail("EBUSY", "vaddr-invalid");
      if (this.groups.some((group) => group.name === name)) return fail("EINVAL", "group-present");
      if (!this.take()) return fail("ENOMEM", "no-memory");
      const group: ModelGroup = { name, real, iommu, pinnedOnly: !real };
      if (real) {
        if (!this.take()) return fail("ENOMEM", "no-memory");
        if (!this.groups.some((each) => each.real && each.iommu === iommu)) {
          const problem = this.replay();
          if (problem !== undefined) return problem;
        }
        this.nonPinned++;
      }
      this.groups.push(group);
      return { ok: true, value: 0 };
    });
  }

  private replay(): Answer | undefined {
    const fresh: ModelDma[] = [];
    for (const dma of this.dmas) {
      let problem: Answer | undefined;
      if (dma.mapped === undefined) {
        problem = this.mapReal(dma, 1);
        if (problem === undefined) fresh.push(dma);
      } else {
        for (let i = 0; i < this.runs(dma); i++) {
          if (!this.take()) problem ??= fail("ENOMEM", "no-memory");
          if (problem !== undefined) break;
        }
      }
      if (problem === undefined) continue;
      for (const each of fresh) this.unmapReal(each);
      return problem;
    }
    return undefined;
  }

  private runs({ mapped }: ModelDma): number {
    let n = 0;
    let before: number | undefined;
    for (const pfn of mapped!.values()) {
      const follows =
        before !== undefined &&
        pfn === before + 1 &&
        this.isReserved(pfn) === this.isReserved(before);
      if (!follows) n++;
      before = pfn;
    }
    return n;
  }

  detach(name: string): Answer {
    return this.locked(() => {
      const group = this.groups.find((each) => each.name === name);
      if (group === undefined) return fail("ENODEV", "no-group");
      const before = this.domains();
      this.groups = this.groups.filter((each) => each !== group);
      const isLastReal = group.real && before === 1 && this.domains() === 0;
      if (this.groups.length === 0) {
        if (!group.real && this.listeners.length > 0) this.warned.push("listener-registered");
        for (const dma of [...this.dmas]) this.remove(dma);
      } else if (isLastReal) {
        for (const dma of this.dmas) {
          const pinned = [...dma.pins.values()].filter(({ pfn }) => !this.isReserved(pfn)).length;
          let unpinned = 0;
          for (const pfn of dma.mapped!.values()) {
            this.ref(pfn, -1);
            if (!this.isReserved(pfn)) unpinned++;
          }
          dma.mapped = undefined;
          this.charge(dma, pinned - unpinned);
        }
      }
      if (!group.pinnedOnly) {
        this.nonPinned--;
        for (const dma of this.dmas) {
          if (!this.tracking || dma.mapped === undefined) continue;
          for (let page = dma.first; page <= dma.last; page++) dma.dirty?.add(page);
        }
      }
      return { ok: true, value: 0 };
    });
  }

  private report(dma: ModelDma): number[] {
    const all = this.nonPinned > 0 && dma.mapped !== undefined;
    const written: number[] = [];
    for (let page = dma.first; page <= dma.last; page++) {
      if (all || dma.dirty?.has(page) === true) written.push(page);
    }
    dma.dirty = new Set(dma.pins.keys());
    return written;
  }

  start(): Answer {
    if (!this.knobs.dirtyTracking) return fail("ENOTTY", "no-dirty-tracking");
    return this.locked(() => {
      if (this.tracking) return { ok: true, value: 0 };
      for (const dma of this.dmas) {
        if (!this.take()) {
          for (const each of this.dmas) each.dirty = undefined;
          return fail("ENOMEM", "no-memory");
        }
        dma.dirty = new Set(dma.pins.keys());
      }
      this.tracking = true;
      return { ok: true, value: 0 };
    });
  }

  stopTracking(): Answer {
    if (!this.knobs.dirtyTracking) return fail("ENOTTY", "no-dirty-tracking");
    return this.locked(() => {
      this.tracking = false;
      for (const dma of this.dmas) dma.dirty = undefined;
      return { ok: true, value: 0 };
    });
  }

  get(first: number, last: number): Answer {
    if (!this.knobs.dirtyTracking) return fail("ENOTTY", "no-dirty-tracking");
    return this.locked(() => {
      if (!this.tracking) return fail("EINVAL", "not-tracking");
      if (this.cuts(first, last)) return fail("EINVAL", "bisects");
      const inside = this.dmas.filter((dma) => dma.first <= last && dma.last >= first);
      const dirty = inside.flatMap((dma) => this.report(dma));
      return { ok: true, value: dirty.length, dirty };
    });
  }

  invalidate(first: number, last: number, caller: ModelProcess): Answer {
    if (this.knobs.vaddrUpdate === "none") return fail("EINVAL", "flags");
    return this.locked(() => {
      if (this.knobs.vaddrUpdate === "exclusive" && this.emulated) {
        return fail("EBUSY", "emulated-group");
      }
      if (this.cuts(first, last)) return fail("EINVAL", "bisects");
      const marked: ModelDma[] = [];
      for (const dma of this.dmas) {
        if (dma.first > last || dma.last < first) continue;
        if (this.knobs.stopAtOtherMm && dma.mm !== caller) break;
        if (dma.invalid) {
          for (const each of marked) each.invalid = false;
          return fail("EINVAL", "already-invalid");
        }
        dma.invalid = true;
        marked.push(dma);
      }
      const value = marked.reduce((sum, dma) => sum + dma.last - dma.first + 1, 0);
      return { ok: true, value, rounds: 0, retries: 0 };
    });
  }

  restore(first: number, pages: number, vpn: number, mm: ModelProcess): Answer {
    if (this.knobs.vaddrUpdate === "none") return fail("EINVAL", "flags");
    return this.locked(() => {
      const last = first + pages - 1;
      const dma = this.dmas.find((each) => each.first <= last && each.last >= first);
      if (dma === undefined) return fail("ENOENT", "no-mapping");
      if (!dma.invalid || dma.first !== first || dma.last !== last) {
        return fail("EINVAL", "not-invalid");
      }
      if (this.knobs.vaddrMovesCharge && mm !== dma.mm) {
        if (mm.interrupt) {
          mm.interrupt = false;
          return fail("EINTR", "charge-interrupted");
        }
        if (!mm.cap && mm.locked + dma.charged > mm.limit) return fail("ENOMEM", "over-rlimit");
        dma.mm.locked -= dma.charged;
        mm.locked += dma.charged;
        dma.mm = mm;
        dma.cap = mm.cap;
      }
      dma.vpn = vpn;
      dma.invalid = false;
      return { ok: true, value: 0 };
    });
  }

  rw(page: number, pages: number, write: boolean): Answer {
    if (!this.knobs.dmaRw) return fail("ENOTTY", "no-dma-rw");
    return this.locked(() => {
      if (this.invalid > 0) {
        this.warned.push("vaddr-invalid");
        return fail("EBUSY", "vaddr-invalid");
      }
      for (let at = page; at < page + pages;) {
        const dma = this.find(at);
        if (dma === undefined) return fail("EINVAL", "no-mapping");
        if ((dma.prot & 1) === 0 || (write && (dma.prot & 2) === 0)) {
          return fail("EPERM", "protection");
        }
        if (!dma.mm.alive) return fail("EPERM", "owner-exited");
        const end = Math.min(dma.last, page + pages - 1);
        for (let each = at; each <= end; each++) {
          const vpn = dma.vpn + each - dma.first;
          const bad = !dma.mm.isMapped(vpn) || (write && dma.mm.isReadOnly(vpn));
          const errno = dma.mm.failing.get(vpn);
          if (!bad) dma.mm.failing.delete(vpn);
          if (bad || errno !== undefined) return fail("EFAULT", "fault");
        }
        if (write) for (let each = at; each <= end; each++) dma.dirty?.add(each);
        at = end + 1;
      }
      return { ok: true, value: pages * 4096 };
    });
  }

  /** Pages that are pinned, ascending. */
  pinned(): { page: number; pfn: number; count: number }[] {
    const all = this.dmas.flatMap(({ pins }) =>
      Array.from(pins, ([page, { pfn, count }]) => ({ page, pfn, count })),
    );
    return all.sort((a, b) => a.page - b.page);
  }

  /** Nobody holds the lock. */
  get isFree(): boolean {
    return !this.isLocked;
  }
}
