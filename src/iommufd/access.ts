/**
 * A driver's access to an I/O address space: pins whole intervals, reads and writes, and is told
 * before what it has pinned is unmapped. Linux: device.c; mdev drivers of VFIO sit on top of it.
 */
import { ArgumentError } from "../errors.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import { type Bytes, checkBytes, hex, PAGE_BYTES, TOP } from "./addresses.js";
import { type AreaPart } from "./area.js";
import { byteAt, indexAt } from "./slice.js";
import { type IommufdEnv, warn } from "./env.js";
import type { Listener } from "./domain-set.js";
import type { Ioas } from "./ioas.js";
import { type RwOptions, rwPages } from "./rw.js";

/** Called before [iova, iova + length) goes away; both bytes. */
export type UnmapCallback = (access: IommufdAccess, iova: bigint, length: bigint) => void;

/** What a driver is. */
export interface AccessOptions {
  readonly name?: string;
  /** Does it pin? Then everything is aligned to pages. True by default. */
  readonly pins?: boolean;
  /**
   * Its unmap callback; `unpin`, the default, gives back whatever overlaps; `ignore` does nothing;
   * `none`: it has no callback, and may not pin.
   */
  readonly unmap?: UnmapCallback | "unpin" | "ignore" | "none";
  /** Part of iommufd itself: its pins lock areas, and nobody asks it. False by default. */
  readonly internal?: boolean;
}

/** How to pin. */
export interface PinAccess {
  /** Pages that will be written; false by default. */
  readonly write?: boolean;
}

/** What unpin did: the kernel's returns nothing, and warns. */
export interface Unpinned {
  /** Parts of areas whose pin was given back. */
  readonly parts: number;
  readonly warnings: readonly string[];
}

/** An interval that this driver holds. */
export interface LedgerEntry {
  readonly iova: bigint;
  readonly length: bigint;
  count: number;
}

/** See the file comment. Made by {@link Iommufd.accessCreate}. */
export class IommufdAccess implements Listener {
  readonly name: string;
  /** Least alignment it asks of its address space, bytes. @internal */
  readonly alignment: bigint;
  private readonly callback: UnmapCallback | undefined;
  private readonly internal: boolean;
  private readonly ledger = new Map<string, LedgerEntry>();
  private now: Ioas | undefined;
  /** Where unpin looks: stays while the address space changes. */
  private forUnpin: Ioas | undefined;
  private running = 0;
  private gone = false;
  /** Calls of its callback so far. */
  notifications = 0;

  /** @internal */
  constructor(
    readonly id: number,
    private readonly env: IommufdEnv,
    options: AccessOptions,
  ) {
    this.name = options.name ?? `access${id}`;
    this.alignment = (options.pins ?? true) ? PAGE_BYTES : 1n;
    this.internal = options.internal ?? false;
    this.callback = this.internal ? undefined : callbackOf(options.unmap ?? "unpin");
  }

  /** What it accesses. */
  get ioas(): Ioas | undefined {
    return this.now;
  }

  get destroyed(): boolean {
    return this.gone;
  }

  /** Intervals it has pinned and not given back, in the order of their first pin. */
  get pins(): readonly LedgerEntry[] {
    return [...this.ledger.values()];
  }

  private missing(): Failed | undefined {
    if (!this.gone) return undefined;
    return failed("ENOENT", "no-object", `there is no access ${this.id}`);
  }

  /** @returns EINVAL (and WARN) it is attached; EADDRINUSE an area is not aligned; ENOENT */
  attach(ioas: Ioas): Outcome<undefined> {
    const bad = this.missing();
    if (bad !== undefined) return bad;
    if (this.now !== undefined || this.forUnpin !== undefined) {
      warn(this.env, "attach-attached", `${this.name} is attached`);
      return failed("EINVAL", "attached", `${this.name} is attached`);
    }
    return ioas.missing() ?? this.change(ioas);
  }

  /** Changes to another address space; its callback is asked to give everything back. */
  replace(ioas: Ioas): Outcome<undefined> {
    const bad = this.missing() ?? this.notAttached();
    return bad ?? ioas.missing() ?? this.change(ioas);
  }

