/**
 * test_hmm, the kernel's own mirror for its tests (lib/test_hmm.c): one interval for the whole mm,
 * and commands for everything that HMM can do.
 */
import * as abi from "../core/abi.js";
import { hmmRangeFault, type HmmPage } from "../hmm/range-fault.js";
import type { HmmSpace } from "../hmm/space.js";
import { type CommandOptions, type DriverOptions, Mirror, type MirrorResult } from "./mirror.js";
import { does, type HostThread, type ThreadSelf, type ThreadSteps } from "./thread.js";

/** Its parameters. */
export interface TestHmmOptions extends DriverOptions {
  /** As posted: it drops one page more than it is told to, its end being taken for a last page. */
  readonly strict?: boolean;
}

/** What a snapshot says of a page. */
export type SnapshotPage =
  | "NONE"
  | "ERROR"
  | "ZERO READ"
  | `${"" | "PMD "}${"READ" | "WRITE"}`
  | `DEV_PRIVATE_LOCAL ${"READ" | "WRITE"}`;

/** See the file comment. Commands return threads: {@link Mirror.finish} waits for one. */
export class TestHmm extends Mirror {
  private readonly strict: boolean;
  /** HMM_DMIRROR_FLAGS: migrations to the device find no memory. */
  failsAllocations = false;

  constructor(space: HmmSpace, cpu: number, options: TestHmmOptions = {}) {
    super(space, "test_hmm", cpu, { ...options, regionPolicy: "whole-mm" });
    this.strict = options.strict ?? false;
  }

  protected override isOwn(range: Parameters<Mirror["isOwn"]>[0]): boolean {
    return range.event === "MIGRATE" && super.isOwn(range);
  }

  protected override drop({ start, end }: { readonly start: number; readonly end: number }): void {
    super.drop({ start, end: this.strict ? end + 1 : end });
  }

  /** HMM_DMIRROR_SNAPSHOT: what is there, without any fault. */
  snapshot(start: number, end: number, options?: CommandOptions): HostThread<SnapshotPage[]> {
    return this.run((self) => this.snapshotSteps(self, start, end), options);
  }

  private *snapshotSteps(
    self: ThreadSelf,
    start: number,
    end: number,
  ): ThreadSteps<SnapshotPage[]> {
    const { space } = this;
    const deadline = self.now + this.options.timeout;
    const [handle] = this.regions.keys();
    while (self.now <= deadline) {
      const seq = yield* space.readBegin(handle);
      yield does.lockMmap;
      const found = yield* hmmRangeFault(space, {
        ...{ start, end, handle, seq },
        need: "none",
        owner: this,
      });
      yield does.unlockMmap;
      if (found.status === "EBUSY" || space.notifiers.readRetry(handle, seq)) continue;
      return found.pages.map(nameOf);
    }
    return [];
  }

  /** HMM_DMIRROR_MIGRATE_TO_DEV. ENOENT: the pages behind `cpages` are not the device's now. */
  migrateToDevice(start: number, end: number, options?: CommandOptions): HostThread<MirrorResult> {
    return this.run(() => this.migrateSteps(start, end), options);
  }

  private *migrateSteps(start: number, end: number): ThreadSteps<MirrorResult> {
    const { space } = this;
    const none = { cpages: 0, faults: 0, data: [] };
    if (start >= end || !space.isAlive) return { status: "EINVAL", ...none };
    for (let page = start; page < end; page++) {
      if (!this.isReadable(page)) return { status: "EINVAL", ...none };
    }
    if (!this.failsAllocations) {
      // Own events are ignored: it takes its entries away itself.
      yield* this.lock.acquire();
      super.drop({ start, end });
      this.lock.release();
      yield does.migrate(start, end);
      yield does.insert(start, end);
    }
    space.claim(start, end, this);
    yield* this.lock.acquire();
    for (let page = start; page < end; page++) {
      const entry = space.entry(page);
      const isOwn = (entry.flags & abi.PTE_DEVICE) !== 0 && space.isOwned(entry, this);
      const writable = (space.protection(page) & abi.PROT_WRITE) !== 0;
      const { frame, generation } = entry;
      if (isOwn) this.table.set(page, { frame, generation, writable, alone: true });
    }
    yield this.options.programCost;
    this.lock.release();
    return yield* this.verify(start, end);
  }

