/**
 * What must hold when a machine is idle: everything that was taken is given back, everything is
 * accounted for, and no CPU remembers a translation that is no longer true. Each check has a name,
 * which is what a violation reports.
 */
import * as abi from "../core/abi.js";
import { BASE, type Core } from "../core/core.js";
import { CLOCK, CPU, CTX, ENTRY, FRAME, MM, SYS, TABLE, TASK, VMA } from "../core/layout.js";

/** A check that failed. */
export interface Violation {
  /** Name of the invariant. */
  readonly invariant: string;
  /** Where, and what was found. */
  readonly message: string;
}

/** Reports beyond this many are left out: one broken thing breaks many. */
const REPORTS_MAX = 100;

type Report = (invariant: string, message: string) => void;

/** Fields of a row that must be 0 when nothing runs. */
function expectZero<K extends string>(
  core: Core,
  report: Report,
  invariant: string,
  where: string,
  row: Parameters<typeof core.read<K>>[0],
  address: number,
  names: readonly K[],
): void {
  for (const name of names) {
    const value = core.read(row, address, name);
    if (value !== 0) report(invariant, `${where}: ${name} is ${value}`);
  }
}

function checkIdle(core: Core, report: Report): void {
  const zero = ["running", "op", "brackets", "locks", "ptl0", "ptl1", "gCount", "gTables", "list"];
  for (let i = 0; i < core.header[abi.H_CONTEXTS]; i++) {
    const names = zero as (typeof CTX.names)[number][];
    expectZero(core, report, "ContextsIdle", `context ${i}`, CTX, core.ctx(i), names);
  }
  for (let actor = 0; actor < core.header[abi.H_ACTORS]; actor++) {
    const clock = core.clock(actor);
    const jobs = core.read(CLOCK, clock, "jobTail") - core.read(CLOCK, clock, "jobHead");
    if (jobs !== 0) report("JobsDone", `actor ${actor}: ${jobs} jobs not started`);
  }
}

function checkQueues(core: Core, report: Report): void {
  const { cpus } = core.geometry;
  for (let cpu = 0; cpu < cpus; cpu++) {
    expectZero(core, report, "CsdConserved", `CPU ${cpu}`, CPU, core.cpu(cpu), [
      "queue",
      "waitCount",
      "ipiPending",
      "infoMm",
    ]);
  }
  const csd = core.at(abi.H_OFF_CSD) >> 2;
  for (let id = 0; id < cpus * cpus; id++) {
    if (core.u32[csd + id * 2] !== 0 || core.u32[csd + id * 2 + 1] !== 0) {
      const pair = `CPU ${Math.floor(id / cpus)} to CPU ${id % cpus}`;
      report("CsdConserved", `request from ${pair} is still locked`);
    }
  }
}

function checkLocks(core: Core, report: Report): void {
  const names = ["mmapLock", "gathers", "brackets", "tableLock"] as const;
  const users = new Array<number>(core.geometry.mms).fill(0);
  for (let task = 0; task < core.geometry.tasks; task++) {
    const mm = core.read(TASK, core.task(task), "mm");
    if (mm !== 0) users[mm - 1] = users[mm - 1] + 1;
  }
  for (let mm = 0; mm < core.geometry.mms; mm++) {
    expectZero(core, report, "LocksFree", `mm ${mm}`, MM, core.mm(mm), names);
    const counted = core.read(MM, core.mm(mm), "users");
    if (core.read(MM, core.mm(mm), "ctxId") !== 0 && counted !== users[mm]) {
      report("UsersCounted", `mm ${mm} counts ${counted} users, ${users[mm]} tasks name it`);
    }
  }
  expectZero(core, report, "LocksFree", "pools", SYS, core.sys, ["poolLock"]);
  for (let table = 0; table < core.geometry.tables; table++) {
    expectZero(core, report, "LocksFree", `table ${table}`, TABLE, core.table(table), ["lock"]);
  }
}

/** What the page tables of all mms hold. */
interface Census {
  /** Entries that name a frame, by pfn. */
  readonly mapped: Uint32Array;
  /** Tables reached from a root. */
  readonly tables: Set<number>;
}

