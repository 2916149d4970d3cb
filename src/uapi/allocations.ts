/**
 * The kernel's small allocations, counted by name, each of which may be made to fail: what
 * `fail_nth` does for the kernel's own selftests.
 */

/** See the file comment. */
export class Allocations {
  private readonly counts = new Map<string, number>();
  private total = 0;
  private failAt = Infinity;

  /** Allocations asked for so far, those that failed included. */
  get asked(): number {
    return this.total;
  }

  /** Allocations asked for under a name. */
  askedFor(what: string): number {
    return this.counts.get(what) ?? 0;
  }

  /** Has the one that was to fail been asked for? Then no other fails. */
  get hasFailed(): boolean {
    return this.total >= this.failAt;
  }

  /** The n-th allocation from now on fails, 1 being the next; 0: none does. */
  failNth(n: number): void {
    this.failAt = n > 0 ? this.total + n : Infinity;
  }

  /** False: there is no memory. */
  take(what: string): boolean {
    this.counts.set(what, this.askedFor(what) + 1);
    return ++this.total !== this.failAt;
  }

  /** Would `count` more all succeed? */
  hasRoom(count: number): boolean {
    return this.failAt <= this.total || this.failAt > this.total + count;
  }

  /** As `count` times {@link Allocations.take}, where there is room for all of them. */
  takeMany(what: string, count: number): void {
    this.counts.set(what, this.askedFor(what) + count);
    this.total += count;
  }
}
