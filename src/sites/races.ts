/**
 * A small race for each row of the site table: a device has cached what the operation is about to
 * change, and uses it at any moment; where the row's danger needs one, another thread does too.
 */
import type { Geometry } from "../core/geometry.js";
import type { ScriptStep } from "../kernel/image.js";
import type { Scenario, ScenarioActor } from "../scenarios/scenario.js";
import { READ, RW, SHARED } from "./rig.js";
import { SITE_RUNS } from "./rows.js";

/** By when the secondary TLBs must have been told (notifiers.md 0.6). */
export type Deadline = "free" | "repoint" | "act" | "none";

/** What each deadline means. */
export const DEADLINES: Readonly<Record<Deadline, string>> = {
  free: "before a frame or page-table page is freed",
  repoint: "before the address shows another frame",
  act: "before anybody acts on the lost right: the caller, a copy, a child",
  none: "nothing is taken away",
};

interface Race {
  readonly deadline: Deadline;
  readonly call: string;
  readonly args: Readonly<Record<string, number>>;
  readonly setup: readonly ScriptStep[];
  readonly prot?: number;
  /** Pages that are mapped; 2 by default, which is one table and one huge page. */
  readonly mapped?: number;
  readonly geometry?: Partial<Geometry>;
  /** What the device does before, and meanwhile. */
  readonly cached?: readonly ScriptStep[];
  readonly uses?: readonly ScriptStep[];
  readonly rival?: { readonly name: string; readonly steps: readonly ScriptStep[] };
  readonly watch?: readonly number[];
  /**
   * The other thread may look for the page again and again, and each time the sequence of a
   * mirroring consumer moves: there would be no end of states.
   */
  readonly rivalLoops?: boolean;
}

const call = (name: string, args: Readonly<Record<string, number>> = {}): ScriptStep => ({
  call: name,
  args,
});
const touch = (...pages: readonly number[]): ScriptStep[] =>
  pages.map((vpn) => call("write", { vpn }));
const reads = (...pages: readonly number[]): ScriptStep[] =>
  pages.map((vpn) => ({ device: "read", vpn }));
const writes = (...pages: readonly number[]): ScriptStep[] =>
  pages.map((vpn) => ({ device: "write", vpn }));

const FIRST = { start: 0, end: 1 };
const BOTH = { start: 0, end: 2 };
const HUGE: readonly ScriptStep[] = [call("fault.huge", { vpn: 0 })];
const CHILD = { mms: 2, tasks: 3, frames: 5, tables: 6 };
const forked = (by: string): readonly ScriptStep[] => [...HUGE, call(by, { childTask: 3 })];

/** Two gathers at once: what the other one drops is of no interest. */
const DROPS_OTHER = { name: "T1 drops B", steps: [call("madvise", { start: 1, end: 2 })] };
/** The frame that was allocated first is truncated wherever it is mapped by then. */
const TRUNCATES = { name: "T1 truncates", steps: [call("truncate", { frame: 1 })] };

/** Entries are dropped, and pages freed, by gathers that another one may be open beside. */
function dropped(name: string): Race {
  const rest = { setup: touch(0, 1), uses: writes(0), rival: DROPS_OTHER };
  return { deadline: "free", call: name, args: FIRST, ...rest };
}

function downgraded(name: string, args: Readonly<Record<string, number>>, prot = RW): Race {
  return { deadline: "act", call: name, args, setup: touch(0), prot };
}

function hugeRace(deadline: Deadline, name: string, setup = HUGE): Race {
  return { deadline, call: name, args: { vpn: 0 }, setup };
}

