/**
 * Page frames and the references that are held to them. Frames are numbers: what costs memory is
 * only where references are, a 4-byte count a frame, 4,096 frames at a time; nearly nothing where
 * those are all held equally often.
 */
import { checkWithin } from "../arguments.js";
import { PAGE_LIMIT } from "../pages.js";

const CHUNK_BITS = 12;
const CHUNK = 1 << CHUNK_BITS;

/** Chunks' worth of zeros that are kept at most: 4 MiB. */
const SPARES = 256;

/**
 * A chunk is looked through for being even where so many frames at least were asked for, to its
 * end: once where somebody goes through all frames, seldom where some are taken to and fro.
 */
const MANY = 64;

interface Chunk {
  /** One a frame; not there while all frames of the chunk are held as often as `held` tells. */
  counts: Uint32Array | undefined;
  held: number;
}

/** The frames of one host. */
export class HostFrames {
  private readonly chunks = new Map<number, Chunk>();
  private readonly reserved: (readonly [number, number])[] = [];
  /** The chunk that was used last. */
  private recentAt = -1;
  private recent: Chunk | undefined;
  /** Zeros: counts of chunks that nobody holds any more. Scattered pins come by the dozen. */
  private readonly spares: Uint32Array[] = [];
  private next: number;
  private sum = 0;
  /** Frames that were given back although nothing was held, oldest first. */
  readonly underflows: number[] = [];

  /** @param first - the first frame that {@link HostFrames.allocate} gives. */
  constructor(first = 0x1000) {
    this.next = checkWithin("first", first, 0, PAGE_LIMIT - 1);
  }

  /** `count` frames that nobody was given yet, one behind the other: the first. */
  allocate(count = 1): number {
    const first = this.next;
    this.next += checkWithin("count", count, 1, PAGE_LIMIT - first);
    return first;
  }

  /** Marks [first, last] as reserved (PageReserved, MMIO): mapped, never charged, never counted. */
  reserve(first: number, last: number): void {
    this.reserved.push([first, last]);
  }

  isReserved(pfn: number): boolean {
    return this.reserved.some(([first, last]) => pfn >= first && pfn <= last);
  }

  /** Closed ranges of reserved frames. */
  get reservedRanges(): readonly (readonly [first: number, last: number])[] {
    return this.reserved;
  }

  /** References held to a frame. */
  refs(pfn: number): number {
    const chunk = this.chunks.get(Math.floor(pfn / CHUNK));
    if (chunk === undefined) return 0;
    return chunk.counts === undefined ? chunk.held / CHUNK : chunk.counts[pfn % CHUNK];
  }

  /** References held to all frames. */
  get held(): number {
    return this.sum;
  }

  /** Frames somebody holds, ascending, with how often. */
  *[Symbol.iterator](): Generator<readonly [pfn: number, refs: number], void, undefined> {
    for (const at of [...this.chunks.keys()].sort((a, b) => a - b)) {
      const { counts, held } = this.chunks.get(at)!;
      for (let i = 0; i < CHUNK; i++) {
        const refs = counts === undefined ? held / CHUNK : counts[i];
        if (refs > 0) yield [at * CHUNK + i, refs];
      }
    }
  }

  /** One reference more to each of `count` frames from `pfn` on. */
  get(pfn: number, count = 1): void {
    this.sum += count;
    for (let done = 0; done < count;) {
      const at = Math.floor((pfn + done) / CHUNK);
      const from = (pfn + done) % CHUNK;
      const part = Math.min(CHUNK - from, count - done);
      const chunk = this.chunkAt(at);
      if (chunk.counts !== undefined || part < CHUNK) {
        const counts = this.countsOf(chunk);
        for (let i = from; i < from + part; i++) counts[i]++;
      }
      chunk.held += part;
      if (part >= MANY && from + part === CHUNK) this.settle(chunk);
      done += part;
    }
  }

  private find(at: number): Chunk | undefined {
    if (this.recentAt === at) return this.recent;
    const chunk = this.chunks.get(at);
    this.recentAt = at;
    this.recent = chunk;
    return chunk;
  }

  private chunkAt(at: number): Chunk {
    const there = this.find(at);
    if (there !== undefined) return there;
    const chunk = { counts: undefined, held: 0 };
    this.chunks.set(at, chunk);
    this.recent = chunk;
    return chunk;
  }

  private countsOf(chunk: Chunk): Uint32Array {
    const { counts, held } = chunk;
    if (counts !== undefined) return counts;
    const zeros = this.spares.pop() ?? new Uint32Array(CHUNK);
    chunk.counts = held === 0 ? zeros : zeros.fill(held / CHUNK);
    return chunk.counts;
  }

  /** All frames of a chunk are held equally often: then one number will do. */
  private settle(chunk: Chunk): void {
    const { counts, held } = chunk;
    if (counts === undefined || held % CHUNK !== 0) return;
    const each = held / CHUNK;
    for (let i = 0; i < CHUNK; i++) if (counts[i] !== each) return;
    chunk.counts = undefined;
    if (this.spares.length < SPARES) this.spares.push(counts.fill(0));
  }

  private forget(at: number, { counts }: Chunk): void {
    this.chunks.delete(at);
    this.recentAt = -1;
    if (counts !== undefined && this.spares.length < SPARES) this.spares.push(counts);
  }

  /** One reference less to each of `count` frames from `pfn` on; how many had none to give. */
  put(pfn: number, count = 1): number {
    let missing = 0;
    for (let done = 0; done < count;) {
      const at = Math.floor((pfn + done) / CHUNK);
      const from = (pfn + done) % CHUNK;
      const part = Math.min(CHUNK - from, count - done);
      missing += this.putIn(at, from, part);
      done += part;
    }
    return missing;
  }

  private putIn(at: number, from: number, count: number): number {
    const chunk = this.find(at);
    const isEven = chunk !== undefined && chunk.counts === undefined && count === CHUNK;
    const counts = chunk === undefined || isEven ? undefined : this.countsOf(chunk);
    let missing = 0;
    if (!isEven) {
      for (let i = from; i < from + count; i++) {
        if (counts === undefined || counts[i] === 0) {
          this.underflows.push(at * CHUNK + i);
          missing++;
        } else counts[i]--;
      }
    }
    this.sum -= count - missing;
    if (chunk !== undefined) {
      chunk.held -= count - missing;
      if (chunk.held === 0) this.forget(at, chunk);
      else if (count >= MANY && from + count === CHUNK) this.settle(chunk);
    }
    return missing;
  }
}