  /** Leaves its address space; its callback is asked to give everything back. */
  detach(): Outcome<undefined> {
    const bad = this.missing();
    if (bad !== undefined) return bad;
    if (this.now === undefined) {
      warn(this.env, "detach-detached", `${this.name} is not attached`);
      return done(undefined);
    }
    return this.change(undefined);
  }

  /** Detaches and is gone. @returns EDEADLOCK from within its own callback, which it waits for */
  destroy(): Outcome<undefined> {
    const bad = this.missing();
    if (bad !== undefined) return bad;
    if (this.running > 0) {
      const message = `${this.name} is destroyed from its own callback, and waits for that`;
      warn(this.env, "destroy-in-callback", message);
      return failed("EDEADLOCK", "destroy-waits-for-callback", message);
    }
    const left = this.now === undefined ? done(undefined) : this.change(undefined);
    if (left.ok) this.gone = true;
    return left;
  }

  private notAttached(): Failed | undefined {
    if (this.now !== undefined) return undefined;
    return failed("ENOENT", "not-attached", `${this.name} is not attached`);
  }

  private change(to: Ioas | undefined): Outcome<undefined> {
    const from = this.now;
    if (from !== this.forUnpin) {
      return failed("EBUSY", "changing", `${this.name} is changing its address space`);
    }
    if (from === to) return done(undefined);
    this.now = undefined;
    if (to !== undefined) {
      const failure = this.join(to);
      if (failure !== undefined) {
        this.now = from;
        return failure;
      }
    }
    if (from !== undefined) {
      this.call(0n, TOP);
      from.accesses[from.accesses.indexOf(this)] = undefined;
      from.domains.realign();
      from.users--;
    }
    this.now = to;
    this.forUnpin = to;
    return done(undefined);
  }

  /** Takes the lowest free slot. */
  private join(ioas: Ioas): Failed | undefined {
    if (!this.env.allocations.take("access_list")) {
      return failed("ENOMEM", "no-memory", "there was no memory for access_list");
    }
    const free = ioas.accesses.indexOf(undefined);
    const slot = free < 0 ? ioas.accesses.length : free;
    ioas.accesses[slot] = this;
    const failure = ioas.domains.realign();
    if (failure !== undefined) ioas.accesses[slot] = undefined;
    else ioas.users++;
    return failure;
  }

  /** @internal */
  notifyUnmap(iova: bigint, length: bigint): void {
    this.call(iova, length);
  }

  private call(iova: bigint, length: bigint): void {
    if (this.callback === undefined) return;
    this.notifications++;
    this.env.counters.notifications++;
    this.running++;
    try {
      this.callback(this, iova, length);
    } finally {
      this.running--;
    }
  }

  /**
   * Pins [iova, iova + length) and gives its frames, one a page. All or nothing.
   * @returns EINVAL empty, closed by an unmap, not aligned, or a driver that may not pin;
   * EOVERFLOW; ENOENT not attached, or a hole; EPERM; EFAULT; ENOMEM
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE
   */
  pin(iova: Bytes, length: Bytes, { write = false }: PinAccess = {}): Outcome<Float64Array> {
    const first = checkBytes("iova", iova);
    const bytes = checkBytes("length", length);
    const range = this.checkPin(first, bytes);
    if ("ok" in range) return range;
    const frames = new Float64Array(Number((bytes + PAGE_BYTES - 1n) / PAGE_BYTES));
    const pinned: AreaPart[] = [];
    let at = 0;
    let failure: Failed | undefined;
    for (const part of range.ioas.areas.contiguous(first, range.last)) {
      failure = this.pinPart(part, write, frames, at);
      if (failure !== undefined) break;
      pinned.push(part);
      at += indexAt(part.area, part.to) - indexAt(part.area, part.from) + 1;
    }
    if (failure === undefined && pinned.at(-1)?.whole !== true) {
      const end = pinned.at(-1)?.to;
      const hole = end === undefined ? first : end + 1n;
      failure = failed("ENOENT", "hole", `nothing is mapped at ${hex(hole)}`, at);
    }
    if (failure !== undefined) {
      for (const part of pinned) this.unpinPart(part);
      return failure;
    }
    this.enter(first, bytes);
    return done(frames);
  }

