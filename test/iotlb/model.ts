/** The slow, obvious IOTLB: a list in the order of insertion, searched from end to end. */
import type { IotlbEntry, IotlbLookup, IotlbOptions, IotlbRights } from "../../src/index.js";

const LAST_PAGE = 2 ** 52 - 1;
const HALF = 2 ** 51;

/** Addition modulo 2^52. */
function wrapped(addr: number, offset: number): number {
  const sum = addr + offset;
  return sum < LAST_PAGE ? sum : Number((BigInt(addr) + BigInt(offset)) % 2n ** 52n);
}

export class IotlbModel {
  entries: IotlbEntry[] = [];

  constructor(private readonly options: Pick<IotlbOptions, "limit" | "whenFull">) {}

  /** Would it refuse the whole space, or any other entry? */
  refuses(asid: number, isWhole: boolean): boolean {
    const { limit = 0, whenFull } = this.options;
    const after = this.of(asid).length + (isWhole ? 2 : 1);
    return whenFull === "refuse" && limit !== 0 && after > limit;
  }

  add(entry: Omit<IotlbEntry, "handle">, handles: readonly number[]): void {
    if (entry.start === 0 && entry.last === LAST_PAGE) {
      const addr = wrapped(entry.addr, HALF);
      this.insert({ ...entry, last: HALF - 1, handle: handles[0] });
      this.insert({ ...entry, start: HALF, addr, handle: handles[1] });
    } else {
      this.insert({ ...entry, handle: handles[0] });
    }
  }

  private insert(entry: IotlbEntry): void {
    const { limit = 0, whenFull } = this.options;
    const own = this.of(entry.asid);
    if (whenFull === "retire" && limit !== 0 && own.length === limit) this.remove(own[0].handle);
    this.entries.push(entry);
  }

  remove(handle: number): void {
    this.entries = this.entries.filter((e) => e.handle !== handle);
  }

  delete(asid: number, start: number, last: number): number {
    const before = this.entries.length;
    this.entries = this.entries.filter((e) => e.asid !== asid || e.start > last || e.last < start);
    return before - this.entries.length;
  }

  firstIn(asid: number, start: number, last: number): IotlbEntry | undefined {
    return this.byIova(asid).find((e) => e.start <= last && e.last >= start);
  }

  clear(): void {
    this.entries = [];
  }

  /** Of an address space, oldest first. */
  of(asid: number): IotlbEntry[] {
    return this.entries.filter((e) => e.asid === asid);
  }

  byIova(asid: number): IotlbEntry[] {
    return this.of(asid).sort((a, b) => a.start - b.start);
  }

  asids(): number[] {
    return [...new Set(this.entries.map(({ asid }) => asid))].sort((a, b) => a - b);
  }

  lookup(asid: number, page: number, access: IotlbRights): IotlbLookup {
    let entry: IotlbEntry | undefined;
    for (const e of this.entries) {
      const holds = e.asid === asid && e.start <= page && page <= e.last;
      if (holds && (entry === undefined || e.start < entry.start)) entry = e;
    }
    if (entry === undefined) return { outcome: "miss" };
    const { handle } = entry;
    if ((entry.perm & access) !== access) return { outcome: "denied", handle };
    return { outcome: "hit", page: wrapped(entry.addr, page - entry.start), handle };
  }
}
