/** Invariants of page tables, frames and VMAs. */
import * as abi from "../core/abi.js";
import { BASE } from "../core/core.js";
import { MM, SYS, TASK } from "../core/layout.js";
import { checkTree } from "../interval-tree-validator.js";
import { pinnedReferences } from "./pins.js";
import { type Invariant, type Leaf, listOf, type View } from "./view.js";

const huge = (leaf: Leaf): boolean => (leaf.flags & abi.PTE_HUGE) !== 0;

/** Roots of live mms: mm index and table id. */
function roots(view: View): { mm: number; root: number }[] {
  const found: { mm: number; root: number }[] = [];
  for (let mm = 0; mm < view.mms; mm++) {
    const root = view.core.read(MM, view.core.mm(mm), "root");
    if (root !== 0) found.push({ mm, root: root - 1 });
  }
  return found;
}

/** Tables that a running gather has taken out of the tree. */
function gathered(view: View): number[] | null {
  const all: number[] = [];
  for (const i of view.running()) {
    const next = (id: number): number => view.table(id, "next");
    const list = listOf(view.ctx(i, "gTables"), view.tables, next);
    if (list === null) return null;
    for (const table of list) all.push(table);
  }
  return all;
}

function freeTables(view: View): number[] | null {
  const head = view.core.read(SYS, view.core.sys, "freeTable");
  return listOf(head, view.tables, (id) => view.table(id, "next"));
}

function freeFrames(view: View): number[] | null {
  const next = (pfn: number): number => view.frame(pfn, "next");
  const heads = [view.core.read(SYS, view.core.sys, "freeFrame"), ...view.deferredHeads()];
  const all: number[] = [];
  for (const head of heads) {
    const list = listOf(head, view.frames, next);
    if (list === null) return null;
    for (const pfn of list) all.push(pfn);
  }
  return all;
}

/** Every table below a root, with the level it must have. Ends at broken entries. */
function reach(
  view: View,
  id: number,
  level: number,
  visit: (id: number, level: number) => boolean,
): void {
  if (!visit(id, level) || level === 0) return;
  for (const leaf of view.entries(id)) {
    if (leaf && !huge(leaf) && leaf.to < view.tables) reach(view, leaf.to, level - 1, visit);
  }
}

const liveCountsEntries: Invariant = {
  name: "LiveCountsEntries",
  says: "Table.live is the number of entries of the table that are not empty.",
  atRest: false,
  check(view, report) {
    for (let id = 0; id < view.tables; id++) {
      const live = view.table(id, "live");
      const entries = view.entries(id).filter((leaf) => leaf !== null).length;
      if (live !== entries) report(`table ${id}: live is ${live}, it has ${entries} entries`);
    }
  },
};

const tablesFormTrees: Invariant = {
  name: "TablesFormTrees",
  says: "Every table in use hangs below one root, at its level, under its parent, or is gathered.",
  atRest: false,
  check(view, report) {
    const seen = new Set<number>();
    for (const { root } of roots(view)) {
      reach(view, root, view.header(abi.H_LEVELS) - 1, (id, level) => {
        if (view.table(id, "level") !== level) report(`table ${id} hangs at level ${level}`);
        if (seen.has(id)) report(`table ${id} hangs twice`);
        const isNew = !seen.has(id);
        seen.add(id);
        if (level > 0) {
          for (const leaf of view.entries(id)) {
            if (!leaf || huge(leaf)) continue;
            if (leaf.to >= view.tables) report(`table ${id} names table ${leaf.to}`);
            else if (view.table(leaf.to, "parent") !== id + 1) {
              report(`table ${leaf.to} does not know its parent ${id}`);
            }
          }
        }
        return isNew;
      });
    }
    for (const id of gathered(view) ?? []) {
      if (seen.has(id)) report(`table ${id} hangs and is gathered`);
      seen.add(id);
    }
    const used = view.core.read(SYS, view.core.sys, "tablesUsed");
    if (seen.size !== used) report(`${used} tables are in use, ${seen.size} are reached`);
  },
};

