/** Call sites of several runs side by side: what a table of them is made from. */
import { ArgumentError } from "../errors.js";
import { type CallSiteCost, inOrder } from "./call-sites.js";
import type { CompareRun } from "./compare.js";

/** What one run has of a call site, or of all. Counts of the whole recording; simulated ns. */
export interface CallSiteCell {
  readonly notifications: number;
  readonly flushes: number;
  readonly deviceNs: number;
}

/** One call site in every run, or all of them together. */
export interface CallSiteRow {
  /** As in {@link CompareRun.sites}; "" for all together. */
  readonly row: string;
  readonly title: string;
  /** Brackets, which are the same in every era: of the first run that has the site. */
  readonly brackets: number;
  /** A cell for each run, zeros where the site told its device nothing. */
  readonly cells: readonly CallSiteCell[];
}

/** Device time that a run has less than the first one; below 0, more. */
export interface CallSiteSaving {
  readonly era: string;
  readonly ns: number;
  /** Of the first run's; 0 if that has none. */
  readonly percent: number;
}

/** See {@link tabulateCallSites}. */
export interface CallSiteTable {
  /** In the order of the site table; what has no row there comes last. */
  readonly rows: readonly CallSiteRow[];
  readonly all: CallSiteRow;
  /** For every run but the first one. */
  readonly savings: readonly CallSiteSaving[];
}

const NOTHING: CallSiteCell = { notifications: 0, flushes: 0, deviceNs: 0 };

const keyOf = ({ row, title }: CallSiteCost): string => `${row} ${title}`;

function cellOf(site: CallSiteCost | undefined): CallSiteCell {
  if (site === undefined) return NOTHING;
  const { notifications, flushes, deviceNs } = site;
  return { notifications, flushes, deviceNs };
}

function savingOf(first: CompareRun, { era, device }: CompareRun): CallSiteSaving {
  const before = first.device.busyNs;
  const ns = before - device.busyNs;
  return { era, ns, percent: before === 0 ? 0 : (ns / before) * 100 };
}

/**
 * Puts the call sites of runs of {@link compareTrace} side by side.
 * @param runs - at least one: of one consumer under one policy, an era each; what is saved is saved
 * against the first one
 * @throws ArgumentError E_TYPE without a run
 */
export function tabulateCallSites(runs: readonly CompareRun[]): CallSiteTable {
  if (runs.length === 0) {
    throw new ArgumentError("E_TYPE", "runs must be one run or more", {
      argument: "runs",
      least: 1,
    });
  }
  const [first, ...others] = runs;
  const sites = runs.map((run) => new Map(run.sites.map((site) => [keyOf(site), site])));
  const known = new Map<string, CallSiteCost>();
  for (const run of sites) {
    for (const [key, site] of run) if (!known.has(key)) known.set(key, site);
  }
  const rows = [...known].sort(([, a], [, b]) => inOrder(a, b));
  return {
    rows: rows.map(([key, { row, title, brackets }]) => {
      return { row, title, brackets, cells: sites.map((run) => cellOf(run.get(key))) };
    }),
    all: {
      row: "",
      title: "all",
      brackets: first.sites.reduce((sum, site) => sum + site.brackets, 0),
      cells: runs.map(({ notifications, device }) => ({
        notifications: notifications.secondary,
        flushes: device.zaps,
        deviceNs: device.busyNs,
      })),
    },
    savings: others.map((run) => savingOf(first, run)),
  };
}
