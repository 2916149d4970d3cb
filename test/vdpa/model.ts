/**
 * vhost-vdpa once more, slow and plain: lists of entries, one page at a time, written from
 * vfio-vdpa.md 3. It shares no code with the library but the names of features.
 */
import type { ModelParentOptions, VdpaEraName } from "../../src/index.js";

export interface Entry {
  asid: number;
  start: number;
  last: number;
  addr: number;
  perm: number;
}

export type View = "identity" | Entry[];

/** A mapping of the process: frames one a page. */
export interface Area {
  first: number;
  last: number;
  kind: "anon" | "file" | "pfnmap";
  shared: boolean;
  write: boolean;
  frames: number[];
}

export interface Answer {
  errno?: string;
  inner?: string;
}

const OK: Answer = {};
const PAGE = 4096n;
const TOP = 1n << 64n;
const bit = (mask: bigint, n: number): boolean => ((mask >> BigInt(n)) & 1n) === 1n;
const no = (errno: string): Answer => ({ errno, inner: errno });

/** Pages of a message for the IOMMU, which takes whole ones only. */
function whole({ iova, size }: { iova: bigint; size: bigint }): number {
  return iova % PAGE === 0n && size % PAGE === 0n ? Number(size / PAGE) : 0;
}

interface Pinning {
  asid: number;
  perm: number;
  /** Pages pinned so far, and I/O page and frame of each. */
  pinned: { page: number; frame: number }[];
}

export class VdpaModel {
  entries: Entry[] = [];
  views = new Map<number, View>();
  domain: Entry[] = [];
  spaces: number[] = [];
  inBatch = false;
  batchAsid = 0;
  acked = 0n;
  status = 0;
  suspended = false;
  isOpen = false;
  hasOwner = false;
  hasQueues = false;
  pinnedVm = 0;
  rlimit = Infinity;
  refs = new Map<number, number>();
  groups: number[];
  areas: Area[] = [];
  calls: string[] = [];
  pins = 0;
  unpins = 0;
  clears = 0;
  waiting: Entry[] = [];
  fails: { op: string; after: number; errno: string }[] = [];
  faults = new Map<number, string>();
  /** Allocations until one fails; 0: none does. */
  failAlloc = 0;

  constructor(
    readonly parent: ModelParentOptions,
    readonly era: VdpaEraName,
    readonly order: "unpin-first" | "unmap-first",
    readonly failedRun: "unpinned" | "leaked",
  ) {
    this.groups = new Array<number>(parent.groups ?? 1).fill(0);
    for (let asid = 0; asid < this.parentAsids; asid++) this.toDefault(asid);
  }

  get parentAsids(): number {
    return this.parent.addressSpaces ?? 1;
  }

  get asids(): number {
    return this.era === "5.15" ? 1 : this.parentAsids;
  }

  get kind(): ModelParentOptions["mapping"] {
    return this.parent.mapping;
  }

  private get late(): boolean {
    return this.era === "6.7" || this.era === "7.0";
  }

  /* The parent. */

  private failing(op: string): string | undefined {
    let found: string | undefined;
    const left = [];
    for (const each of this.fails) {
      if (each.op !== op) left.push(each);
      else if (each.after === 1) found ??= each.errno;
      else left.push({ ...each, after: each.after - 1 });
    }
    this.fails = left;
    return found;
  }

  private alloc(): boolean {
    if (this.failAlloc === 0) return true;
    this.failAlloc--;
    return this.failAlloc !== 0;
  }

  private call(text: string, errno: string | undefined): string | undefined {
    this.calls.push(errno === undefined ? text : `${text} ${errno}`);
    return errno;
  }

  private toDefault(asid: number): void {
    const { identity = "none" } = this.parent;
    const is = identity === "all" || (identity === "first" && asid === 0);
    this.views.set(asid, is ? "identity" : []);
  }

  viewOf(asid: number): View {
    if (this.kind === "platform") return asid === 0 ? this.domain : [];
    return this.views.get(asid) ?? [];
  }

