/** What is true of every IOTLB, by name: for tests, debugging, and embedders in doubt. */
import { checkTree, type FoundEntry, INTERVAL_TREE_INVARIANTS } from "./interval-tree-validator.js";
import type { Violation } from "./violation.js";
import type { Iotlb } from "./iotlb.js";
import { ASID_LIMIT } from "./iotlb-arguments.js";

/** Words, and places in them: as in assembly/iotlb/rows.ts. */
const OFF_ROWS = 2;
const HEADER_WORDS = 16;
const TABLE_WORDS = 3;
const ROW_WORDS = 6;
const PREV = 3;
const NEXT = 4;
const ASID_AND_PERM = 5;
/** Of the tree's header: as in assembly/interval-tree/node.ts. */
const H_COUNT = 2;

const PAGE_BITS = 52n;
const LAST_PAGE = 2n ** PAGE_BITS - 1n;
const MOST = 100;

/** Of the tables; the tree below them has its own. */
const OF_TABLES = {
  RowsPointHome: "An entry's value is its handle slot, and its row names the entry's ASID.",
  ListsAreWhole: "The list of an ASID names each of its entries once, and links them both ways.",
  TablesAddUp: "The tables count their entries, together as many as the tree has.",
  RightsKnown: "An entry permits reading, writing or both, and translates to pages below 2^52.",
  LimitKept: "No table has more entries than the limit, unless that is ignored.",
  SizesFit: "No entry spans a whole address space, or more than one.",
} as const;

/** Names of the invariants, and what they say: those of the tree and those of the tables. */
export const IOTLB_INVARIANTS = { ...INTERVAL_TREE_INVARIANTS, ...OF_TABLES } as const;

/** Reads the tables and the rows. */
class Reader {
  private readonly violations: Violation[] = [];
  /** Rows of the entries of each ASID. */
  private readonly rows = Array.from({ length: ASID_LIMIT }, () => new Set<number>());
  private readonly u32: Uint32Array;
  private readonly base: number;
  private readonly rowsAt: number;

  constructor(private readonly iotlb: Iotlb) {
    const { u32, base } = iotlb.raw();
    this.u32 = u32;
    this.base = base >> 2;
    this.rowsAt = this.base + (u32[this.base + OFF_ROWS] >> 2);
  }

  private report(invariant: keyof typeof OF_TABLES, detail: string): void {
    if (this.violations.length < MOST) this.violations.push({ invariant, detail });
  }

  check(): Violation[] {
    const { tree } = this.iotlb.raw();
    const ofTree = checkTree(this.u32, tree, (entry) => this.entry(entry));
    let total = 0;
    for (let asid = 0; asid < ASID_LIMIT; asid++) total += this.table(asid);
    const count = this.u32[(tree >> 2) + H_COUNT];
    if (total !== count) this.report("TablesAddUp", `the tables have ${total}, the tree ${count}`);
    return [...ofTree, ...this.violations].slice(0, MOST);
  }

  private entry({ start, last, value, slot }: FoundEntry): void {
    const asid = Number(start >> PAGE_BITS);
    const what = `ASID ${asid} [${start & LAST_PAGE}, ${last & LAST_PAGE}]`;
    if (start >> PAGE_BITS !== last >> PAGE_BITS || last - start === LAST_PAGE) {
      this.report("SizesFit", what);
    }
    const row = this.rowsAt + slot * ROW_WORDS;
    const named = this.u32[row + ASID_AND_PERM] & 0xffff;
    if (value !== slot || named !== asid) {
      this.report("RowsPointHome", `${what}: row ${value} for slot ${slot}, of ASID ${named}`);
    }
    const perm = this.u32[row + ASID_AND_PERM] >>> 16;
    if (perm < 1 || perm > 3 || this.u32[row + 1] >>> 20 !== 0) {
      this.report("RightsKnown", `${what}: permission ${perm}`);
    }
    this.rows.at(asid)?.add(slot);
  }

  /** Checks one table; how many entries it says it has. */
  private table(asid: number): number {
    const at = this.base + HEADER_WORDS + asid * TABLE_WORDS;
    const [count, oldest, newest] = this.u32.subarray(at, at + TABLE_WORDS);
    const rows = this.rows[asid];
    if (count !== rows.size) {
      this.report("TablesAddUp", `ASID ${asid} counts ${count} entries, ${rows.size} are found`);
    }
    const { limit, whenFull } = this.iotlb;
    if (limit !== 0 && whenFull !== "ignore" && count > limit) {
      this.report("LimitKept", `ASID ${asid} has ${count} entries of ${limit}`);
    }
    const listed = new Set<number>();
    let before = 0;
    let row = oldest;
    while (row !== 0 && rows.has(row - 1) && !listed.has(row - 1)) {
      const words = this.rowsAt + (row - 1) * ROW_WORDS;
      if (this.u32[words + PREV] !== before) {
        this.report("ListsAreWhole", `ASID ${asid}: row ${row - 1} is not linked backwards`);
      }
      listed.add(row - 1);
      before = row;
      row = this.u32[words + NEXT];
    }
    if (row !== 0 || before !== newest || listed.size !== rows.size) {
      const detail = `ASID ${asid}: ${listed.size} of ${rows.size} entries are listed, then ${row}`;
      this.report("ListsAreWhole", detail);
    }
    return count;
  }
}

/** Checks every invariant of the tables. Reads all of them; at most 100 violations. */
export function validateIotlb(iotlb: Iotlb): Violation[] {
  return new Reader(iotlb).check();
}