  /** What it has now, read through the table alone. */
  private *verify(start: number, end: number): ThreadSteps<MirrorResult> {
    const data: number[] = [];
    yield* this.lock.acquire();
    let page = start;
    for (; page < end; page++) {
      const word = this.peek(page);
      if (word === undefined) break;
      data.push(word);
    }
    this.lock.release();
    const status = page === end ? "OK" : "ENOENT";
    return { status, cpages: page - start, faults: 0, data };
  }

  /** HMM_DMIRROR_MIGRATE_TO_SYS: the device's own pages go back. */
  migrateToSystem(start: number, end: number, options?: CommandOptions): HostThread<number> {
    return this.run(() => this.migrateBack(start, end), options);
  }

  private *migrateBack(start: number, end: number): ThreadSteps<number> {
    let pages = 0;
    for (let page = start; page < end; page++) {
      const entry = this.space.entry(page);
      if ((entry.flags & abi.PTE_DEVICE) === 0 || !this.space.isOwned(entry, this)) continue;
      pages++;
      yield* this.lock.acquire();
      super.drop({ start: page, end: page + 1 });
      this.lock.release();
      yield does.lockMmap;
      yield does.fault(page, false);
      yield does.unlockMmap;
    }
    return pages;
  }

  /** HMM_DMIRROR_RELEASE: the device's memory is withdrawn, wherever it is mapped in this mm. */
  release(start: number, end: number, options?: CommandOptions): HostThread<number> {
    return this.migrateToSystem(start, end, options);
  }

  /** HMM_DMIRROR_EXCLUSIVE: atomic access to pages that nobody else can reach meanwhile. */
  exclusive(start: number, end: number, options?: CommandOptions): HostThread<MirrorResult> {
    return this.run((self) => this.exclusiveSteps(self, start, end), options);
  }

  private *exclusiveSteps(self: ThreadSelf, start: number, end: number): ThreadSteps<MirrorResult> {
    const { space } = this;
    const [handle] = this.regions.keys();
    for (let page = start; page < end; page++) {
      if ((space.protection(page) & abi.PROT_WRITE) === 0) {
        return { status: "EFAULT", cpages: page - start, faults: 0, data: [] };
      }
    }
    const deadline = self.now + this.options.timeout;
    for (let rounds = 0; self.now <= deadline; rounds++) {
      const seq = yield* space.readBegin(handle);
      yield does.lockMmap;
      for (let page = start; page < end; page++) {
        const { flags } = space.entry(page);
        const isThere = (flags & (abi.PTE_W | abi.PTE_P)) === (abi.PTE_W | abi.PTE_P);
        if (!isThere && (flags & abi.PTE_EXCLUSIVE) === 0) yield does.fault(page, true);
      }
      yield does.unlockMmap;
      yield does.exclusive(start, end);
      const isBroken = this.options.broken === "set-seq-on-own";
      // The driver's own event has moved the sequence: to ask by it would never end (S28).
      if (isBroken && space.notifiers.readRetry(handle, seq)) continue;
      // No bracket that has told us is open when this returns, and nothing happens in between.
      yield* space.readBegin(handle);
      if (this.mapExclusive(start, end)) return yield* this.verify(start, end);
    }
    return { status: "EBUSY", cpages: 0, faults: 0, data: [] };
  }

  /** In one step: what is exclusive now is the device's until a callback says otherwise. */
  private mapExclusive(start: number, end: number): boolean {
    const entries = Array.from({ length: end - start }, (_, i) => this.space.entry(start + i));
    if (!entries.every(({ flags }) => (flags & abi.PTE_EXCLUSIVE) !== 0)) return false;
    entries.forEach(({ frame, generation }, i) => {
      this.table.set(start + i, { frame, generation, writable: true, alone: true });
    });
    return true;
  }

  /** HMM_DMIRROR_CHECK_EXCLUSIVE: true if no page is the device's alone any more. */
  isRevoked(start: number, end: number): boolean {
    for (let page = start; page < end; page++) {
      if (this.table.get(page)?.alone === true) return false;
    }
    return true;
  }
}

function nameOf(page: HmmPage): SnapshotPage {
  if (page.error) return "ERROR";
  if (!page.valid) return "NONE";
  const right = page.writable ? "WRITE" : "READ";
  if (page.device) return `DEV_PRIVATE_LOCAL ${right}`;
  if (page.frame === 0) return "ZERO READ";
  return `${page.huge ? "PMD " : ""}${right}`;
}