  push(asid: number): string | undefined {
    const mine = this.of(asid);
    const errno = this.failing("setMap");
    if (errno === undefined) this.views.set(asid, mine);
    else if (this.parent.failedSetMap === "empties") this.views.set(asid, []);
    this.call(`set-map ${asid} ${mine.length}`, errno);
    this.releaseWaiting();
    return errno;
  }

  private entered(asid: number): Entry[] {
    const view = this.viewOf(asid);
    if (view !== "identity") return view;
    this.views.set(asid, []);
    return [];
  }

  private down(e: Entry): string | undefined {
    const text = `${e.asid} ${e.start} ${e.last - e.start + 1}`;
    if (this.kind === "set-map") return this.inBatch ? undefined : this.push(e.asid);
    if (this.kind === "dma-map") {
      const errno = this.failing("dmaMap");
      if (errno === undefined) this.views.set(e.asid, [...this.entered(e.asid), e]);
      return this.call(`dma-map ${text}`, errno);
    }
    let errno = this.failing("iommuMap");
    if (errno === undefined && this.domain.some((d) => d.start <= e.last && d.last >= e.start)) {
      errno = "EEXIST";
    }
    if (errno === undefined) this.domain.push(e);
    return this.call(`iommu-map ${text}`, errno);
  }

  private gone(asid: number, start: number, last: number, pages: number): void {
    if (this.kind === "dma-map") {
      const errno = this.failing("dmaUnmap");
      if (errno === undefined) {
        const left = this.entered(asid).filter((e) => e.start > last || e.last < start);
        this.views.set(asid, left);
      }
      this.call(`dma-unmap ${asid} ${start} ${pages}`, errno);
    }
    if (this.kind === "platform") {
      // Page by page, up to the first that is not mapped.
      for (let page = start; page < start + pages; page++) {
        const at = this.domain.findIndex((e) => e.start <= page && e.last >= page);
        if (at < 0) break;
        const [e] = this.domain.splice(at, 1);
        if (e.start < page) this.domain.push({ ...e, last: page - 1 });
        if (e.last > page) {
          this.domain.push({ ...e, start: page + 1, addr: e.addr + page + 1 - e.start });
        }
      }
      this.call(`iommu-unmap ${asid} ${start} ${pages}`, undefined);
    }
  }

  /* Entries. */

  of(asid: number): Entry[] {
    return this.entries.filter((e) => e.asid === asid).sort((a, b) => a.start - b.start);
  }

  private ref(frame: number, by: number): void {
    this.refs.set(frame, (this.refs.get(frame) ?? 0) + by);
  }

  private unpinFrames(addr: number, n: number): void {
    if (n === 0) return;
    for (let i = 0; i < n; i++) this.ref(addr + i, -1);
    this.unpins += n;
  }

  private release(e: Entry): void {
    if (this.parent.useVa === true) return;
    const n = e.last - e.start + 1;
    this.unpinFrames(e.addr, n);
    this.pinnedVm -= n;
  }

