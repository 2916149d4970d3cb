/**
 * Field offsets of the core's rows, in the order of `assembly/rows.ts`. The compiler lays a record
 * out with natural alignment, so listing names and sizes is enough; a test compares the totals with
 * what the core itself reports.
 */

/** Byte offset and size of one field. */
export interface Field {
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
}

/** A record: its fields and its size in bytes. */
export interface Row<K extends string> {
  readonly fields: Readonly<Record<K, Field>>;
  readonly names: readonly K[];
  readonly size: number;
}

function row<const K extends string>(spec: readonly (readonly [K, 1 | 2 | 4 | 8])[]): Row<K> {
  const fields = {} as Record<K, Field>;
  let at = 0;
  for (const [name, size] of spec) {
    at = Math.ceil(at / size) * size;
    fields[name] = { offset: at, size };
    at += size;
  }
  return { fields, names: spec.map(([name]) => name), size: Math.ceil(at / 8) * 8 };
}

/** One per machine. */
export const SYS = row([
  ["freeFrame", 4],
  ["freeTable", 4],
  ["nextCtxId", 4],
  ["poolLock", 4],
  ["hazard", 4],
  ["hazardPfn", 4],
  ["hazardVpn", 8],
  ["sync", 8],
  ["framesUsed", 4],
  ["tablesUsed", 4],
]);

/** Execution context: tasks first, then one per CPU, then one per device. */
export const CTX = row([
  ["pc", 2],
  ["op", 2],
  ["flag", 1],
  ["running", 1],
  ["sp", 1],
  ["irqOff", 1],
  ["mm", 2],
  ["dev", 2],
  ["event", 2],
  ["cursor", 2],
  ["list", 4],
  ["seq", 4],
  ["stack", 8],
  ["ptl0", 4],
  ["ptl1", 4],
  ["frame", 4],
  ["frameGen", 4],
  ["pte", 8],
  ["r0", 8],
  ["r1", 8],
  ["r2", 8],
  ["r3", 8],
  ["r4", 8],
  ["r5", 8],
  ["r6", 8],
  ["r7", 8],
  ["r8", 8],
  ["r9", 8],
  ["r10", 8],
  ["r11", 8],
  ["hStart", 8],
  ["hEnd", 8],
  ["gStart", 8],
  ["gEnd", 8],
  ["gCount", 4],
  ["gTables", 4],
  ["gFlags", 2],
  ["locks", 2],
  ["brackets", 4],
  ["opStart", 8],
  ["opEnd", 8],
]);

/** Followed by the ASID slots {ctxId u32, tlbGen u32} and the words of the IPI set. */
export const CPU = row([
  ["loadedMm", 4],
  ["lazy", 4],
  ["queue", 4],
  ["waitCount", 4],
  ["ipiPending", 4],
  ["task", 4],
  ["asid", 4],
  ["nextAsid", 4],
  ["online", 4],
  ["tlbClock", 4],
  ["pwcClock", 4],
  ["infoMm", 4],
  ["infoGen", 4],
  ["infoStart", 8],
  ["infoEnd", 8],
  ["infoFlags", 4],
  ["reached", 4],
]);

export const MM = row([
  ["ctxId", 4],
  ["tlbGen", 4],
  ["root", 4],
  ["users", 4],
  ["gathers", 4],
  ["mmapLock", 4],
  ["nVmas", 4],
  ["brackets", 4],
  ["subscribers", 4],
  ["tableLock", 4],
  ["trimAtMs", 4],
  ["batches", 4],
]);

export const TASK = row([
  ["mm", 4],
  ["lastCpu", 4],
]);

export const DEVICE = row([
  ["kind", 2],
  ["zapMode", 2],
  ["mm", 4],
  ["lock", 4],
  ["seq", 4],
  ["inProgress", 4],
  ["next", 4],
  ["faults", 4],
  ["tlbClock", 4],
  ["rangeStart", 8],
  ["rangeEnd", 8],
  ["hookStart", 2],
  ["hookEnd", 2],
  ["hookSecondary", 2],
  ["hookRelease", 2],
  ["pwcClock", 4],
  ["opens", 4],
]);

/** Rows of ROW_DEVICES, each followed by the entries of an ATC, as many as an IOTLB has. */
export const DEVICE_MORE = row([
  ["slotStart", 8],
  ["slotEnd", 8],
  ["slotBase", 8],
  ["askVpn", 8],
  ["mark", 8],
  ["gpcTag", 8],
  ["gpcFrame", 4],
  ["gpcGen", 4],
  ["ask", 4],
  ["served", 4],
  ["retries", 4],
  ["active", 4],
  ["fences", 4],
  ["atcClock", 4],
  ["traits", 4],
  ["pad", 4],
]);

export const FRAME = row([
  ["gen", 4],
  ["next", 4],
  ["refs", 4],
  ["value", 4],
  ["rmap", 8],
]);

/** Followed by its entries, 8 bytes each. */
export const TABLE = row([
  ["gen", 4],
  ["next", 4],
  ["lock", 4],
  ["live", 4],
  ["level", 4],
  ["parent", 4],
]);

export const VMA = row([
  ["start", 8],
  ["end", 8],
  ["prot", 8],
]);

/** A cached translation: TLB, IOTLB, paging-structure cache. */
export const ENTRY = row([
  ["tag", 8],
  ["frame", 4],
  ["gen", 4],
]);

/** Time of one actor, outside the explored state. */
export const CLOCK = row([
  ["now", 8],
  ["irqSince", 8],
  ["irqQueuedAt", 8],
  ["ipiAt", 8],
  ["charge", 4],
  ["waitKey", 4],
  ["walkFills", 4],
  ["wantKey", 4],
  ["jobHead", 4],
  ["jobTail", 4],
  ["ackAt", 8],
  ["queuedAt", 8],
  ["flushSince", 8],
  ["opSince", 8],
  ["exitEnd", 8],
  ["hostAnswer", 4],
  ["hostNs", 4],
  ["hostX", 8],
  ["hostY", 8],
  ["yieldAt", 8],
]);

/** In the order of the core's `rowSize`. */
export const ROWS = [
  SYS,
  CTX,
  CPU,
  MM,
  TASK,
  DEVICE,
  FRAME,
  TABLE,
  VMA,
  ENTRY,
  CLOCK,
  DEVICE_MORE,
] as const;
