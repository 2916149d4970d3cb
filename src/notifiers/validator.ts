/** What is true of interval subscribers at any time, by name (notifiers.md 7.1, 1 to 3). */
import { checkTree, INTERVAL_TREE_INVARIANTS } from "../interval-tree-validator.js";
import type { Violation } from "../violation.js";
import type { MmuNotifiers } from "./mmu-notifiers.js";

/** Words of the header and of a row, and flags: as in assembly/notifiers/rows.ts. */
const SEQ = 0;
const ACTIVE = 1;
const DEFERRED = 2;
const OFF_ROWS = 5;
const WAITING = 9;
const COUNT = 10;
const ROW_WORDS = 16;
const ROW_SEQ = 8;
const ROW_NEXT = 9;
const ROW_PREV = 10;
const ROW_FLAGS = 11;
const USED = 1;
const PLACED = 2;
const LISTED = 4;
const MOVED = 8;
const LEAVING = 32;
/** Of the tree's header: as in assembly/interval-tree/node.ts. */
const H_HANDLES = 8;
const MOST = 100;

const OF_SUBSCRIBERS = {
  OddMeansOpen: "The sequence is odd only while a bracket is open.",
  DeferredOnlyWhileOdd: "Changes wait only while the sequence is odd.",
  StampsAreOdd: "The stamp of every subscriber is odd.",
  PlacedAreInTree: "Those in place, and no others, are in the tree, with their intervals.",
  ListIsWhole: "The list of changes names each row with one once, and links them both ways.",
  RowsAddUp: "Rows in use, and changes that will need room, are counted.",
} as const;

/** Names of the invariants, and what they say: those of the tree and those of its subscribers. */
export const NOTIFIER_INVARIANTS = { ...INTERVAL_TREE_INVARIANTS, ...OF_SUBSCRIBERS } as const;

class Reader {
  private readonly violations: Violation[] = [];
  private readonly u32: Uint32Array;
  private readonly base: number;
  private readonly rowsAt: number;
  private readonly tree: number;

  constructor(notifiers: MmuNotifiers) {
    const { u32, base, tree } = notifiers.raw();
    this.u32 = u32;
    this.base = base >> 2;
    this.rowsAt = this.base + (u32[this.base + OFF_ROWS] >> 2);
    this.tree = tree;
  }

  private report(invariant: keyof typeof OF_SUBSCRIBERS, detail: string): void {
    this.violations.push({ invariant, detail });
  }

  private word(index: number): number {
    return this.u32[this.base + index];
  }

  private row(row: number, index: number): number {
    return this.u32[this.rowsAt + row * ROW_WORDS + index];
  }

  private page(row: number, index: number): bigint {
    const high = BigInt(this.row(row, index + 1));
    return (high << 32n) | BigInt(this.row(row, index));
  }

  check(): Violation[] {
    const isOdd = this.word(SEQ) % 2 === 1;
    if (isOdd && this.word(ACTIVE) === 0) this.report("OddMeansOpen", `seq ${this.word(SEQ)}`);
    if (!isOdd && this.word(DEFERRED) !== 0) {
      this.report("DeferredOnlyWhileOdd", `row ${this.word(DEFERRED) - 1} waits`);
    }
    const placed = this.rows();
    this.list();
    const { u32, tree } = this;
    const used = this.used.length;
    const inTree = checkTree(
      u32,
      tree,
      ({ start, last, value, slot }) => {
        const isThere = placed.delete(slot) && value === slot;
        if (isThere && this.page(slot, 0) === start && this.page(slot, 2) === last) return;
        this.report("PlacedAreInTree", `[${start}, ${last}], row ${value}, slot ${slot}`);
      },
      used - placed.size,
    );
    for (const row of placed) this.report("PlacedAreInTree", `row ${row} is not in the tree`);
    return [...inTree, ...this.violations].slice(0, MOST);
  }

  private readonly used: number[] = [];

  /** Looks at every row; those in place. */
  private rows(): Set<number> {
    const placed = new Set<number>();
    let staying = 0;
    let waiting = 0;
    const handles = this.u32[(this.tree >> 2) + H_HANDLES];
    for (let row = 0; row < handles; row++) {
      const flags = this.row(row, ROW_FLAGS);
      if ((flags & USED) === 0) continue;
      this.used.push(row);
      if ((flags & LEAVING) === 0) staying++;
      if ((flags & PLACED) !== 0) placed.add(row);
      if ((flags & LISTED) !== 0 && (flags & (PLACED | MOVED)) !== PLACED) waiting++;
      const stamp = this.row(row, ROW_SEQ);
      if (stamp % 2 === 0) this.report("StampsAreOdd", `row ${row}: ${stamp}`);
    }
    if (staying !== this.word(COUNT) || waiting !== this.word(WAITING)) {
      const counted = `${this.word(COUNT)} and ${this.word(WAITING)}`;
      this.report("RowsAddUp", `${staying} stay, ${waiting} wait for room; counted: ${counted}`);
    }
    return placed;
  }

  private list(): void {
    const listed = new Set(this.used.filter((row) => (this.row(row, ROW_FLAGS) & LISTED) !== 0));
    let before = 0;
    for (let at = this.word(DEFERRED); at !== 0; at = this.row(at - 1, ROW_NEXT)) {
      if (!listed.delete(at - 1) || this.row(at - 1, ROW_PREV) !== before) {
        this.report("ListIsWhole", `row ${at - 1} behind ${before - 1}`);
        return;
      }
      before = at;
    }
    for (const row of listed) this.report("ListIsWhole", `row ${row} is not in it`);
  }
}

/** Checks every invariant of an mm's interval subscribers. Reads all; at most 100 violations. */
export function validateNotifiers(notifiers: MmuNotifiers): Violation[] {
  return new Reader(notifiers).check();
}