  private releaseWaiting(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const e of waiting) this.release(e);
  }

  private add(e: Entry): string | undefined {
    if (!this.alloc()) return "ENOMEM";
    this.entries.push(e);
    const errno = this.down(e);
    if (errno !== undefined) this.entries = this.entries.filter((each) => each !== e);
    else if (this.parent.useVa !== true) this.pinnedVm += e.last - e.start + 1;
    return errno;
  }

  private drop(asid: number, hit: (e: Entry) => boolean, tells: boolean): void {
    for (const e of this.of(asid).filter(hit)) {
      const n = e.last - e.start + 1;
      const now = tells && this.kind !== "set-map";
      if (this.order === "unpin-first") this.release(e);
      if (now) this.gone(asid, e.start, e.last, n);
      if (this.order === "unmap-first") {
        if (now) this.release(e);
        else this.waiting.push(e);
      }
      this.entries = this.entries.filter((each) => each !== e);
    }
  }

  /** `first` and `last`: bytes, the last one included, modulo 2^64. */
  private unmap(asid: number, first: bigint, last: bigint, pages: number): void {
    const perEntry = this.era !== "5.15";
    const hit = (e: Entry): boolean =>
      BigInt(e.start) * PAGE <= last && BigInt(e.last + 1) * PAGE - 1n >= first;
    this.drop(asid, hit, perEntry);
    if (!perEntry) {
      const start = Number(first / PAGE);
      if (this.kind === "dma-map") this.goneRange(asid, start, Number(last / PAGE), pages);
      else if (this.kind === "platform") this.gone(asid, start, start + pages - 1, pages);
      this.releaseWaiting();
    }
    if (this.kind === "set-map" && !this.inBatch) this.push(asid);
  }

  /** dma_unmap of a range that may be empty, or turned round: then nothing is taken away. */
  private goneRange(asid: number, start: number, last: number, pages: number): void {
    if (last >= start - 1) {
      this.gone(asid, start, last, pages);
      return;
    }
    const errno = this.failing("dmaUnmap");
    if (errno === undefined) this.views.set(asid, this.entered(asid));
    this.call(`dma-unmap ${asid} ${start} ${pages}`, errno);
  }

  /* The file. */

  private reset(): Answer {
    this.suspended = false;
    const flag = this.late && this.hasQueues && !bit(this.acked, 8);
    const compat = flag && this.parent.resetClears === "if-told";
    const errno = this.failing(compat ? "compatReset" : "reset");
    this.call(compat ? "compat-reset" : "reset", errno);
    if (errno !== undefined) return no(errno);
    this.groups.fill(0);
    if (this.parent.resetClears === "always" || compat) {
      this.clears++;
      for (let asid = 0; asid < this.parentAsids; asid++) this.toDefault(asid);
    }
    this.status = 0;
    return OK;
  }

  open(): Answer {
    if (this.isOpen) return no("EBUSY");
    this.inBatch = false;
    const answer = this.reset();
    if (answer.errno !== undefined) return answer;
    if (!this.alloc()) return no("ENOMEM");
    if (this.kind === "platform" && !this.alloc()) return no("EIO");
    this.acked = 0n;
    this.isOpen = true;
    this.hasQueues = true;
    if (this.era === "5.15") this.spaces = [0];
    return OK;
  }

  close(): Answer {
    if (!this.isOpen) return no("EBADF");
    this.inBatch = false;
    this.reset();
    for (const asid of [...this.spaces].sort((a, b) => a - b)) {
      this.drop(asid, () => true, this.era !== "5.15");
      if (this.late && this.parent.resetMap === true) {
        const errno = this.failing("resetMap");
        if (errno === undefined) this.toDefault(asid);
        this.call(`reset-map ${asid}`, errno);
      }
      if (this.kind !== "platform") this.releaseWaiting();
    }
    this.domain = [];
    if (this.kind === "platform") this.calls.push("domain-free");
    this.releaseWaiting();
    this.spaces = [];
    this.isOpen = false;
    this.hasOwner = false;
    this.hasQueues = false;
    return OK;
  }

  setOwner(): Answer {
    if (!this.isOpen) return no("EBADF");
    if (this.hasOwner) return no("EBUSY");
    const errno = this.parent.useVa === true ? this.failing("bindMm") : undefined;
    if (errno !== undefined) return no(errno);
    this.hasOwner = true;
    return OK;
  }

  get offered(): bigint {
    const { mapping, resetMap, suspend, resume, backendFeatures = 0n } = this.parent;
    let mask = 0b1110n | backendFeatures;
    if (suspend === true) mask |= 1n << 4n;
    if (resume === true) mask |= 1n << 5n;
    if (this.parent.hasDescriptorGroup === true) mask |= 1n << 7n;
    if (mapping === "platform" || resetMap === true) mask |= 1n << 8n;
    return mask & this.known;
  }

  private get known(): bigint {
    return this.late ? 0x1fen : this.era === "6.6" ? 0x7en : 0x6n;
  }

  setFeatures(mask: bigint): Answer {
    if (!this.isOpen) return no("EBADF");
    if ((mask & ~this.known) !== 0n) return no("EOPNOTSUPP");
    for (const one of [4, 5]) {
      if (bit(mask, one) && !bit(this.offered, one)) return no("EOPNOTSUPP");
    }
    if (bit(mask, 7) && !bit(mask, 3)) return no("EINVAL");
    for (const one of [7, 8]) {
      if (bit(mask, one) && !bit(this.offered, one)) return no("EOPNOTSUPP");
    }
    this.acked = mask;
    return OK;
  }

  setStatus(status: number): Answer {
    if (!this.isOpen) return no("EBADF");
    if (status === 0) return this.reset();
    if ((this.status & ~status) !== 0) return no("EINVAL");
    this.status = status;
    return OK;
  }

  halt(op: "suspend" | "resume"): Answer {
    if (!this.isOpen) return no("EBADF");
    if ((this.status & 4) === 0) return OK;
    if (this.parent[op] !== true) return no("EOPNOTSUPP");
    const errno = this.call(op, this.failing(op));
    if (errno !== undefined) return no(errno);
    this.suspended = op === "suspend";
    return OK;
  }

  setGroupAsid(group: number, asid: number): Answer {
    if (!this.isOpen) return no("EBADF");
    if (group >= (this.parent.virtqueues ?? 2)) return no("ENOBUFS");
    if (asid >= this.parentAsids) return no("EINVAL");
    if (this.parentAsids < 2) return no("EOPNOTSUPP");
    const errno = this.failing("setGroupAsid");
    if (errno !== undefined) return no(errno);
    if (group >= this.groups.length) return no("EINVAL");
    this.groups[group] = asid;
    return OK;
  }

  /* Messages. */

  write(
    m: { type: number; version: number; asid: number; perm: number } & Record<
      "iova" | "size" | "uaddr",
      bigint
    >,
    isOwner: boolean,
  ): Answer {
    if (!this.isOpen) return no("EBADF");
    if (m.version !== 1 && m.version !== 2) return no("EINVAL");
    if (m.type === 2 && m.size === 0n) return no("EINVAL");
    const asid = m.version === 2 && bit(this.acked, 3) ? m.asid : 0;
    const inner = this.inside(m, asid, isOwner);
    return inner === undefined ? OK : { errno: "EFAULT", inner };
  }

  private inside(
    m: Parameters<VdpaModel["write"]>[0],
    asid: number,
    isOwner: boolean,
  ): string | undefined {
    if (!this.hasOwner || !isOwner) return "EPERM";
    if ((m.type === 2 || m.type === 5) && !this.spaces.includes(asid)) {
      if (asid >= this.asids || !this.alloc()) return "EINVAL";
      this.spaces.push(asid);
    }
    if (this.inBatch && this.batchAsid !== asid) return "EINVAL";
    if (!this.spaces.includes(asid)) return "EINVAL";
    if (m.type === 2) return this.update(m, asid);
    if (m.type === 3) {
      const last = (m.iova + m.size - 1n + TOP) % TOP;
      this.unmap(asid, m.iova, last, whole(m));
    } else if (m.type === 5) {
      this.inBatch = true;
      this.batchAsid = asid;
    } else if (m.type === 6) {
      if (this.inBatch && this.kind === "set-map") this.push(asid);
      this.inBatch = false;
    } else return "EINVAL";
    return undefined;
  }

  private update(m: Parameters<VdpaModel["write"]>[0], asid: number): string | undefined {
    const end = m.iova + m.size - 1n;
    if (end >= TOP) return "EINVAL";
    const overlaps = this.of(asid).some(
      (e) => BigInt(e.start) * PAGE <= end && BigInt(e.last + 1) * PAGE - 1n >= m.iova,
    );
    if (overlaps) return "EEXIST";
    return this.parent.useVa === true ? this.updateVa(m, asid) : this.updatePhysical(m, asid);
  }

  private areaAt(vpn: number): Area | undefined {
    return this.areas.find((a) => a.first <= vpn && a.last >= vpn);
  }

  private updateVa(m: Parameters<VdpaModel["write"]>[0], asid: number): string | undefined {
    const pages = Number(m.size / PAGE);
    const iova = Number(m.iova / PAGE);
    const vpn = Number(m.uaddr / PAGE);
    let i = 0;
    let errno: string | undefined;
    while (i < pages) {
      // The area that ends behind the address, whether or not it begins before it.
      const behind = this.areas.filter((a) => a.last >= vpn + i).sort((a, b) => a.first - b.first);
      if (behind.length === 0) {
        errno = "EINVAL";
        break;
      }
      const area = behind[0];
      const n = Math.min(pages - i, area.last - (vpn + i) + 1);
      if (area.kind === "file" && area.shared) {
        const start = iova + i;
        const entry = { asid, start, last: start + n - 1, addr: vpn + i, perm: m.perm };
        errno = this.alloc() ? this.add(entry) : "ENOMEM";
        if (errno !== undefined) break;
      }
      i += n;
    }
    if (errno !== undefined) {
      const last = (m.iova + BigInt(i) * PAGE - 1n + TOP) % TOP;
      this.unmap(asid, m.iova, last, i);
    }
    return errno;
  }

  private updatePhysical(m: Parameters<VdpaModel["write"]>[0], asid: number): string | undefined {
    if (!this.alloc()) return "ENOMEM";
    const first = Number(m.iova / PAGE);
    const pages = Number((m.iova + m.size - 1n) / PAGE) - first + 1;
    if (pages + this.pinnedVm > this.rlimit) return "ENOMEM";
    const pinning: Pinning = { asid, perm: m.perm, pinned: [] };
    const errno = this.pinAll(pinning, first, Number(m.uaddr / PAGE), pages);
    if (errno !== undefined) {
      this.unmap(asid, m.iova, m.iova + m.size - 1n, whole(m));
    }
    return errno;
  }

  /** Pins 512 pages, looks for the ends of runs in them, and so on. */
  private pinAll(p: Pinning, first: number, vpn: number, pages: number): string | undefined {
    /** Of the run that is open: what is pinned and not mapped. */
    let run: { page: number; frame: number }[] = [];
    let seen = false;
    const mapRun = (): string | undefined => {
      const [{ page, frame }] = run;
      const last = page + run.length - 1;
      return this.add({ asid: p.asid, start: page, last, addr: frame, perm: p.perm });
    };
    const forget = (): void => {
      if (seen || this.failedRun === "unpinned") run.forEach((r) => this.unpinFrames(r.frame, 1));
    };
    for (let from = 0; from < pages; from += 512) {
      const chunk: { page: number; frame: number }[] = [];
      let errno: string | undefined;
      for (let i = from; i < Math.min(pages, from + 512); i++) {
        const frame = this.fault(vpn + i, (p.perm & 2) !== 0, chunk.length === 0);
        if (typeof frame === "string") {
          errno = chunk.length === 0 ? frame : "ENOMEM";
          break;
        }
        this.ref(frame, 1);
        this.pins++;
        chunk.push({ page: first + i, frame });
      }
      if (errno !== undefined) {
        chunk.forEach((r) => this.unpinFrames(r.frame, 1));
        forget();
        return errno;
      }
      seen = true;
      for (let i = 0; i < chunk.length; i++) {
        if (run.length > 0 && chunk[i].frame !== run[run.length - 1].frame + 1) {
          const failed = mapRun();
          if (failed !== undefined) {
            chunk.slice(i).forEach((r) => this.unpinFrames(r.frame, 1));
            forget();
            return failed;
          }
          run = [];
          seen = false;
        }
        run.push(chunk[i]);
      }
    }
    const failed = mapRun();
    if (failed !== undefined) forget();
    return failed;
  }

  /** A fault that fails once does so for good only where it is the first of its chunk. */
  private fault(vpn: number, write: boolean, first: boolean): number | string {
    const area = this.areaAt(vpn);
    if (area === undefined || area.kind === "pfnmap" || (write && !area.write)) return "EFAULT";
    const errno = this.faults.get(vpn);
    if (errno !== undefined) {
      if (first) this.faults.delete(vpn);
      return errno;
    }
    return area.frames[vpn - area.first];
  }

  /** Pages translated to frames nobody holds. */
  exposed(): number {
    if (this.parent.useVa === true) return 0;
    let pages = 0;
    for (let asid = 0; asid < this.asids; asid++) {
      const view = this.viewOf(asid);
      if (view === "identity") continue;
      for (const { start, last, addr } of view) {
        for (let i = 0; i <= last - start; i++) {
          if ((this.refs.get(addr + i) ?? 0) === 0) pages++;
        }
      }
    }
    return pages;
  }
}
