/** Looks into the table of a store: which block is in which form. */
import type { PinnedPages } from "../../src/index.js";

export const FORMS = ["lone", "2", "8", "32", "128", "dense"] as const;

/** Bytes of an empty store: its header and the least table. */
export const EMPTY_BYTES = 1_024;

/** As in assembly/pinned-pages/rows.ts. */
export function formsOf(pins: PinnedPages): Map<number, number> {
  const { u8, at } = pins.raw();
  const u32 = new Uint32Array(u8.buffer, at);
  const forms = new Map<number, number>();
  const table = u32[0] / 4;
  for (let i = 0; i < 4 * 2 ** u32[1]; i += 4) {
    const [low, high] = [u32[table + i], u32[table + i + 1]];
    if (low !== 0) forms.set(high * 2 ** 11 + (low >>> 21), low & 15);
  }
  return forms;
}

/**
 * The heap of a store that may have no more than its first megabyte ends after so many bytes. As in
 * assembly/pinned-pages/rows.ts.
 */
export function endMemory(pins: PinnedPages, bytes: number): void {
  const { u8, at } = pins.raw();
  new DataView(u8.buffer).setUint32(at + 16, bytes, true);
}

/** How often a block was seen to come into each form from a smaller one, and from a larger one. */
export class FormsSeen {
  readonly grown = FORMS.map(() => 0);
  readonly shrunk = FORMS.map(() => 0);
  private before = new Map<number, number>();

  look(pins: PinnedPages): void {
    const now = formsOf(pins);
    for (const [block, form] of now) {
      const old = this.before.get(block) ?? -1;
      if (form > old) this.grown[form]++;
      if (form < old) this.shrunk[form]++;
    }
    this.before = now;
  }

  add(other: FormsSeen): void {
    FORMS.forEach((_, form) => {
      this.grown[form] += other.grown[form];
      this.shrunk[form] += other.shrunk[form];
    });
  }
}
