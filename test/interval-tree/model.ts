/** The slow, obvious interval tree: a list, searched from one end to the other. */
import type { Interval } from "../../src/index.js";

export class IntervalModel {
  entries: Interval[] = [];

  insert(start: number, last: number, value: number, handle: number): void {
    const behind = this.entries.findIndex((e) => e.start > start);
    const at = behind < 0 ? this.entries.length : behind;
    this.entries.splice(at, 0, { start, last, value, handle });
  }

  remove(handle: number): void {
    this.entries = this.entries.filter((e) => e.handle !== handle);
  }

  update(handle: number, start: number, last: number): void {
    const { value } = this.entries.find((e) => e.handle === handle)!;
    this.remove(handle);
    this.insert(start, last, value, handle);
  }

  setValue(handle: number, value: number): void {
    this.entries = this.entries.map((e) => (e.handle === handle ? { ...e, value } : e));
  }

  overlaps(start: number, last: number): Interval[] {
    return this.entries.filter((e) => e.start <= last && e.last >= start);
  }

  firstGap(length: number, from: number, to: number): number | undefined {
    let gap = from;
    for (;;) {
      const hit = this.entries.find((e) => e.start <= gap + length - 1 && e.last >= gap);
      if (hit === undefined) break;
      gap = hit.last + 1;
    }
    return gap <= to && gap + length <= 2 ** 52 ? gap : undefined;
  }

  clear(): void {
    this.entries = [];
  }
}
