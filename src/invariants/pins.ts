/** What is true of mappings for DMA and of pinned pages (vfio-vdpa.md 1.2): assembly/pins. */
import * as abi from "../core/abi.js";
import { DEVICE } from "../core/layout.js";
import { type Invariant, listOf, type View } from "./view.js";

const HEAD_BYTES = 40;
const MAPPING_BYTES = 32;
const PAGE_BYTES = 24;
const LEDGER_HEAD = 8;
const LEDGER_BYTES = 16;

/** Rows of a machine that has them, by words. */
interface Rows {
  readonly pages: number;
  readonly mappings: number;
  /** A word of the header. */
  head(word: number): number;
  mapping(row: number): { start: number; end: number; flags: number };
  page(page: number): { pin: number; pins: number; held: number; to: number; toGen: number };
  device(index: number): { isListed: boolean; next: number };
  ledger(device: number, page: number): { frame: number; gen: number; count: number };
  leaks(pfn: number): number;
}

function rowsOf(view: View): Rows | null {
  if ((view.header(abi.H_ROWS) & abi.ROW_PINS) === 0) return null;
  const at = view.core.at(abi.H_OFF_PINS);
  const head = (word: number): number => view.word(at + word * 4);
  const [pageRows, deviceRows, leaks, stride] = [6, 7, 8, 9].map(head);
  const words = (from: number, n: number): number[] =>
    Array.from({ length: n }, (_, i) => view.word(from + i * 4));
  return {
    pages: head(0),
    mappings: head(1),
    head,
    mapping(row) {
      const [start, end, , , , flags] = words(at + HEAD_BYTES + row * MAPPING_BYTES, 6);
      return { start, end, flags };
    },
    page(page) {
      const [pin, pins, held, to, toGen] = words(at + pageRows + page * PAGE_BYTES, 5);
      return { pin, pins, held, to, toGen };
    },
    device(index) {
      const [first, next] = words(at + deviceRows + index * stride, 2);
      return { isListed: first >>> 16 === abi.PIN_LISTED, next };
    },
    ledger(device, page) {
      const from = at + deviceRows + device * stride + LEDGER_HEAD + page * LEDGER_BYTES;
      const [frame, gen, count] = words(from, 3);
      return { frame, gen, count };
    },
    leaks: (pfn) => view.word(at + leaks + pfn * 4),
  };
}

function pagesOf({ pages }: Rows): number[] {
  return Array.from({ length: pages }, (_, page) => page);
}

/** Does a mapping in the tree cover the page? */
function isMapped(rows: Rows, page: number): boolean {
  for (let row = 0; row < rows.mappings; row++) {
    const { start, end, flags } = rows.mapping(row);
    if ((flags & abi.MAP_TREE) !== 0 && start <= page && page < end) return true;
  }
  return false;
}

/** References of each frame that are pins, that mappings hold themselves, or that have leaked. */
export function pinnedReferences(view: View): Uint32Array {
  const counts = new Uint32Array(view.frames);
  const rows = rowsOf(view);
  if (rows === null) return counts;
  for (const page of pagesOf(rows)) {
    const { pin, held } = rows.page(page);
    for (const id of [pin, held]) if (id !== 0 && id <= view.frames) counts[id - 1]++;
  }
  return counts.map((n, pfn) => n + rows.leaks(pfn));
}

const pinsHoldReferences: Invariant = {
  name: "PinsHoldReferences",
  says: "A node and a mapping that holds a page have one reference of its frame each.",
  atRest: false,
  check(view, report) {
    pinnedReferences(view).forEach((n, pfn) => {
      const refs = view.frame(pfn, "refs");
      if (n > refs) report(`frame ${pfn} has ${refs} references, ${n} are of pins`);
    });
  },
};

const nodesInMapping: Invariant = {
  name: "NodesInMapping",
  says: "A page that is pinned, held or translated lies in a mapping of the tree.",
  atRest: false,
  check(view, report) {
    const rows = rowsOf(view);
    if (rows === null) return;
    for (const page of pagesOf(rows)) {
      const { pin, pins, held, to } = rows.page(page);
      if ((pin === 0) !== (pins === 0)) report(`page ${page}: ${pins} pins of frame ${pin - 1}`);
      if (pin + held + to !== 0 && !isMapped(rows, page)) report(`page ${page} is not mapped`);
    }
  },
};

