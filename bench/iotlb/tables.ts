/** Tables by ASID in plain TypeScript: a tree each, or a sorted list each. */
import { PlainTree } from "../interval-tree/plain.js";
import type { Peer } from "./contender.js";

/** As vhost has it: a tree of intervals for each ASID, and what its entries are beside it. */
class TreeTable {
  private readonly tree: PlainTree;
  private readonly starts: Float64Array;
  private readonly addrs: Float64Array;
  private readonly perms: Uint8Array;
  /** Numbers of entries that are gone. */
  private readonly unused: number[] = [];
  private used = 0;

  constructor(most: number) {
    this.tree = new PlainTree(most);
    this.starts = new Float64Array(most);
    this.addrs = new Float64Array(most);
    this.perms = new Uint8Array(most);
  }

  get size(): number {
    return this.tree.size;
  }

  translate(page: number, access: number): number {
    const entry = this.tree.entry(page, page);
    if (entry < 0 || (this.perms[entry] & access) !== access) return -1;
    return this.addrs[entry] + (page - this.starts[entry]);
  }

  clear(): void {
    this.tree.clear();
    this.unused.length = this.used = 0;
  }

  add(start: number, last: number, addr: number, perm: number): number {
    const entry = this.unused.pop() ?? this.used++;
    this.starts[entry] = start;
    this.addrs[entry] = addr;
    this.perms[entry] = perm;
    this.tree.insert(entry, start, last);
    return 1;
  }

  delete(start: number, last: number): number {
    let n = 0;
    for (let entry; (entry = this.tree.entry(start, last)) >= 0; n++) {
      this.tree.remove(entry);
      this.unused.push(entry);
    }
    return n;
  }
}

/** One object an entry, by start; nothing may overlap. */
class SortedTable {
  private readonly list: { start: number; last: number; addr: number; perm: number }[] = [];

  get size(): number {
    return this.list.length;
  }

  /** The first that ends at `page` or later. */
  private find(page: number): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.list[middle].last < page) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  translate(page: number, access: number): number {
    const entry = this.list[this.find(page)];
    if (entry === undefined || entry.start > page || (entry.perm & access) !== access) return -1;
    return entry.addr + (page - entry.start);
  }

  clear(): void {
    this.list.length = 0;
  }

  add(start: number, last: number, addr: number, perm: number): number {
    this.list.splice(this.find(start), 0, { start, last, addr, perm });
    return 1;
  }

  delete(start: number, last: number): number {
    const from = this.find(start);
    let to = from;
    while (to < this.list.length && this.list[to].start <= last) to++;
    this.list.splice(from, to - from);
    return to - from;
  }
}

/** A table for each ASID that has entries. */
abstract class Tables<Table extends TreeTable | SortedTable> implements Peer {
  private readonly tables = new Map<number, Table>();

  protected abstract make(): Table;

  get size(): number {
    let size = 0;
    for (const table of this.tables.values()) size += table.size;
    return size;
  }

  translate(asid: number, page: number): number {
    return this.tables.get(asid)?.translate(page, 1) ?? -1;
  }

  clear(): void {
    for (const table of this.tables.values()) table.clear();
  }

  add(asid: number, start: number, last: number, addr: number): number {
    let table = this.tables.get(asid);
    if (table === undefined) this.tables.set(asid, (table = this.make()));
    return table.add(start, last, addr, 3);
  }

  delete(asid: number, start: number, last: number): number {
    return this.tables.get(asid)?.delete(start, last) ?? 0;
  }
}

export class TreeTables extends Tables<TreeTable> {
  /** @param most entries that a table may have */
  constructor(private readonly most: number) {
    super();
  }

  protected make(): TreeTable {
    return new TreeTable(this.most);
  }
}

export class SortedTables extends Tables<SortedTable> {
  protected make(): SortedTable {
    return new SortedTable();
  }
}
