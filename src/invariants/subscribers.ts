/** What is true of subscribers that come and go (notifiers.md 7.1): assembly/subscribers. */
import * as abi from "../core/abi.js";
import { DEVICE, MM } from "../core/layout.js";
import type { Invariant, View } from "./view.js";

const HEAD_BYTES = 32;
const TABLE_HEAD = 64;
const ROW_BYTES = 64;

/** Words of a table, of a row: assembly/notifiers/rows.ts. */
const SEQ = 0;
const ACTIVE = 1;
const DEFERRED = 2;
const RELEASED = 3;
const COUNT = 10;
const STAMP = 32;
const NEXT = 36;
const FLAGS = 44;

const USED = 1;
const PLACED = 2;
const LISTED = 4;
const LEAVING = 32;

/** Interval subscribers of one mm. */
interface Table {
  readonly mm: number;
  word(index: number): number;
  /** A u32 of a row. */
  row(index: number, offset: number): number;
  readonly rows: number;
}

/** Has the machine such rows? */
function has(view: View): boolean {
  return (view.header(abi.H_ROWS) & abi.ROW_NOTIFIERS) !== 0;
}

function tables(view: View): Table[] {
  if (!has(view)) return [];
  const head = view.core.at(abi.H_OFF_SUBSCRIBERS);
  const [rows, , , stride, , first] = [0, 1, 2, 3, 4, 5].map((i) => view.word(head + i * 4));
  return Array.from({ length: view.mms }, (_, mm) => {
    const at = head + first + mm * stride;
    return {
      mm,
      rows,
      word: (index) => view.word(at + index * 4),
      row: (index, offset) => view.word(at + TABLE_HEAD + index * ROW_BYTES + offset),
    };
  });
}

function used(table: Table): number[] {
  const all = Array.from({ length: table.rows }, (_, i) => i);
  return all.filter((row) => (table.row(row, FLAGS) & USED) !== 0);
}

/** Rows of a list, or null when it does not end. */
function listed(table: Table, head: number): number[] | null {
  const list: number[] = [];
  for (let id = table.word(head); id !== 0; id = table.row(id - 1, NEXT)) {
    if (id > table.rows || list.length === table.rows) return null;
    list.push(id - 1);
  }
  return list;
}

/** A context's row: sections of SRCU, and whom it waits for. */
function readerWords(view: View, context: number): { depth: number; mask: number[] } {
  const head = view.core.at(abi.H_OFF_SUBSCRIBERS);
  const stride = view.word(head + 4);
  const at = head + HEAD_BYTES + context * stride;
  const words = Array.from({ length: (stride - 16) / 4 }, (_, i) => view.word(at + 16 + i * 4));
  return { depth: view.word(at), mask: words };
}

/** SUB_* of a device. */
function stateOf(view: View, device: number): number {
  const head = view.core.at(abi.H_OFF_SUBSCRIBERS);
  return view.word(head + view.word(head + 16) + device * view.word(head + 8) + 8);
}

const oddMeansOpen: Invariant = {
  name: "OddMeansOpen",
  says: "The sequence of an mm is odd only while a bracket is open, and only then changes wait.",
  atRest: false,
  check(view, report) {
    for (const table of tables(view)) {
      const { mm } = table;
      const [seq, active] = [table.word(SEQ), table.word(ACTIVE)];
      if (seq % 2 === 1 && active === 0) report(`mm ${mm}: sequence ${seq}, no bracket is open`);
      if (seq % 2 === 0 && table.word(DEFERRED) !== 0) report(`mm ${mm}: changes wait for nothing`);
    }
  },
};

const stampsAreOdd: Invariant = {
  name: "StampsAreOdd",
  says: "Every interval subscriber's stamp is odd and not ahead of the sequence.",
  atRest: false,
  check(view, report) {
    for (const table of tables(view)) {
      for (const row of used(table)) {
        const stamp = table.row(row, STAMP);
        if (stamp % 2 === 1 && stamp <= table.word(SEQ)) continue;
        report(`mm ${table.mm}, row ${row}: stamp ${stamp}, sequence ${table.word(SEQ)}`);
      }
    }
  },
};

const WALKS: readonly number[] = [abi.HOOK_INTERVALS, abi.HOOK_FINISH];

const treeHeldWhileOdd: Invariant = {
  name: "TreeHeldWhileOdd",
  says: "Who is in the middle of a walk over intervals stands at one that is in the tree.",
  atRest: false,
  check(view, report) {
    for (const table of tables(view)) {
      for (const i of view.running()) {
        const cursor = view.ctx(i, "cursor");
        if (view.ctx(i, "mm") !== table.mm + 1 || cursor === 0) continue;
        if (!WALKS.includes(view.ctx(i, "event"))) continue;
        const flags = cursor > table.rows ? 0 : table.row(cursor - 1, FLAGS);
        if (table.word(SEQ) % 2 === 0) report(`context ${i} walks while the sequence is even`);
        if ((flags & PLACED) === 0)
          report(`context ${i} stands at row ${cursor - 1}, which is out`);
      }
    }
  },
};

