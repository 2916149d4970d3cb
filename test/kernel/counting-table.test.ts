import { describe, expect, test } from "vitest";
import { Machine } from "../../src/index.js";

/**
 * notifiers.md 2.6: notifications that one sharing consumer sees for a single-site run: k pages
 * changed, one bracket, no nesting. Columns: double, deduplicated, coupled.
 */
const ERAS = ["double", "deduplicated", "coupled"] as const;
type Row = readonly [number, number, number];

const PAGE = 0x40000; // the start of a 2 MiB span, so that spans and extents count as one
const TABLE = 512;
const PUD = 512 * 512;
const READ = 1;
const RW = 3;

interface Setup {
  readonly machine: Machine;
  readonly mm: number;
  run(name: string, args: Record<string, number>): void;
  touch(vpn: number): void;
  secondary(): number;
}

async function setUp(era: string): Promise<Setup> {
  const machine = await Machine.create({ era, geometry: { cpus: 1, devices: 1 } });
  const mm = machine.newMm();
  machine.place(0, machine.newTask(mm));
  machine.attach("sharing", mm);
  const run = (name: string, args: Record<string, number>): void => {
    machine.submit(0, name, args);
    expect(machine.advance()).toBe("idle");
  };
  return {
    machine,
    mm,
    run,
    touch: (vpn) => {
      run("write", { vpn });
    },
    secondary: () => machine.counters().notifySecondary,
  };
}

/** Runs `prepare`, then `act`, in each era, and compares what the consumer was told meanwhile. */
function counts(
  name: string,
  row: Row,
  prepare: (s: Setup) => void,
  act: (s: Setup) => void,
): void {
  ERAS.forEach((era, column) => {
    test(`${name}, ${era}: ${row[column]}`, async () => {
      const setup = await setUp(era);
      prepare(setup);
      const before = setup.secondary();
      const brackets = setup.machine.counters().notifyStart;
      act(setup);
      expect(setup.secondary() - before).toBe(row[column]);
      const after = setup.machine.counters();
      expect(after.notifyEnd).toBe(after.notifyStart);
      expect(after.notifyStart).toBeGreaterThan(brackets);
      expect(after.hazards).toBe(0);
    });
  });
}

function mapAndTouch(s: Setup, pages: number, at = PAGE): void {
  s.machine.mapNow(s.mm, at, at + pages, RW);
  for (let i = 0; i < pages; i++) s.touch(at + i);
}

describe("notifications a sharing consumer sees", () => {
  counts(
    "copy-on-write fault",
    [2, 1, 1],
    (s) => {
      mapAndTouch(s, 1);
      s.run("fork", { childTask: s.machine.newTask(null) + 1 });
    },
    (s) => {
      s.touch(PAGE);
    },
  );

  counts(
    "zero-page write fault",
    [2, 1, 1],
    (s) => {
      s.machine.mapNow(s.mm, PAGE, PAGE + 1, RW);
      s.run("read", { vpn: PAGE });
    },
    (s) => {
      s.touch(PAGE);
    },
  );

  counts(
    "munmap, one gather flush",
    [2, 2, 1],
    (s) => {
      mapAndTouch(s, 4);
    },
    (s) => {
      s.run("munmap", { start: PAGE, end: PAGE + 4 });
    },
  );

  counts(
    "madvise, as munmap",
    [2, 2, 1],
    (s) => {
      mapAndTouch(s, 4);
    },
    (s) => {
      s.run("madvise", { start: PAGE, end: PAGE + 4 });
    },
  );

  counts(
    "brk that shrinks, as munmap",
    [2, 2, 1],
    (s) => {
      mapAndTouch(s, 4);
    },
    (s) => {
      s.run("brk", { start: PAGE, end: PAGE + 4 });
    },
  );

  for (const spans of [1, 2, 3]) {
    counts(
      `mprotect over ${spans} populated PUD span(s)`,
      [spans, spans, 1],
      (s) => {
        s.machine.mapNow(s.mm, PAGE, PAGE + spans * PUD, RW);
        for (let i = 0; i < spans; i++) s.touch(PAGE + i * PUD);
      },
      (s) => {
        s.run("mprotect", { start: PAGE, end: PAGE + spans * PUD, prot: READ });
      },
    );
  }

  for (const vmas of [1, 3]) {
    counts(
      `fork of ${vmas} copy-on-write VMA(s)`,
      [vmas, vmas, 1],
      (s) => {
        for (let i = 0; i < vmas; i++) mapAndTouch(s, 2, PAGE + i * 16);
      },
      (s) => {
        s.run("fork", { childTask: s.machine.newTask(null) + 1 });
      },
    );
  }

  // The moved range starts and ends inside a table that a neighbour keeps alive. Of four extents,
  // the two inner tables become empty: freeing them is one more gather flush, after the move.
  for (const [extents, freed] of [
    [1, 0],
    [2, 0],
    [4, 1],
  ] as const) {
    const start = PAGE + TABLE / 2;
    const end = start + (extents - 1) * TABLE + TABLE / 4;
    const flushesOfFreed: Row = [freed, freed, freed];
    const row: Row = [1, 1, extents];
    counts(
      `mremap of ${extents} extent(s), ${freed} flush for freed tables`,
      row.map((n, i) => n + flushesOfFreed[i]) as unknown as Row,
      (s) => {
        s.machine.mapNow(s.mm, PAGE, end + 8, RW);
        for (let i = 0; i < extents; i++) s.touch(start + i * TABLE);
      },
      (s) => {
        s.run("mremap", { start, end, target: start + 64 * TABLE });
      },
    );
  }
});