const vmasAscend: Invariant = {
  name: "VmasAscend",
  says: "The VMAs of an mm are a sound interval tree, are not empty and do not overlap.",
  atRest: false,
  check(view, report) {
    const limit = view.header(abi.H_VMAS);
    const { core } = view;
    for (let mm = 0; mm < view.mms; mm++) {
      const n = core.x.machineVmaCount(BASE, mm);
      if (n > limit) report(`mm ${mm} has ${n} VMAs, ${limit} is the most`);
      for (const { invariant, detail } of checkTree(core.u32, core.vmaTree(mm))) {
        report(`mm ${mm}: ${invariant}: ${detail}`);
      }
      let last = 0;
      for (let v = core.vmaNext(mm, 0); v !== null; v = core.vmaNext(mm, last)) {
        if (v.start < last || v.start >= v.end) {
          report(`mm ${mm}: a VMA is [${v.start}, ${v.end}) after ${last}`);
          break;
        }
        last = v.end;
      }
    }
  },
};

const freeListsAreLists: Invariant = {
  name: "FreeListsAreLists",
  says: "Each free list ends, names every row once, and is as long as what is not in use.",
  atRest: false,
  check(view, report) {
    const pools = [
      { what: "frame", list: freeFrames(view), rows: view.frames - 1, used: "framesUsed" },
      { what: "table", list: freeTables(view), rows: view.tables, used: "tablesUsed" },
    ] as const;
    for (const { what, list, rows, used } of pools) {
      if (list === null || new Set(list).size !== list.length) {
        report(`the free list of ${what}s does not end`);
        continue;
      }
      const inUse = view.core.read(SYS, view.core.sys, used);
      if (list.length + inUse !== rows) {
        report(`${list.length} ${what}s are free and ${inUse} in use, of ${rows}`);
      }
    }
  },
};

const freeHasNoReferences: Invariant = {
  name: "FreeHasNoReferences",
  says: "A frame is on the free list exactly when nothing refers to it.",
  atRest: false,
  check(view, report) {
    const free = new Set(freeFrames(view) ?? []);
    for (let pfn = 1; pfn < view.frames; pfn++) {
      const refs = view.frame(pfn, "refs");
      if (free.has(pfn) && refs !== 0) report(`frame ${pfn} is free with ${refs} references`);
      if (!free.has(pfn) && refs === 0) report(`frame ${pfn} is in use without a reference`);
    }
  },
};

const referencesMatch: Invariant = {
  name: "ReferencesMatch",
  says: "A frame has one reference per entry, batch, allocation and pin; a page cache adds one.",
  atRest: false,
  check(view, report) {
    const sure = pinnedReferences(view);
    const maybe = new Uint32Array(view.frames);
    const count = (to: Uint32Array, pfn: number): void => {
      if (pfn !== 0 && pfn < view.frames) to[pfn]++;
    };
    for (const { root } of roots(view)) {
      reach(view, root, view.header(abi.H_LEVELS) - 1, (id, level) => {
        for (const leaf of view.entries(id)) {
          if (leaf && (level === 0 || huge(leaf))) count(sure, leaf.to);
        }
        return true;
      });
    }
    for (const i of view.running()) {
      if (i < view.header(abi.H_TASKS)) for (const pfn of view.batch(i)) count(sure, pfn);
      count(sure, view.ctx(i, "frame"));
      // An entry that was read is not held, one that was cleared is: the state does not tell.
      count(maybe, Math.floor(view.ctx(i, "pte") / 2 ** abi.PTE_SHIFT));
    }
    for (let pfn = 1; pfn < view.frames; pfn++) {
      const refs = view.frame(pfn, "refs");
      // The page cache keeps a reference to a file page for good.
      if (refs < sure[pfn] || refs > sure[pfn] + maybe[pfn] + 1) {
        report(`frame ${pfn} has ${refs} references, ${sure[pfn]} are accounted for`);
      }
    }
  },
};

const usersMatchTasks: Invariant = {
  name: "UsersMatchTasks",
  says: "When nothing runs, Mm.users is the number of tasks of that mm.",
  atRest: true,
  check(view, report) {
    for (let mm = 0; mm < view.mms; mm++) {
      let tasks = 0;
      for (let i = 0; i < view.header(abi.H_TASKS); i++) {
        if (view.core.read(TASK, view.core.task(i), "mm") === mm + 1) tasks++;
      }
      const users = view.core.read(MM, view.core.mm(mm), "users");
      if (users !== tasks) report(`mm ${mm} has ${users} users and ${tasks} tasks`);
    }
  },
};

export const MEMORY_INVARIANTS: readonly Invariant[] = [
  liveCountsEntries,
  tablesFormTrees,
  vmasAscend,
  freeListsAreLists,
  freeHasNoReferences,
  referencesMatch,
  usersMatchTasks,
];
