/**
 * VFIO type1 as plainly as can be: maps of single pages, nothing shared with the library but the
 * names of knobs. Everything is counted in pages.
 */
import type { VfioKnobs } from "../../src/index.js";

export interface Answer {
  readonly ok: boolean;
  readonly value?: number;
  readonly errno?: string;
  readonly cause?: string;
  readonly index?: number;
  /** What the caller's array holds afterwards; -1 where nothing was written. */
  readonly out?: readonly number[];
  readonly rounds?: number;
  readonly retries?: number;
  readonly dirty?: readonly number[];
}

/** The kernel stopped: nothing returns. */
export class Stopped extends Error {
  constructor(readonly verdict: "FATAL" | "DEADLOCK") {
    super(verdict);
  }
}

/** A process. */
export interface ModelProcess {
  readonly name: string;
  /** Frame of page 0, and of the others behind it. */
  readonly base: number;
  readonly replaced: Map<number, number>;
  /** Pages that may not be written. */
  readonly isReadOnly: (page: number) => boolean;
  readonly isMapped: (page: number) => boolean;
  readonly isMmio: (page: number) => boolean;
  readonly failing: Map<number, string>;
  locked: number;
  limit: number;
  cap: boolean;
  alive: boolean;
  interrupt: boolean;
}

interface Pin {
  readonly pfn: number;
  count: number;
}

export interface ModelDma {
  readonly first: number;
  readonly last: number;
  vpn: number;
  readonly prot: number;
  mm: ModelProcess;
  cap: boolean;
  /** Frames by page, if real domains map it. */
  mapped: Map<number, number> | undefined;
  readonly pins: Map<number, Pin>;
  dirty: Set<number> | undefined;
  charged: number;
  invalid: boolean;
  gone: boolean;
}

export interface ModelDevice {
  readonly name: string;
  readonly group: string;
  told: (first: number, pages: number) => void;
}

interface ModelGroup {
  readonly name: string;
  readonly real: boolean;
  readonly iommu: string;
  pinnedOnly: boolean;
}

const fail = (errno: string, cause: string, index?: number): Answer =>
  index === undefined ? { ok: false, errno, cause } : { ok: false, errno, cause, index };

const PACKED_MOST = 4095;

export class VfioModel {
  dmas: ModelDma[] = [];
  groups: ModelGroup[] = [];
  readonly listeners: ModelDevice[] = [];
  readonly refs = new Map<number, number>();
  readonly told: string[] = [];
  readonly warned: string[] = [];
  readonly leaks: string[] = [];
  tracking = false;
  nonPinned = 0;
  allocationsLeft = Infinity;
  verdict = "OK";
  private isLocked = false;

  constructor(
    readonly knobs: VfioKnobs,
    readonly isReserved: (pfn: number) => boolean,
    /** Counts end at 4095, as in the packed form. */
    readonly countsEnd: boolean,
  ) {}

  private take(): boolean {
    return --this.allocationsLeft !== 0;
  }

  get real(): boolean {
    return this.groups.some(({ real }) => real);
  }

  private domains(): number {
    return new Set(this.groups.filter(({ real }) => real).map(({ iommu }) => iommu)).size;
  }

  private get emulated(): boolean {
    return this.groups.some(({ real }) => !real);
  }

  get invalid(): number {
    return this.dmas.filter(({ invalid }) => invalid).length;
  }

  find(page: number): ModelDma | undefined {
    return this.dmas.find(({ first, last }) => page >= first && page <= last);
  }

  private stop(verdict: "FATAL" | "DEADLOCK"): never {
    this.verdict = verdict;
    throw new Stopped(verdict);
  }

  private locked<T>(run: () => T): T {
    if (this.verdict !== "OK") throw new Stopped(this.verdict as "FATAL");
    if (this.isLocked) this.stop("DEADLOCK");
    this.isLocked = true;
    try {
      return run();
    } finally {
      if (this.verdict === "OK") this.isLocked = false;
    }
  }

  private ref(pfn: number, by: number): void {
    if (this.isReserved(pfn)) return;
    const now = (this.refs.get(pfn) ?? 0) + by;
    if (now < 0) throw new Error(`frame ${pfn} is given back too often`);
    if (now === 0) this.refs.delete(pfn);
    else this.refs.set(pfn, now);
  }

  private charge(dma: ModelDma, by: number): void {
    dma.charged += by;
    dma.mm.locked += by;
  }

  private fault(dma: ModelDma, page: number): number | string {
    const { mm } = dma;
    const vpn = dma.vpn + page - dma.first;
    if (!mm.alive || !mm.isMapped(vpn)) return "EFAULT";
    if ((dma.prot & 2) !== 0 && mm.isReadOnly(vpn)) return "EFAULT";
    const errno = mm.failing.get(vpn);
    mm.failing.delete(vpn);
    return errno ?? mm.replaced.get(vpn) ?? mm.base + vpn;
  }

  // -- pins

  private mayPin(device: ModelDevice, count: number): Answer | undefined {
    const { knobs } = this;
    const isKnown = this.groups.some(({ name }) => name === device.group);
    if (count <= 0) return fail("EINVAL", "no-pages");
    if (knobs.listeners === "chain") {
      if (count > knobs.pinMost) return fail("E2BIG", "too-many");
      return isKnown ? undefined : fail("ENODEV", "no-group");
    }
    if (knobs.pinnerListens && !this.listeners.includes(device)) {
      return fail("EINVAL", "no-dma-unmap");
    }
    if (!isKnown) return fail("EINVAL", "no-container");
    if (count > knobs.pinMost) return fail("E2BIG", "too-many");
    return undefined;
  }

