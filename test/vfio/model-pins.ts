/**
 * VFIO type1 as plainly as can be: maps of single pages, nothing shared with the library but the
 * names of knobs. Everything is counted in pages.
 */
import type { VfioKnobs } from "../../src/index.js";
import {
  type Answer,
  fail,
  type ModelDevice,
  type ModelDma,
  type ModelGroup,
  Stopped,
} from "./model-rows.js";

const PACKED_MOST = 4095;

export class ModelPins {
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
  protected isLocked = false;

  constructor(
    readonly knobs: VfioKnobs,
    readonly isReserved: (pfn: number) => boolean,
    /** Counts end at 4095, as in the packed form. */
    readonly countsEnd: boolean,
  ) {}

  protected take(): boolean {
    return --this.allocationsLeft !== 0;
  }

  get real(): boolean {
    return this.groups.some(({ real }) => real);
  }

  protected domains(): number {
    return new Set(this.groups.filter(({ real }) => real).map(({ iommu }) => iommu)).size;
  }

  protected get emulated(): boolean {
    return this.groups.some(({ real }) => !real);
  }

  get invalid(): number {
    return this.dmas.filter(({ invalid }) => invalid).length;
  }

  find(page: number): ModelDma | undefined {
    return this.dmas.find(({ first, last }) => page >= first && page <= last);
  }

  protected stop(verdict: "FATAL" | "DEADLOCK"): never {
    this.verdict = verdict;
    throw new Stopped(verdict);
  }

  protected locked<T>(run: () => T): T {
    if (this.verdict !== "OK") throw new Stopped(this.verdict as "FATAL");
    if (this.isLocked) this.stop("DEADLOCK");
    this.isLocked = true;
    try {
      return run();
    } finally {
      if (this.verdict === "OK") this.isLocked = false;
    }
  }

  protected ref(pfn: number, by: number): void {
    if (this.isReserved(pfn)) return;
    const now = (this.refs.get(pfn) ?? 0) + by;
    if (now < 0) throw new Error(`frame ${pfn} is given back too often`);
    if (now === 0) this.refs.delete(pfn);
    else this.refs.set(pfn, now);
  }

  protected charge(dma: ModelDma, by: number): void {
    dma.charged += by;
    dma.mm.locked += by;
  }

  protected fault(dma: ModelDma, page: number): number | string {
    const { mm } = dma;
    const vpn = dma.vpn + page - dma.first;
    if (!mm.alive || !mm.isMapped(vpn)) return "EFAULT";
    if ((dma.prot & 2) !== 0 && mm.isReadOnly(vpn)) return "EFAULT";
    const errno = mm.failing.get(vpn);
    mm.failing.delete(vpn);
    return errno ?? mm.replaced.get(vpn) ?? mm.base + vpn;
  }

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
  protected readonly closing: ModelDma[] = [];

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

  protected unpinOne(dma: ModelDma, page: number): void {
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
}
