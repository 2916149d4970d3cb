/** Invariants of caches, ASID slots and call queues. */
import * as abi from "../core/abi.js";
import { CPU, DEVICE, MM } from "../core/layout.js";
import { hasAsids, trustedAsids } from "./asids.js";
import { type CachedEntry, type Invariant, listOf, type Report, type View } from "./view.js";

const WRITABLE = 2;
const HUGE = 4;

function cpuField(view: View, cpu: number, field: keyof typeof CPU.fields): number {
  return view.core.read(CPU, view.core.cpu(cpu), field);
}

/** The mm a CPU runs, as an index: not lazily, not in the middle of a switch. */
function runs(view: View, cpu: number): number | null {
  const loaded = cpuField(view, cpu, "loadedMm");
  const isNone = loaded === abi.LOADED_INIT || loaded === abi.LOADED_SWITCHING;
  return isNone || cpuField(view, cpu, "lazy") !== 0 ? null : loaded - 1;
}

function checkCache(
  view: View,
  what: string,
  cached: readonly CachedEntry[],
  sets: number,
  ways: number,
  report: Report,
): void {
  const bits = view.header(abi.H_INDEX_BITS);
  const seen = new Set<string>();
  for (const e of cached) {
    const isHuge = (e.flags & HUGE) !== 0;
    if ((e.flags & 1) === 0) report(`${what}: way ${e.slot} is dropped, but not zero`);
    const key = isHuge ? Math.floor(e.vpn / 2 ** bits) : e.vpn;
    if (key % sets !== Math.floor(e.slot / ways)) report(`${what}: page ${e.vpn} in a wrong set`);
    const tag = `${e.vpn} ${e.asid} ${isHuge}`;
    if (seen.has(tag)) report(`${what}: page ${e.vpn} of ASID ${e.asid} twice`);
    seen.add(tag);
  }
}

const oneEntryPerTag: Invariant = {
  name: "OneEntryPerTag",
  says: "A cache holds a page of an ASID and size once, in its set; dropped entries are zero.",
  atRest: false,
  check(view, report) {
    const h = (word: number): number => view.header(word);
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      const cached = view.tlb(cpu);
      checkCache(view, `CPU ${cpu}`, cached, h(abi.H_TLB_SETS), h(abi.H_TLB_WAYS), report);
    }
    for (let device = 0; device < view.devices; device++) {
      const cached = view.iotlb(device);
      const sets = h(abi.H_IOTLB_SETS);
      checkCache(view, `device ${device}`, cached, sets, h(abi.H_IOTLB_WAYS), report);
    }
  },
};

const slotNeverAhead: Invariant = {
  name: "SlotNeverAhead",
  says: "No ASID slot is clean up to a generation its mm has not reached.",
  atRest: false,
  check(view, report) {
    for (let mm = 0; mm < view.mms; mm++) {
      const ctxId = view.core.read(MM, view.core.mm(mm), "ctxId");
      const newest = view.core.read(MM, view.core.mm(mm), "tlbGen");
      for (let cpu = 0; ctxId !== 0 && cpu < view.cpus; cpu++) {
        for (let i = 0; i < view.header(abi.H_ASIDS); i++) {
          const slot = view.slot(cpu, i);
          if (slot.ctxId === ctxId && slot.tlbGen > newest) {
            report(`CPU ${cpu} slot ${i} is at ${slot.tlbGen}, mm ${mm} at ${newest}`);
          }
        }
      }
    }
  },
};

const cpumaskCoversLoaded: Invariant = {
  name: "CpumaskCoversLoaded",
  says: "A CPU that has an mm loaded, lazily or not, is in that mm's cpumask.",
  atRest: false,
  check(view, report) {
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      const loaded = cpuField(view, cpu, "loadedMm");
      if (loaded === abi.LOADED_INIT || loaded === abi.LOADED_SWITCHING) continue;
      if (loaded > view.mms || !view.inMask(loaded - 1, cpu)) {
        report(`CPU ${cpu} has mm ${loaded - 1} loaded and is not in its cpumask`);
      }
    }
  },
};

const csdConserved: Invariant = {
  name: "CsdConserved",
  says: "Cpu.waitCount is the number of locked requests of that CPU that nobody acknowledged.",
  atRest: false,
  check(view, report) {
    const n = view.cpus;
    for (let cpu = 0; cpu < n; cpu++) {
      let open = 0;
      for (let to = 0; to < n; to++) {
        const { locked, acked } = view.csd(cpu * n + to);
        if (locked === 0) continue;
        if (locked !== cpu + 1) report(`CPU ${locked - 1} has locked a request of CPU ${cpu}`);
        if (!acked) open++;
      }
      const waits = cpuField(view, cpu, "waitCount");
      if (waits !== open) report(`CPU ${cpu} waits for ${waits} of ${open} open requests`);
    }
  },
};

