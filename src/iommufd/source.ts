/** Where the frames of a `pages` object come from: an address space, or a file. */
import { checkWithin } from "../arguments.js";
import type { HostFrames } from "../mm/frames.js";
import type { UserMm } from "../mm/user-mm.js";
import { PAGE_LIMIT } from "../pages.js";
import type { Errno } from "../uapi/errno.js";

/** A file whose pages can be pinned without an address space: a memfd. */
export class SharedFile {
  readonly first: number;

  /** @param first - its first frame, of as many as it has pages; by default fresh ones */
  constructor(
    frames: HostFrames,
    readonly pages: number,
    first?: number,
    readonly name = "memfd",
  ) {
    checkWithin("pages", pages, 1, PAGE_LIMIT);
    this.first =
      first === undefined ? frames.allocate(pages) : checkWithin("first", first, 0, PAGE_LIMIT - 1);
  }
}

/** What was found before the first page that failed. */
export interface Found {
  readonly done: number;
  readonly errno?: Errno;
}

/** See the file comment. `base`: its first page, virtual or of the file. */
export type Source =
  | { readonly kind: "user"; readonly mm: UserMm; readonly base: number }
  | { readonly kind: "file"; readonly file: SharedFile; readonly base: number };

/** Frames of `count` pages from `index` on, to `into`. MMIO (pfnmap) has none to pin. */
export function findFrames(
  source: Source,
  index: number,
  count: number,
  write: boolean,
  into: Float64Array,
): Found {
  const first = source.base + index;
  if (source.kind === "file") return framesOfFile(source.file, first, count, into);
  const { mm } = source;
  const vma = mm.alive ? mm.vmasIn(first, first + count - 1) : [];
  const mmio = vma.find(({ kind }) => kind === "pfnmap");
  const most = mmio === undefined ? count : Math.max(0, mmio.first - first);
  const done = mm.faultInRange(first, most, write, into);
  if (done === count) return { done };
  if (done === most) return { done, errno: "EFAULT" };
  const errno = mm.faultIn(first + done, write);
  return { done, errno: typeof errno === "number" ? "EFAULT" : errno };
}

/** A request beyond the end of the file fails as a whole. */
function framesOfFile(file: SharedFile, first: number, count: number, into: Float64Array): Found {
  if (first + count > file.pages) return { done: 0, errno: "EINVAL" };
  for (let i = 0; i < count; i++) into[i] = file.first + first + i;
  return { done: count };
}

/** The frame of one page, for a copy that pins nothing for long. */
export function findFrame(source: Source, index: number, write: boolean): number | Errno {
  const into = new Float64Array(1);
  const { done, errno } = findFrames(source, index, 1, write, into);
  return done === 1 ? into[0] : (errno ?? "EFAULT");
}

/** Can nothing be faulted in any more? Files outlive processes. */
export function isGone(source: Source): boolean {
  return source.kind === "user" && !source.mm.alive;
}