const ledgersAddUp: Invariant = {
  name: "LedgersAddUp",
  says: "A page has at least as many pins as drivers have entered into their ledgers.",
  atRest: false,
  check(view, report) {
    const rows = rowsOf(view);
    if (rows === null) return;
    for (const page of pagesOf(rows)) {
      let believed = 0;
      for (let device = 0; device < view.devices; device++) {
        believed += rows.ledger(device, page).count;
      }
      const { pins } = rows.page(page);
      if (believed > pins) report(`page ${page} has ${pins} pins, drivers believe ${believed}`);
    }
  },
};

const pinLocksHaveHolders: Invariant = {
  name: "PinLocksHaveHolders",
  says: "Who holds the container lock, the list lock or the chain knows it, and nobody else does.",
  atRest: false,
  check(view, report) {
    const rows = rowsOf(view);
    if (rows === null) return;
    const holders = (lock: number): number[] =>
      view.running().filter((i) => (view.ctx(i, "locks") & (abi.LOCK_CONTAINER << lock)) !== 0);
    for (const lock of [abi.PINS_CONTAINER, abi.PINS_LIST]) {
      const owner = rows.head(2 + lock);
      const known = holders(lock);
      if (known.length > 1 || (known[0] ?? -1) + 1 !== owner) {
        report(
          `lock ${lock} is held by context ${owner - 1}, ${known.join(", ")} say they hold it`,
        );
      }
    }
    const chain = rows.head(2 + abi.PINS_CHAIN) | 0;
    const readers = holders(abi.PINS_CHAIN).length;
    const writers = holders(abi.PINS_CHAIN_WRITE).length;
    if (chain !== (writers > 0 ? -1 : readers)) {
      report(`the chain counts ${chain}, ${readers} read and ${writers} write`);
    }
  },
};

const listIsWhole: Invariant = {
  name: "ListIsWhole",
  says: "The list of devices ends, and has those that joined it, once.",
  atRest: false,
  check(view, report) {
    const rows = rowsOf(view);
    if (rows === null) return;
    const list = listOf(rows.head(5), view.devices, (device) => rows.device(device).next);
    const joined = Array.from({ length: view.devices }, (_, device) => device).filter(
      (device) => rows.device(device).isListed,
    );
    if (list === null || new Set(list).size !== list.length) report("the list does not end");
    else if ([...list].sort((a, b) => a - b).join() !== joined.join()) {
      report(`devices ${list.join(", ")} are in the list, ${joined.join(", ")} have joined it`);
    }
  },
};

/** Is the frame pinned for the page: by a node, or by the mapping that covers it? */
function isHeld(view: View, rows: Rows, page: number, pfn: number, gen: number): boolean {
  if (page >= rows.pages || view.frame(pfn, "gen") !== gen) return false;
  const { pin, held } = rows.page(page);
  return (pin === pfn + 1 || held === pfn + 1) && isMapped(rows, page);
}

const translationsArePinned: Invariant = {
  name: "TranslationsArePinned",
  says: "What a domain or an IOTLB translates to is pinned.",
  atRest: false,
  check(view, report) {
    const rows = rowsOf(view);
    if (rows === null) return;
    for (const page of pagesOf(rows)) {
      const { to, toGen } = rows.page(page);
      if (to === 0 || isHeld(view, rows, page, to - 1, toGen)) continue;
      report(`page ${page} is translated to frame ${to - 1}, which is not pinned`);
    }
    for (let device = 0; device < view.devices; device++) {
      const row = view.core.device(device);
      if (view.core.read(DEVICE, row, "kind") !== abi.DEV_PINNING) continue;
      for (const { vpn, frame, gen } of view.iotlb(device)) {
        if (isHeld(view, rows, vpn, frame, gen)) continue;
        report(`device ${device} has page ${vpn} in frame ${frame}, which is not pinned`);
      }
    }
  },
};

const devicesUsePinned: Invariant = {
  name: "DevicesUsePinned",
  says: "The frame that a mediated device uses for a page is pinned.",
  atRest: false,
  check(view, report) {
    const rows = rowsOf(view);
    if (rows === null) return;
    for (let device = 0; device < view.devices; device++) {
      for (const page of pagesOf(rows)) {
        const { frame, gen } = rows.ledger(device, page);
        if (frame === 0 || isHeld(view, rows, page, frame - 1, gen)) continue;
        report(`device ${device} uses frame ${frame - 1} for page ${page}, which is not pinned`);
      }
    }
  },
};

export const PIN_INVARIANTS: readonly Invariant[] = [
  pinsHoldReferences,
  nodesInMapping,
  ledgersAddUp,
  pinLocksHaveHolders,
  listIsWhole,
  translationsArePinned,
  devicesUsePinned,
];