const subscribersAddUp: Invariant = {
  name: "SubscribersAddUp",
  says: "An interval subscriber is in the tree, waits to be, or is released once; all are counted.",
  atRest: false,
  check(view, report) {
    for (const table of tables(view)) {
      const { mm } = table;
      const waiting = listed(table, DEFERRED);
      const due = listed(table, RELEASED);
      if (waiting === null || due === null) {
        report(`mm ${mm}: a list does not end`);
        continue;
      }
      const rows = used(table);
      const staying = rows.filter((row) => (table.row(row, FLAGS) & LEAVING) === 0).length;
      if (staying !== table.word(COUNT)) {
        report(`mm ${mm} counts ${table.word(COUNT)} subscribers, ${staying} stay`);
      }
      for (const row of rows) {
        const flags = table.row(row, FLAGS);
        const places = waiting.filter((at) => at === row).length;
        if (places !== ((flags & LISTED) === 0 ? 0 : 1)) report(`mm ${mm}, row ${row}: LISTED`);
        const isSomewhere = (flags & PLACED) !== 0 || places === 1 || due.includes(row);
        if (!isSomewhere) report(`mm ${mm}, row ${row} is nowhere`);
      }
      const lost = [...waiting, ...due].filter((row) => !rows.includes(row));
      for (const row of lost) report(`mm ${mm}, row ${row} is free, and in a list`);
    }
  },
};

const startsMatchEnds: Invariant = {
  name: "StartsMatchEnds",
  says: "No classic subscriber has more brackets in progress than its mm has open.",
  atRest: false,
  check(view, report) {
    for (let device = 0; has(view) && device < view.devices; device++) {
      const state = stateOf(view, device);
      if ((state & abi.SUB_LINKED) === 0) continue;
      const open = view.core.read(MM, view.core.mm((state >>> 8) - 1), "brackets");
      const told = view.core.read(DEVICE, view.core.device(device), "inProgress");
      if (told > open) report(`device ${device} has ${told} in progress, ${open} are open`);
    }
  },
};

const bracketsEndForAll: Invariant = {
  name: "BracketsEndForAll",
  says: "When nothing runs, nobody who was told of a bracket still waits for its end.",
  atRest: true,
  check(view, report) {
    for (const table of tables(view)) {
      const active = table.word(ACTIVE);
      if (active !== 0) report(`mm ${table.mm}: intervals count ${active} open brackets`);
    }
    for (let device = 0; has(view) && device < view.devices; device++) {
      if ((stateOf(view, device) & abi.SUB_LINKED) === 0) continue;
      const told = view.core.read(DEVICE, view.core.device(device), "inProgress");
      if (told !== 0) report(`device ${device} has ${told} in progress`);
    }
  },
};

/** Micro-ops of a reader that has waited, or need not. */
const PAST_WAIT: readonly number[] = [abi.OP_DEV_RESOLVE, abi.OP_READ_RETRY];

const readersHaveWaited: Invariant = {
  name: "ReadersHaveWaited",
  says: "Nobody goes on from readBegin while the stamp that it got is the sequence.",
  atRest: false,
  check(view, report) {
    for (const table of tables(view)) {
      for (const i of view.running()) {
        if (view.ctx(i, "mm") !== table.mm + 1 || view.ctx(i, "r11") === 0) continue;
        const code = view.core.at(abi.H_OFF_CODE) + view.ctx(i, "pc") * 8;
        if (!PAST_WAIT.includes(view.core.u8[code])) continue;
        const seq = view.ctx(i, "seq");
        if (seq === table.word(SEQ)) report(`context ${i} reads under sequence ${seq}`);
      }
    }
  },
};

const sectionsHaveReaders: Invariant = {
  name: "SectionsHaveReaders",
  says: "Who is in a section of SRCU runs, and nobody waits for one who is in none.",
  atRest: false,
  check(view, report) {
    if (!has(view)) return;
    const contexts = Array.from({ length: view.header(abi.H_CONTEXTS) }, (_, i) => i);
    const readers = contexts.map((i) => readerWords(view, i));
    const running = view.running();
    readers.forEach(({ depth, mask }, i) => {
      if (depth > 0 && !running.includes(i))
        report(`context ${i} is in a section, and does not run`);
      for (const j of contexts) {
        const waits = ((mask[j >> 5] >>> (j & 31)) & 1) === 1;
        if (waits && readers[j].depth === 0)
          report(`context ${i} waits for ${j}, who reads nothing`);
      }
    });
  },
};

const freedAreUnlinked: Invariant = {
  name: "FreedAreUnlinked",
  says: "A classic subscriber that was freed is in no list.",
  atRest: false,
  check(view, report) {
    if (!has(view)) return;
    for (let mm = 0; mm < view.mms; mm++) {
      let left = view.devices;
      let id = view.core.read(MM, view.core.mm(mm), "subscribers");
      for (; id !== 0 && left > 0; left--) {
        if ((stateOf(view, id - 1) & abi.SUB_LINKED) === 0) {
          report(`device ${id - 1} is in the list of mm ${mm}, and not linked`);
        }
        id = view.core.read(DEVICE, view.core.device(id - 1), "next");
      }
    }
  },
};

export const SUBSCRIBER_INVARIANTS: readonly Invariant[] = [
  oddMeansOpen,
  stampsAreOdd,
  treeHeldWhileOdd,
  subscribersAddUp,
  startsMatchEnds,
  bracketsEndForAll,
  readersHaveWaited,
  sectionsHaveReaders,
  freedAreUnlinked,
];