  private checkPin(first: bigint, bytes: bigint): { ioas: Ioas; last: bigint } | Failed {
    const bad = this.missing();
    if (bad !== undefined) return bad;
    const mayPin = this.internal || this.callback !== undefined;
    if (this.alignment !== PAGE_BYTES || !mayPin) {
      warn(this.env, "pin-without-unmap", `${this.name} may not pin`);
      return failed("EINVAL", "may-not-pin", `${this.name} does not pin, or has no callback`);
    }
    return this.checkRange(first, bytes);
  }

  private checkRange(first: bigint, bytes: bigint): { ioas: Ioas; last: bigint } | Failed {
    if (bytes === 0n) return failed("EINVAL", "empty", "length is 0");
    const last = first + bytes - 1n;
    if (last > TOP) return failed("EOVERFLOW", "wraps", `${hex(first)}+${hex(bytes)} wraps`);
    return this.notAttached() ?? { ioas: this.now!, last };
  }

  private pinPart(
    { area, pages, from, to, whole }: AreaPart,
    write: boolean,
    frames: Float64Array,
    at: number,
  ): Failed | undefined {
    if (area.preventAccess) {
      return failed("EINVAL", "closed", `${hex(area.iova)} is being unmapped`, at);
    }
    const endsOnPage = whole || (byteAt(area, area.last) + 1n) % PAGE_BYTES === 0n;
    if (byteAt(area, from) % PAGE_BYTES !== 0n || !endsOnPage) {
      return failed("EINVAL", "misaligned", `${hex(from)} is not at the start of a page`, at);
    }
    if (!(write ? area.prot.write : area.prot.read)) {
      return failed("EPERM", "protection", `${hex(from)} may not be ${verb(write)}`, at);
    }
    const failure = pages.addUser(indexAt(area, from), indexAt(area, to), frames, at);
    if (failure !== undefined) return { ...failure, index: at };
    area.accesses++;
    if (this.internal) area.locks++;
    return undefined;
  }

  private unpinPart({ area, pages, from, to }: AreaPart): boolean {
    if (!pages.removeUser(indexAt(area, from), indexAt(area, to))) return false;
    // As in the kernel: an unsigned count that wraps keeps the area from ever being unmapped.
    area.accesses = area.accesses === 0 ? 2 ** 32 - 1 : area.accesses - 1;
    if (this.internal && area.locks > 0) area.locks--;
    return true;
  }

  /**
   * Gives back what was pinned by the same iova and length. Whatever else is asked for is a WARN,
   * and changes nothing.
   */
  unpin(iova: Bytes, length: Bytes): Unpinned {
    const first = checkBytes("iova", iova);
    const bytes = checkBytes("length", length);
    const from = this.env.warnings.length;
    const parts = this.unpinRange(first, bytes);
    const warnings = this.env.warnings.slice(from).map(({ code }) => code);
    return { parts, warnings };
  }

  private unpinRange(first: bigint, bytes: bigint): number {
    const at = `${this.name}: ${hex(first)}+${hex(bytes)}`;
    const last = first + bytes - 1n;
    if (bytes === 0n || last > TOP) {
      warn(this.env, "unpin-bad-range", at);
      return 0;
    }
    if (this.forUnpin === undefined) {
      warn(this.env, "unpin-detached", `${at}: not attached`);
      return 0;
    }
    let parts = 0;
    let whole = false;
    for (const part of this.forUnpin.areas.contiguous(first, last)) {
      const other = part.area.accesses === 0;
      if (!this.unpinPart(part)) warn(this.env, "unpin-unknown-interval", at);
      else {
        parts++;
        if (other) warn(this.env, "unpin-other-area", at);
      }
      whole = part.whole;
    }
    if (!whole) warn(this.env, "unpin-hole", at);
    if (parts > 0) this.strike(first, bytes);
    return parts;
  }