function takeCensus(core: Core, report: Report): Census {
  const mapped = new Uint32Array(core.geometry.frames);
  const tables = new Set<number>();
  const entries = 2 ** core.geometry.indexBits;
  const visit = (table: number, parent: number, level: number): void => {
    const where = `table ${table} of level ${level}`;
    if (tables.has(table)) {
      report("OneParent", `${where} is reached twice`);
      return;
    }
    tables.add(table);
    const row = core.table(table);
    const said = core.read(TABLE, row, "parent");
    if (said !== parent) report("OneParent", `${where}: parent is ${said}, not ${parent}`);
    let live = 0;
    for (let i = 0; i < entries; i++) {
      const pte = core.readU64(row + TABLE.size + i * 8);
      if (pte === 0) continue;
      live++;
      const flags = pte % 4096;
      const target = Math.floor(pte / 4096);
      if (level === 0 || (flags & abi.PTE_HUGE) !== 0) mapped[target] = mapped[target] + 1;
      else visit(target, table + 1, level - 1);
    }
    const counted = core.read(TABLE, row, "live");
    if (counted !== live) {
      report("LiveCountsEntries", `${where} counts ${counted} entries, it has ${live}`);
    }
  };
  for (let mm = 0; mm < core.geometry.mms; mm++) {
    const root = core.read(MM, core.mm(mm), "root");
    if (root !== 0) visit(root - 1, 0, core.geometry.levels - 1);
  }
  return { mapped, tables };
}

/** Length of a free list; -1 if it does not end. */
function listLength(core: Core, head: number, limit: number, next: (id: number) => number): number {
  let n = 0;
  for (let id = head; id !== 0; id = next(id - 1)) if (++n > limit) return -1;
  return n;
}

function checkPools(core: Core, census: Census, report: Report): void {
  const { frames, tables } = core.geometry;
  const framesUsed = core.read(SYS, core.sys, "framesUsed");
  const tablesUsed = core.read(SYS, core.sys, "tablesUsed");
  const freeFrames = listLength(core, core.read(SYS, core.sys, "freeFrame"), frames, (id) =>
    core.read(FRAME, core.frame(id), "next"),
  );
  const freeTables = listLength(core, core.read(SYS, core.sys, "freeTable"), tables, (id) =>
    core.read(TABLE, core.table(id), "next"),
  );
  // The zero page is neither free nor used.
  if (freeFrames + framesUsed + 1 !== frames) {
    report("FramesConserved", `${freeFrames} free and ${framesUsed} used of ${frames - 1} frames`);
  }
  if (freeTables + tablesUsed !== tables) {
    report("TablesConserved", `${freeTables} free and ${tablesUsed} used of ${tables} tables`);
  }
  if (census.tables.size !== tablesUsed) {
    report("TablesConserved", `${tablesUsed} tables used, ${census.tables.size} reachable`);
  }
}

/** A private file page keeps the page cache's own reference, also after its VMA is gone. */
function checkReferences(core: Core, census: Census, pageCache: boolean, report: Report): void {
  for (let pfn = 1; pfn < core.geometry.frames; pfn++) {
    const refs = core.read(FRAME, core.frame(pfn), "refs");
    const extra = refs - census.mapped[pfn];
    if (extra === 0 || (pageCache && extra === 1)) continue;
    report(
      "ReferencesCounted",
      `frame ${pfn} has ${refs} references, ${census.mapped[pfn]} entries`,
    );
  }
}

function checkVmas(core: Core, report: Report): void {
  for (let mm = 0; mm < core.geometry.mms; mm++) {
    const rows = core.at(abi.H_OFF_VMA) + mm * core.geometry.vmas * VMA.size;
    let last = -1;
    for (let i = 0; i < core.read(MM, core.mm(mm), "nVmas"); i++) {
      const start = core.read(VMA, rows + i * VMA.size, "start");
      const end = core.read(VMA, rows + i * VMA.size, "end");
      if (start < last || end <= start) {
        report("VmasAscend", `mm ${mm}: VMA ${i} is [${start}, ${end}) after ${last}`);
      }
      last = end;
    }
  }
}

/** The mm an ASID slot stands for, -1 when it is gone or never was. */
function mmOfContext(core: Core, id: number): number {
  for (let mm = 0; id !== 0 && mm < core.geometry.mms; mm++) {
    if (core.read(MM, core.mm(mm), "ctxId") === id) return mm;
  }
  return -1;
}

/**
 * Entries of a slot are trusted only while its generation is the mm's: a CPU that was spared a
 * request flushes before it uses the slot again. A CPU that runs the mm must have caught up.
 */