  pin(device: ModelDevice, pages: readonly number[], prot: number): Answer {
    const refused = this.mayPin(device, pages.length);
    const blank = pages.map(() => -1);
    if (refused !== undefined) return { ...refused, out: blank };
    return this.locked(() => {
      const { knobs } = this;
      if (this.invalid > 0 && knobs.vaddrUpdate === "exclusive") {
        return { ...fail("EBUSY", "vaddr-invalid"), out: blank };
      }
      if (this.invalid > 0) {
        for (const [i, page] of pages.entries()) {
          const dma = this.find(page);
          if (dma === undefined) return { ...fail("EINVAL", "no-mapping", i), out: blank };
          if (dma.invalid) return { ...fail("EINTR", "killed-asleep", i), out: blank };
        }
      }
      const old = knobs.listeners === "chain" && knobs.vaddrUpdate === "none";
      if (old && !this.emulated) return { ...fail("EINVAL", "no-emulated-group"), out: blank };
      if (this.listeners.length === 0) return { ...fail("EINVAL", "no-listener"), out: blank };
      const out = [...blank];
      for (const [i, page] of pages.entries()) {
        const problem = this.pinOne(page, prot, out, i);
        if (problem === undefined) continue;
        for (let j = 0; j < i; j++) this.unpinOne(this.find(pages[j])!, pages[j]);
        for (let j = 0; j <= i; j++) out[j] = 0;
        return { ...problem, out };
      }
      const group = this.groups.find(({ name }) => name === device.group);
      if (knobs.dirtyTracking && group !== undefined && !group.pinnedOnly) {
        group.pinnedOnly = true;
        this.nonPinned--;
      }
      return { ok: true, value: pages.length, out };
    });
  }

  private search(page: number): ModelDma | undefined {
    const dma = this.find(page);
    return this.knobs.zeroLengthLookup && dma?.first === page ? undefined : dma;
  }

  /** Rounds that are under way. */
  private readonly closing: ModelDma[] = [];

  private pinOne(page: number, prot: number, out: number[], i: number): Answer | undefined {
    const { knobs } = this;
    const dma = this.search(page);
    if (dma === undefined) return fail("EINVAL", "no-mapping", i);
    if (knobs.pinsInWindow === "refuse" && this.closing.includes(dma)) {
      return fail("EINVAL", "being-unmapped", i);
    }
    if ((prot & dma.prot) !== prot) return fail("EPERM", "protection", i);
    const pin = dma.pins.get(page);
    if (pin !== undefined) {
      if (this.countsEnd && pin.count === PACKED_MOST) {
        return fail(knobs.saturationErrno, "count-saturated", i);
      }
      pin.count++;
      out[i] = pin.pfn;
      return undefined;
    }
    const { mm } = dma;
    if (!mm.alive) return fail("ENODEV", "owner-exited", i);
    const pfn = this.fault(dma, page);
    if (typeof pfn === "string") return fail(pfn, "fault", i);
    const counts = !this.isReserved(pfn);
    const charged = counts && !this.real;
    const over = !dma.cap && mm.locked + 1 > mm.limit;
    if (charged && mm.interrupt) {
      mm.interrupt = false;
      return fail("EINTR", "charge-interrupted", i);
    }
    if (counts && (charged || knobs.limitWhenNotCharging) && over) {
      return fail("ENOMEM", "over-rlimit", i);
    }
    if (knobs.pinsNeedStructPage && mm.isMmio(dma.vpn + page - dma.first)) {
      return fail("EINVAL", "no-struct-page", i);
    }
    if (!this.take()) {
      if (knobs.leakOnNodeFailure && counts) {
        this.ref(pfn, 1);
        if (charged) this.charge(dma, 1);
        this.leaks.push(`reference ${page}`);
      }
      return fail("ENOMEM", "no-memory", i);
    }
    dma.pins.set(page, { pfn, count: 1 });
    this.ref(pfn, 1);
    if (charged) this.charge(dma, 1);
    dma.dirty?.add(page);
    out[i] = pfn;
    return undefined;
  }

  private unpinOne(dma: ModelDma, page: number): void {
    const pin = dma.pins.get(page);
    if (pin === undefined) return;
    if (--pin.count > 0) return;
    dma.pins.delete(page);
    this.ref(pin.pfn, -1);
    if (!this.real && !this.isReserved(pin.pfn)) this.charge(dma, -1);
  }

  unpin(device: ModelDevice, pages: readonly number[]): Answer {
    const { knobs } = this;
    const tells = knobs.unpinAnswer === "count";
    const refuse = (errno: string, cause: string): Answer => {
      if (tells) return fail(errno, cause);
      this.warned.push("unpin-refused");
      return { ok: true, value: 0 };
    };
    if (pages.length === 0) return refuse("EINVAL", "no-pages");
    if (pages.length > knobs.pinMost) return refuse("E2BIG", "too-many");
    if (!this.groups.some(({ name }) => name === device.group)) {
      return knobs.listeners === "chain"
        ? refuse("ENODEV", "no-group")
        : refuse("EINVAL", "no-container");
    }
    return this.locked(() => {
      const old = knobs.listeners === "chain" && knobs.vaddrUpdate === "none";
      if (old && !this.emulated) return fail("EINVAL", "no-emulated-group");
      let n = 0;
      for (const page of pages) {
        const dma = this.search(page);
        if (dma === undefined) break;
        this.unpinOne(dma, page);
        n++;
      }
      if (n < pages.length && !tells) this.warned.push("unpin-short");
      if (n === 0 && tells) return fail("EINVAL", "no-mapping", 0);
      return { ok: true, value: n };
    });
  }

  // -- mappings

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

  // -- groups

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

  // -- dirty pages, vaddr

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