  private enter(iova: bigint, length: bigint): void {
    const key = `${iova}+${length}`;
    const entry = this.ledger.get(key);
    if (entry !== undefined) entry.count++;
    else this.ledger.set(key, { iova, length, count: 1 });
  }

  private strike(iova: bigint, length: bigint): void {
    const key = `${iova}+${length}`;
    const entry = this.ledger.get(key);
    if (entry === undefined) {
      const message = `${this.name} gave back ${hex(iova)}+${hex(length)}, which it had not pinned`;
      this.env.violations.push({ code: "foreign-unpin", message });
    } else if (--entry.count === 0) this.ledger.delete(key);
  }

  /** Gives back everything that it holds and that overlaps: how many pins. */
  unpinOverlapping(iova: Bytes, length: Bytes): number {
    const first = checkBytes("iova", iova);
    const end = first + checkBytes("length", length);
    let given = 0;
    for (const entry of this.pins) {
      if (entry.iova >= end || entry.iova + entry.length <= first) continue;
      for (let left = entry.count; left > 0; left--) {
        given += this.unpin(entry.iova, entry.length).parts > 0 ? 1 : 0;
      }
    }
    return given;
  }

  /**
   * Copies bytes from (by default) or to mapped memory. What was copied before a failure stays.
   * @returns EINVAL empty or closed; EOVERFLOW; ENOENT; EPERM; EFAULT; ENOMEM
   * @throws ArgumentError E_TYPE
   */
  rw(iova: Bytes, data: Uint8Array, options: RwOptions = {}): Outcome<undefined> {
    const first = checkBytes("iova", iova);
    if (!(data instanceof Uint8Array)) {
      throw new ArgumentError("E_TYPE", "data must be a Uint8Array", { argument: "data" });
    }
    const range = this.missing() ?? this.checkRange(first, BigInt(data.length));
    if ("ok" in range) return range;
    let whole = false;
    for (const { area, pages, from, to, ...part } of range.ioas.areas.contiguous(
      first,
      range.last,
    )) {
      if (area.preventAccess) return failed("EINVAL", "closed", `${hex(area.iova)} is unmapped`);
      const { write = false } = options;
      if (!(write ? area.prot.write : area.prot.read)) {
        return failed("EPERM", "protection", `${hex(from)} may not be ${verb(write)}`);
      }
      const bytes = data.subarray(Number(from - first), Number(to - first) + 1);
      const failure = rwPages(this.env, pages, byteAt(area, from), bytes, options);
      if (failure !== undefined) return failure;
      ({ whole } = part);
    }
    if (whole) return done(undefined);
    return failed("ENOENT", "hole", `not all of ${hex(first)} is mapped`);
  }

  /**
   * vfio_pin_pages on top: any byte of the first page, as many pages as one likes.
   * @returns how many pages; EINVAL none asked for
   */
  vfioPinPages(iova: Bytes, pages: number, access: PinAccess = {}): Outcome<number> {
    const first = checkBytes("iova", iova);
    if (pages <= 0) return failed("EINVAL", "empty", `${pages} pages`);
    const start = first - (first % PAGE_BYTES);
    const outcome = this.pin(start, checkBytes("pages", pages) * PAGE_BYTES, access);
    return outcome.ok ? done(pages) : outcome;
  }

  /** vfio_unpin_pages on top. */
  vfioUnpinPages(iova: Bytes, pages: number): Unpinned {
    const first = checkBytes("iova", iova);
    return this.unpin(first - (first % PAGE_BYTES), checkBytes("pages", pages) * PAGE_BYTES);
  }
}

function callbackOf(unmap: AccessOptions["unmap"]): UnmapCallback | undefined {
  if (typeof unmap === "function") return unmap;
  if (unmap === "none") return undefined;
  if (unmap === "ignore") return () => {};
  return (access, iova, length) => {
    access.unpinOverlapping(iova, length);
  };
}

function verb(write: boolean): string {
  return write ? "written" : "read";
}