/** By row and part. */
const RACES: Readonly<Record<string, Race>> = {
  // The table goes too: T1's gather makes this one nested, whose range then says nothing.
  "1": {
    deadline: "free",
    call: "munmap",
    args: BOTH,
    setup: touch(0, 2),
    mapped: 4,
    geometry: { pwcEntries: 1, tables: 4, frames: 4 },
    uses: reads(0, 0),
    rival: { name: "T1 truncates", steps: [call("truncate", { frame: 2 })] },
  },
  "2": dropped("madvise"),
  "3": { ...dropped("madvise.free"), deadline: "act" },
  "4": dropped("oom.reap"),
  "5": downgraded("mprotect", { ...FIRST, prot: READ }),
  "6": downgraded("numa.protect", FIRST),
  "7": {
    deadline: "free",
    call: "mremap",
    args: { ...FIRST, target: 2 },
    setup: touch(0),
    prot: RW | SHARED,
    geometry: { tables: 3 },
    uses: writes(0),
    rival: TRUNCATES,
  },
  "8": { ...downgraded("fork", { childTask: 3 }), geometry: CHILD, uses: writes(0) },
  "9": {
    deadline: "repoint",
    call: "fault.write",
    args: { vpn: 0 },
    setup: [call("read", { vpn: 0 }), call("read", { vpn: 1 })],
    geometry: { frames: 5 },
    cached: reads(0, 1),
    uses: reads(1, 0),
    watch: [0, 1],
    rival: { name: "T1 writes A, then B", steps: touch(0, 1) },
  },
  "10": { ...hugeRace("repoint", "fault.huge.write", forked("fork")), geometry: CHILD },
  "11a": hugeRace("free", "split.huge.file"),
  "11b": hugeRace("none", "split.huge.zero", [call("fault.huge.zero", { vpn: 0 })]),
  "11c": hugeRace("none", "split.huge.anon"),
  "12": hugeRace("free", "split.huge.pud"),
  "13": { deadline: "free", call: "collapse", args: { vpn: 0 }, setup: touch(0) },
  "14": { deadline: "free", call: "collapse.file", args: { vpn: 0 }, setup: touch(0) },
  "14-": { deadline: "free", call: "collapse.file-unbracketed", args: { vpn: 0 }, setup: touch(0) },
  "15": downgraded("ksm.protect", { vpn: 0 }),
  "16": {
    deadline: "free",
    call: "ksm.merge",
    args: { vpn: 0, kept: 1 },
    setup: [...touch(0, 1), call("ksm.protect", { vpn: 1 })],
    uses: reads(0, 0),
  },
  "17": {
    deadline: "repoint",
    call: "uprobe",
    args: { vpn: 0 },
    setup: [call("read", { vpn: 0 })],
    prot: READ,
  },
  "18": downgraded("writeback", FIRST, RW | SHARED),
  "19": downgraded("dax.writeback", FIRST, RW | SHARED),
  "20": { deadline: "free", call: "reclaim", args: FIRST, setup: touch(0) },
  "20f": { deadline: "free", call: "reclaim", args: FIRST, setup: touch(0), prot: RW | SHARED },
  "21": { deadline: "free", call: "migrate.pages", args: FIRST, setup: touch(0) },
  "22": { deadline: "free", call: "migrate.to.device", args: FIRST, setup: touch(0) },
  "23": {
    deadline: "repoint",
    call: "device.insert",
    args: FIRST,
    setup: [call("read", { vpn: 0 })],
  },
  "24": downgraded("make.exclusive", FIRST),
  "25": downgraded("clear.refs", {}),
  "26": {
    ...downgraded("fork.hugetlb", { childTask: 3 }),
    setup: HUGE,
    geometry: CHILD,
    uses: writes(0),
  },
  "27": { ...hugeRace("repoint", "fault.hugetlb.write", forked("fork.hugetlb")), geometry: CHILD },
  "28": { ...downgraded("mprotect.hugetlb", { ...BOTH, prot: READ }), setup: HUGE },
  "29u": { deadline: "free", call: "munmap.hugetlb", args: BOTH, setup: HUGE },
  "29m": {
    deadline: "free",
    call: "mremap.hugetlb",
    args: { ...BOTH, target: 2 },
    setup: HUGE,
    uses: writes(0),
    rival: TRUNCATES,
    rivalLoops: true,
  },
  "30": downgraded("wp.shared", FIRST, RW | SHARED),
  "31": { deadline: "repoint", call: "migrate", args: FIRST, setup: touch(0) },
  "32": {
    deadline: "none",
    call: "fault.upgrade",
    args: { vpn: 0 },
    setup: [...touch(0), call("ksm.protect", { vpn: 0 })],
  },
  "33": { deadline: "none", call: "fault.read", args: { vpn: 0 }, setup: [] },
  "34": { deadline: "none", call: "age.young", args: FIRST, setup: touch(0) },
};

/** A row of the table, ready to be explored. */
export interface SiteRace {
  /** Row and part: "11a". */
  readonly key: string;
  readonly deadline: Deadline;
  readonly scenario: Scenario;
  /** For mirroring consumers: without the other thread, where that would have no end of states. */
  readonly mirroring: Scenario;
}

function scenarioFor(key: string, title: string, race: Race): Scenario {
  const device = (steps: readonly ScriptStep[]): ScenarioActor => ({
    name: "device",
    device: 0,
    steps,
  });
  const isRead = race.prot === READ || race.call === "split.huge.zero";
  const { rival } = race;
  const rivals = rival === undefined ? [] : [{ name: rival.name, cpu: 1, steps: rival.steps }];
  const writable = race.setup.some(
    (step) => "call" in step && /^(write|fault.huge)$/.test(step.call),
  );
  const isFork = race.setup.some((step) => "call" in step && step.call.startsWith("fork"));
  const cached = race.cached ?? (writable && !isRead && !isFork ? writes(0) : reads(0));
  return {
    name: `site-${key.replace("-", "x")}`,
    title,
    source: `notifiers.md 2.4 row ${key}`,
    story: [
      "the device has cached what is mapped",
      `T0: ${race.call}`,
      ...(rival === undefined ? [] : [rival.name]),
      "the device uses the page at any moment",
    ],
    geometry: { frames: 4, tables: 4, indexBits: 1, levels: 2, gatherPages: 2, ...race.geometry },
    mms: [{ vmas: [{ start: 0, end: race.mapped ?? 2, prot: race.prot ?? RW }] }],
    threads: rival === undefined ? [0] : [0, 0],
    devices: [0],
    ...(race.watch === undefined ? {} : { watch: race.watch.map((vpn) => ({ mm: 0, vpn })) }),
    setup: [
      ...(race.setup.length === 0 ? [] : [{ name: "T0", cpu: 0, steps: race.setup }]),
      device(cached),
    ],
    actors: [
      { name: `T0 ${race.call}`, cpu: 0, steps: [call(race.call, race.args)] },
      ...rivals,
      device(race.uses ?? [...writes(0), ...reads(0, 0)]),
    ],
    expect: {},
  };
}

/** The races in the table's order. */
export function siteRaces(): SiteRace[] {
  return SITE_RUNS.map(({ row, part, title }) => {
    const key = `${row}${part}`;
    const race = RACES[key];
    if (race === undefined) throw new Error(`row ${key} has no race`);
    const scenario = scenarioFor(key, title, race);
    const { rival: _rival, ...alone } = race;
    const mirroring = race.rivalLoops === true ? scenarioFor(key, title, alone) : scenario;
    return { key, deadline: race.deadline, scenario, mirroring };
  });
}