/**
 * The context that drains a CPU's queue: its own, or the task that sends the CPU offline or takes
 * it out of its idle loop, with interrupts off.
 */
function drainOf(view: View, cpu: number): number {
  const own = view.header(abi.H_TASKS) + cpu;
  const task = cpuField(view, cpu, "task");
  if (task === 0) return own;
  const isOffline = cpuField(view, cpu, "online") === 0;
  const polls = (view.header(abi.H_OPTIONS) & abi.OPT_POLL) !== 0;
  const drains = polls && view.ctx(task - 1, "list") !== 0 && view.ctx(task - 1, "irqOff") !== 0;
  return isOffline || drains ? task - 1 : own;
}

/** CPUs that some initiator still has to interrupt. */
function aboutToBeInterrupted(view: View, cpu: number): boolean {
  for (let from = 0; from < view.cpus; from++) {
    const set = view.core.cpu(from) + CPU.size + view.header(abi.H_ASIDS) * 8;
    if (((view.word(set + (cpu >> 5) * 4) >>> (cpu & 31)) & 1) === 1) return true;
  }
  return false;
}

const queueReachable: Invariant = {
  name: "QueueReachable",
  says: "Every locked request is in one list of its target, and a queue has an interrupt coming.",
  atRest: false,
  check(view, report) {
    const n = view.cpus;
    const limit = n * n;
    const seen = new Set<number>();
    for (let cpu = 0; cpu < n; cpu++) {
      const queue = cpuField(view, cpu, "queue");
      const taken = view.ctx(drainOf(view, cpu), "list");
      for (const head of [queue, taken]) {
        const list = listOf(head, limit, (id) => view.csd(id).next);
        if (list === null) report(`a request list of CPU ${cpu} does not end`);
        for (const id of list ?? []) {
          if (id % n !== cpu || seen.has(id)) report(`request ${id} is in a list of CPU ${cpu}`);
          seen.add(id);
        }
      }
      const isComing =
        cpuField(view, cpu, "ipiPending") !== 0 ||
        aboutToBeInterrupted(view, cpu) ||
        view.isWanted(cpu);
      if (queue !== 0 && !isComing) report(`CPU ${cpu} has a queue and no interrupt is coming`);
    }
    for (let id = 0; id < limit; id++) {
      const { locked, waits } = view.csd(id);
      const isLocked = locked !== 0;
      if (isLocked !== seen.has(id) && !(isLocked && waits)) {
        report(`request ${id} is ${isLocked ? "locked but in no list" : "queued but not locked"}`);
      }
    }
  },
};

const reachedInHandler: Invariant = {
  name: "ReachedInHandler",
  says: "A flush that was acknowledged and has not run is in the hands of its target's handler.",
  atRest: false,
  check(view, report) {
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      if (cpuField(view, cpu, "reached") === 0) continue;
      const own = drainOf(view, cpu);
      const kept = view.ctx(own, "r0") !== 0 || view.ctx(own, "r1") !== 0;
      if (view.ctx(own, "running") === 0) report(`CPU ${cpu} has left its handler`);
      else if (!kept && view.ctx(own, "list") === 0) report(`CPU ${cpu} has lost the request`);
    }
  },
};

const slotsCurrentAtRest: Invariant = {
  name: "SlotsCurrentAtRest",
  says: "When nothing runs, a CPU that runs an mm has carried out every flush not put off.",
  atRest: true,
  check(view, report) {
    // A hypervisor flushes, and the generations of the guest know nothing of it. Where it is known
    // who holds a translation, the others are left out, and stay behind; and so do slots that a
    // broadcast has reached before an interrupt.
    const known = abi.OPT_REPLICAS | abi.OPT_CORE_TABLES | abi.OPT_DIRECTORY | abi.OPT_ACCESSED;
    const others = abi.OPT_PV_FLUSH | abi.OPT_ORDERED;
    if ((view.header(abi.H_OPTIONS) & (known | others)) !== 0) return;
    // Entries that drop themselves tell nobody.
    if ((view.header(abi.H_ROWS) & abi.ROW_LIFETIMES) !== 0) return;
    // Requests that name an ASID have no generation.
    if (hasAsids(view)) return;
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      const mm = runs(view, cpu);
      if (mm === null || view.isDeferred(mm)) continue;
      // Under a global ASID there is none: broadcasts keep it fresh.
      if (cpuField(view, cpu, "asid") >= abi.ASID_GLOBAL) continue;
      const slot = view.slot(cpu, cpuField(view, cpu, "asid"));
      const newest = view.core.read(MM, view.core.mm(mm), "tlbGen");
      // A slot that was cleared is flushed before it is used again, whatever was carried out.
      if (slot.tlbGen !== newest && slot.tlbGen !== 0) {
        report(`CPU ${cpu} is at ${slot.tlbGen}, mm ${mm} at ${newest}`);
      }
    }
  },
};

