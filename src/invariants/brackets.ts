/** Invariants of brackets, gathers and locks: things that are opened must be closed by somebody. */
import * as abi from "../core/abi.js";
import { CPU, DEVICE, MM, SYS } from "../core/layout.js";
import { operationName } from "../kernel/operation.js";
import type { Invariant, View } from "./view.js";

/** Sum over the running contexts of an mm. */
function sumOf(view: View, mm: number, value: (context: number) => number): number {
  return view
    .running()
    .filter((i) => view.ctx(i, "mm") === mm + 1)
    .reduce((sum, i) => sum + value(i), 0);
}

const bracketsBalance: Invariant = {
  name: "BracketsBalance",
  says: "Mm.brackets is the number of brackets that contexts of this mm have open.",
  atRest: false,
  check(view, report) {
    for (let mm = 0; mm < view.mms; mm++) {
      const brackets = view.core.read(MM, view.core.mm(mm), "brackets");
      const open = sumOf(view, mm, (i) => view.ctx(i, "brackets"));
      if (brackets !== open) report(`mm ${mm} counts ${brackets} brackets, ${open} are open`);
    }
  },
};

const gathersBalance: Invariant = {
  name: "GathersBalance",
  says: "Mm.gathers is the number of contexts of this mm with an open gather.",
  atRest: false,
  check(view, report) {
    for (let mm = 0; mm < view.mms; mm++) {
      const gathers = view.core.read(MM, view.core.mm(mm), "gathers");
      const open = sumOf(view, mm, (i) =>
        view.ctx(i, "gStart") !== 0 || view.ctx(i, "gEnd") !== 0 ? 1 : 0,
      );
      if (gathers !== open) report(`mm ${mm} counts ${gathers} gathers, ${open} are open`);
    }
  },
};

const locksHaveHolders: Invariant = {
  name: "LocksHaveHolders",
  says: "Every lock that is held is held by contexts that know it.",
  atRest: false,
  check(view, report) {
    for (let mm = 0; mm < view.mms; mm++) {
      const lock = view.core.read(MM, view.core.mm(mm), "mmapLock") | 0;
      const holders = (bit: number): number =>
        sumOf(view, mm, (i) => ((view.ctx(i, "locks") & bit) !== 0 ? 1 : 0));
      const want = holders(abi.LOCK_MMAP_WRITE) > 0 ? -1 : holders(abi.LOCK_MMAP_READ);
      if (lock !== want) report(`mmapLock of mm ${mm} is ${lock}, its holders make ${want}`);
    }
    for (let id = 0; id < view.tables; id++) {
      const holder = view.table(id, "lock");
      if (holder === 0) continue;
      const isKnown = [view.ctx(holder - 1, "ptl0"), view.ctx(holder - 1, "ptl1")].includes(id + 1);
      if (!isKnown) report(`table ${id} is locked by context ${holder - 1}, which does not know`);
    }
    for (let device = 0; device < view.devices; device++) {
      const holder = view.core.read(DEVICE, view.core.device(device), "lock");
      if (holder !== 0 && (view.ctx(holder - 1, "locks") & abi.LOCK_DEV) === 0) {
        report(`device ${device} is locked by context ${holder - 1}, which does not know`);
      }
    }
  },
};

const locksFreeAtRest: Invariant = {
  name: "LocksFreeAtRest",
  says: "When nothing runs, no lock is held.",
  atRest: true,
  check(view, report) {
    for (let mm = 0; mm < view.mms; mm++) {
      const row = view.core.mm(mm);
      if (view.core.read(MM, row, "mmapLock") !== 0) report(`mmapLock of mm ${mm}`);
      if (view.core.read(MM, row, "tableLock") !== 0) report(`table lock of mm ${mm}`);
    }
    if (view.core.read(SYS, view.core.sys, "poolLock") !== 0) report("lock of the pools");
    for (let id = 0; id < view.tables; id++) {
      if (view.table(id, "lock") !== 0) report(`page-table lock of table ${id}`);
    }
    for (let device = 0; device < view.devices; device++) {
      const row = view.core.device(device);
      if (view.core.read(DEVICE, row, "lock") !== 0) report(`lock of device ${device}`);
    }
  },
};

/** Fields of a context that mean something only while it runs. */
const BUSY = ["op", "brackets", "locks", "ptl0", "ptl1", "gCount", "gTables", "list"] as const;

const nothingLeftBehind: Invariant = {
  name: "NothingLeftBehind",
  says: "A context that runs nothing holds nothing; at rest no flush request is half done.",
  atRest: true,
  check(view, report) {
    for (let i = 0; i < view.header(abi.H_CONTEXTS); i++) {
      for (const field of BUSY) {
        const value = view.ctx(i, field);
        if (value !== 0) report(`context ${i}: ${field} is ${value}`);
      }
    }
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      const mm = view.core.read(CPU, view.core.cpu(cpu), "infoMm");
      if (mm !== 0) report(`CPU ${cpu} has a flush request of mm ${mm - 1}`);
    }
  },
};

/** Operations whose only bracket spans exactly the range they are marked with. */
const ONE_BRACKET = new Set(["munmap", "brk", "madvise", "fault.read", "fault.write", "truncate"]);

const noShadowInsideBracket: Invariant = {
  name: "NoShadowInsideBracket",
  says: "A mirroring device that was told of a bracket holds no entry inside it until it ends.",
  atRest: false,
  check(view, report) {
    const bits = view.header(abi.H_INDEX_BITS);
    for (let device = 0; device < view.devices; device++) {
      const row = view.core.device(device);
      const mm = view.core.read(DEVICE, row, "mm") - 1;
      const isMirroring = view.core.read(DEVICE, row, "kind") === abi.DEV_MIRRORING;
      if (!isMirroring || mm < 0 || view.core.read(DEVICE, row, "lock") !== 0) continue;
      // Fewer in progress than open: somebody has not told this device yet, or is done telling it.
      const inProgress = view.core.read(DEVICE, row, "inProgress");
      const open = sumOf(view, mm, (i) => view.ctx(i, "brackets"));
      if (inProgress === 0 || inProgress !== open) continue;
      for (const i of view.running()) {
        if (view.ctx(i, "mm") !== mm + 1 || view.ctx(i, "brackets") === 0) continue;
        if (!ONE_BRACKET.has(operationName(view.ctx(i, "op")))) continue;
        const start = view.ctx(i, "opStart");
        const end = view.ctx(i, "opEnd");
        for (const e of view.iotlb(device)) {
          const last = e.vpn + ((e.flags & 4) !== 0 ? 2 ** bits : 1);
          if (e.vpn < end && start < last) {
            report(`device ${device} holds page ${e.vpn} inside a bracket [${start}, ${end})`);
          }
        }
      }
    }
  },
};

export const BRACKET_INVARIANTS: readonly Invariant[] = [
  bracketsBalance,
  gathersBalance,
  locksHaveHolders,
  locksFreeAtRest,
  nothingLeftBehind,
  noShadowInsideBracket,
];