function checkTlb(core: Core, cpu: number, report: Report): void {
  const { asids, tlbSets, tlbWays } = core.geometry;
  const row = core.cpu(cpu);
  const loaded = core.read(CPU, row, "loadedMm");
  const runs = core.read(CPU, row, "lazy") === 0;
  const current = core.read(CPU, row, "asid");
  const trusted = new Map<number, number>();
  for (let slot = 0; slot < asids; slot++) {
    const at = (row + CPU.size + slot * 8) >> 2;
    const mm = mmOfContext(core, core.u32[at]);
    if (mm < 0) continue;
    const have = core.u32[at + 1];
    const want = core.read(MM, core.mm(mm), "tlbGen");
    const where = `CPU ${cpu}, slot ${slot} of mm ${mm}`;
    if (have > want) report("SlotNeverAhead", `${where}: generation ${have}, the mm's is ${want}`);
    if (have === want) trusted.set(slot, mm);
    else if (runs && slot === current && loaded === mm + 1) {
      report("RunningSlotCaughtUp", `${where}: generation ${have}, the mm's is ${want}`);
    }
  }
  const base = core.at(abi.H_OFF_TLB) + cpu * core.header[abi.H_TLB_STRIDE];
  for (let i = 0; i < tlbSets * tlbWays; i++) {
    checkEntry(core, cpu, base + i * ENTRY.size, trusted, report);
  }
}

function checkEntry(
  core: Core,
  cpu: number,
  entry: number,
  trusted: ReadonlyMap<number, number>,
  report: Report,
): void {
  const tag = core.readU64(entry);
  const mm = trusted.get(Math.floor(tag / 16) % 256);
  if ((tag & 1) === 0 || mm === undefined) return;
  const vpn = Math.floor(tag / 4096);
  const frame = core.read(ENTRY, entry, "frame");
  const where = `CPU ${cpu}: TLB entry of page ${vpn}, mm ${mm}`;
  const pte = core.x.machineWalk(BASE, mm, vpn);
  if (pte === 0) report("TlbAgrees", `${where} is cached but not mapped`);
  else if (Math.floor(pte / 32) !== frame) {
    report("TlbAgrees", `${where} is cached as frame ${frame}, mapped to ${Math.floor(pte / 32)}`);
  } else if (core.read(FRAME, core.frame(frame), "gen") !== core.read(ENTRY, entry, "gen")) {
    report("TlbAgrees", `${where}: frame ${frame} was freed since it was cached`);
  } else if ((tag & 2) !== 0 && (pte & abi.PTE_W) === 0) {
    report("TlbAgrees", `${where} is cached as writable, mapped read-only`);
  }
}

/** Walk caches of CPUs hold tables that still are what they were. */
function checkWalkCache(core: Core, census: Census, cpu: number, report: Report): void {
  const { pwcEntries } = core.geometry;
  const base = core.at(abi.H_OFF_PWC) + cpu * pwcEntries * ENTRY.size;
  const row = core.cpu(cpu);
  const loaded = core.read(CPU, row, "loadedMm");
  if (loaded === 0 || core.read(CPU, row, "lazy") !== 0) return;
  for (let i = 0; i < pwcEntries; i++) {
    const entry = base + i * ENTRY.size;
    const tag = core.readU64(entry);
    if (tag === 0 || Math.floor(tag / 16) % 256 !== core.read(CPU, row, "asid")) continue;
    const table = core.read(ENTRY, entry, "frame");
    const fresh = core.read(TABLE, core.table(table), "gen") === core.read(ENTRY, entry, "gen");
    if (!fresh || !census.tables.has(table)) {
      report("WalkCacheAgrees", `CPU ${cpu}: walk-cache entry of table ${table}, which was freed`);
    }
  }
}

/**
 * Checks an idle machine. Cost: a pass over its tables and frames.
 * @param options - `pageCache`: private file pages were used, whose cache keeps a reference
 * @returns violations, at most 100; none is what every correct policy and driver must reach
 */
export function checkQuiesced(core: Core, options: { pageCache?: boolean } = {}): Violation[] {
  const violations: Violation[] = [];
  const report: Report = (invariant, message) => {
    if (violations.length < REPORTS_MAX) violations.push({ invariant, message });
  };
  const hazards = core.total(abi.CT_HAZARDS);
  if (hazards !== 0) report("NoHazard", `${hazards} hazards were committed`);
  checkIdle(core, report);
  checkQueues(core, report);
  checkLocks(core, report);
  const census = takeCensus(core, report);
  checkPools(core, census, report);
  checkReferences(core, census, options.pageCache ?? false, report);
  checkVmas(core, report);
  for (let cpu = 0; cpu < core.geometry.cpus; cpu++) {
    checkTlb(core, cpu, report);
    checkWalkCache(core, census, cpu, report);
  }
  return violations;
}