function checkFresh(view: View, what: string, mm: number, e: CachedEntry, report: Report): void {
  const leaf = view.walk(mm, e.vpn);
  const isSame = leaf?.to === e.frame && view.frame(e.frame, "gen") === e.gen;
  const mayWrite = ((leaf?.flags ?? 0) & abi.PTE_W) !== 0;
  if (!isSame) report(`${what} holds page ${e.vpn} in frame ${e.frame}`);
  else if ((e.flags & WRITABLE) !== 0 && !mayWrite) {
    report(`${what} may write page ${e.vpn}, its page table says no`);
  }
}

/**
 * mm of each ASID slot whose entries a CPU would use as they are: the slot is as new as the mm. A
 * CPU that was spared a request flushes before it uses its slot again.
 */
function trustedSlots(view: View, cpu: number): Map<number, number> {
  if (hasAsids(view)) return trustedAsids(view, cpu);
  const trusted = new Map<number, number>();
  const running = runs(view, cpu);
  const tracks = abi.OPT_REPLICAS | abi.OPT_CORE_TABLES | abi.OPT_DIRECTORY;
  if (running !== null && (view.header(abi.H_OPTIONS) & tracks) !== 0) {
    // Left out of requests, it uses its slot all the same.
    trusted.set(cpuField(view, cpu, "asid"), running);
  }
  for (let mm = 0; mm < view.mms; mm++) {
    const asid = view.globalAsid(mm);
    if (asid !== null) trusted.set(asid, mm);
  }
  for (let i = 0; i < view.header(abi.H_ASIDS); i++) {
    const { ctxId, tlbGen } = view.slot(cpu, i);
    for (let mm = 0; ctxId !== 0 && mm < view.mms; mm++) {
      const row = view.core.mm(mm);
      const isOf = view.core.read(MM, row, "ctxId") === ctxId;
      const isUsed = runs(view, cpu) === mm && cpuField(view, cpu, "asid") === i && tlbGen === 0;
      if (isOf && (isUsed || view.core.read(MM, row, "tlbGen") === tlbGen)) trusted.set(i, mm);
    }
  }
  return trusted;
}

const noStaleAfterQuiesce: Invariant = {
  name: "NoStaleAfterQuiesce",
  says: "When nothing runs, what CPUs and devices may use of an mm agrees with its page table.",
  atRest: true,
  check(view, report) {
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      const trusted = trustedSlots(view, cpu);
      const marks = view.marks(cpu);
      for (const e of view.tlb(cpu)) {
        const slot = e.asid % abi.ASID_USER;
        // What is marked goes before anybody can use it.
        if (e.asid !== slot && ((marks >> BigInt(slot)) & 1n) === 1n) continue;
        const mm = trusted.get(slot);
        if (mm !== undefined) checkFresh(view, `CPU ${cpu}`, mm, e, report);
      }
    }
    for (let device = 0; device < view.devices; device++) {
      const mm = view.core.read(DEVICE, view.core.device(device), "mm");
      if (mm === 0) continue;
      for (const e of view.iotlb(device)) checkFresh(view, `device ${device}`, mm - 1, e, report);
    }
  },
};

const walkCacheFresh: Invariant = {
  name: "WalkCacheFresh",
  says: "When nothing runs, no CPU caches a page table of its mm that was freed since.",
  atRest: true,
  check(view, report) {
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      if (runs(view, cpu) === null) continue;
      const asid = cpuField(view, cpu, "asid");
      for (const e of view.walkCache(cpu)) {
        if (e.asid === asid && view.table(e.frame, "gen") !== e.gen) {
          report(`CPU ${cpu} caches table ${e.frame}, which was freed`);
        }
      }
    }
  },
};

export const FLUSH_INVARIANTS: readonly Invariant[] = [
  oneEntryPerTag,
  slotNeverAhead,
  cpumaskCoversLoaded,
  csdConserved,
  queueReachable,
  reachedInHandler,
  slotsCurrentAtRest,
  noStaleAfterQuiesce,
  walkCacheFresh,
];
