/** Page faults of a recording, as jobs: what was present, what is now, what had to be guessed. */
import * as abi from "../core/abi.js";
import { pagesOf } from "../core/geometry.js";
import type { PageFault } from "../traces/events.js";
import { AROUND, aroundOf } from "./around.js";
import { type Space, VMA_INFERRED, VMA_KNOWN, rights, type VmaView, withRights } from "./spaces.js";
import type { Stage, Thread, Where } from "./stage.js";

/** x86 page-fault error code. */
const PRESENT = 1;
const WRITE = 2;
const FETCH = 16;

type Kind = "anon" | "zero" | "file";

/** Replays one fault of `thread`, which runs on its CPU. */
export function replayFault(
  stage: Stage,
  thread: Thread & { space: Space },
  event: PageFault,
  cause: string,
): void {
  if (event.vpn >= pagesOf(stage.machine.geometry)) return;
  new Fault(stage, thread.space, event, cause).serve();
}

class Fault {
  private readonly vpn: number;
  private readonly isWrite: boolean;
  private readonly where: Where;

  constructor(
    private readonly stage: Stage,
    private readonly space: Space,
    private readonly event: PageFault,
    cause: string,
  ) {
    this.vpn = event.vpn;
    this.isWrite = (event.errorCode & WRITE) !== 0;
    this.where = { cpu: event.cpu, tid: event.tid, timeNs: event.timeNs, cause };
  }

  serve(): void {
    const { vpn, space, event } = this;
    // Both are served under the page table's lock: the other first.
    this.stage.settleOthers(event.cpu, space, vpn, vpn + 1);
    const vma = this.vma();
    if (vma === null) return;
    if (this.isWrite) this.stage.written(vma, this.where);
    if ((this.event.errorCode & PRESENT) !== 0) {
      if (this.isWrite) this.writeProtected(vma);
      return;
    }
    this.notPresent(vma);
  }

  /** The VMA, guessed if nobody saw it; null when the access is not allowed: that is a signal. */
  private vma(): VmaView | null {
    const { space, vpn, event } = this;
    const vma = space.vma(vpn);
    const wanted = this.isWrite ? 3 : (event.errorCode & FETCH) !== 0 ? 5 : 1;
    if (vma === null) {
      this.stage.inferred.vmas++;
      const unwritten = this.isWrite ? 0 : abi.VMA_UNWRITTEN;
      return this.map(wanted | VMA_KNOWN | VMA_INFERRED | unwritten);
    }
    if ((vma.prot & wanted) === wanted) return vma;
    if ((vma.prot & VMA_INFERRED) === 0) return null;
    return this.map(withRights(vma.prot, vma.prot | wanted));
  }

  private map(prot: number): VmaView {
    const { vpn } = this;
    this.space.assume({ start: vpn, end: vpn + 1, prot });
    return { start: vpn, end: vpn + 1, prot };
  }

  /** A write to a page that is present and read-only. */
  private writeProtected(vma: VmaView): void {
    const { space, vpn } = this;
    const inferred = (vma.prot & VMA_INFERRED) !== 0;
    const flags = space.entry(vpn);
    if ((flags & abi.PTE_P) === 0) {
      if (flags !== 0) this.forget();
      const known = space.touched.has(vpn);
      const related = known ? space.before : space.before || space.hasFamily;
      const isAnon = inferred ? related : (vma.prot & abi.VMA_FILE) === 0;
      this.present(vma, isAnon ? "anon" : "file");
      if (!known) this.share(isAnon);
      this.stage.inferred.pages++;
    } else if ((flags & abi.PTE_W) !== 0) {
      if (!space.maybeZero.has(vpn)) return;
      this.forget();
      this.present(vma, "zero");
    }
    space.maybeZero.delete(vpn);
    this.run("fault.write", { vpn });
    space.appeared(vpn, this.event.timeNs, this.event.tid);
  }

  private notPresent(vma: VmaView): void {
    const { space, vpn, event, isWrite } = this;
    const flags = space.entry(vpn);
    if ((flags & abi.PTE_P) !== 0) {
      if (space.raced(vpn, event.timeNs, event.tid)) {
        // The other thread's fault came first: this one finds its page.
        if (isWrite && (flags & abi.PTE_W) === 0) this.run("fault.write", { vpn });
        else if (!isWrite && (flags & abi.PTE_W) !== 0) space.maybeZero.add(vpn);
        return;
      }
      this.forget();
    } else if (flags !== 0) {
      this.forget();
    }
    space.maybeZero.delete(vpn);
    const inferred = (vma.prot & VMA_INFERRED) !== 0;
    const isPrivateFile = (vma.prot & (abi.VMA_FILE | abi.VMA_SHARED)) === abi.VMA_FILE;
    if (isWrite) this.run("fault.write", { vpn });
    else if (inferred) this.present(vma, "file");
    else if (isPrivateFile) this.around(vma);
    else if ((vma.prot & abi.VMA_SHARED) !== 0) this.sharedAround(vma);
    else this.run("fault.read", { vpn });
    space.appeared(vpn, event.timeNs, event.tid);
  }

  private around(vma: VmaView): void {
    const { space, vpn, event } = this;
    const { start, end } = aroundOf(space, vma, vpn);
    this.run("map.around", { start, end, prot: readOnly(vma.prot) });
    // A short mapping may end before the faulting page's sixteen: its own page always appears.
    if (vpn >= end) this.present(vma, "file");
    for (let page = start; page < end; page++) space.appeared(page, event.timeNs, event.tid);
  }

  /** Shared memory: of its neighbours those appear that somebody has touched before. */
  private sharedAround(vma: VmaView): void {
    const { space, vpn, event } = this;
    const first = Math.max(Math.floor(vpn / AROUND) * AROUND, vma.start);
    const end = Math.min(first + AROUND, vma.end);
    // Without a file behind it, nobody wants to hear of the first write: they are writable at once.
    const isFile = (vma.prot & abi.VMA_FILE) !== 0;
    const prot = isFile ? readOnly(vma.prot) : rights(vma.prot);
    for (let page = first; page < end; page++) {
      if (page === vpn || !space.touched.has(page)) continue;
      if ((space.entry(page) & abi.PTE_P) !== 0) continue;
      this.run("map.around", { start: page, end: page + 1, prot });
      space.appeared(page, event.timeNs, event.tid);
    }
    this.run("fault.read", { vpn });
  }

  private forget(): void {
    this.run("infer.absent", { start: this.vpn, end: this.vpn + 1 }, true);
  }

  private present(vma: VmaView, kind: Kind): void {
    this.run(`infer.${kind}`, { vpn: this.vpn, prot: readOnly(vma.prot) }, true);
    this.space.touched.add(this.vpn);
  }

  /** Relatives that never touched the page have had it since they were forked. */
  private share(isAnon: boolean): void {
    const { vpn, space } = this;
    for (const other of space.family) {
      if (other === space || other.touched.has(vpn)) continue;
      other.touched.add(vpn);
      if (isAnon && other.entry(vpn) === 0) {
        this.run("infer.share", { vpn, mm: other.row + 1 }, true);
      }
    }
  }

  private run(name: string, args: Readonly<Record<string, number>>, muted = false): void {
    this.stage.run(name, args, this.where, { muted });
  }
}

/** The flags of an entry that appears read-only. */
function readOnly(prot: number): number {
  return prot & (abi.PROT_READ | abi.PROT_EXEC);
}
