/** What each call site tells a device, era beside era, and what that saves it: for `compare`. */
import type { CallSiteCost } from "../replay/call-sites.js";
import type { CompareRun } from "../replay/compare.js";
import { formatTable } from "./table.js";

const NS_PER_US = 1000;

function us(ns: number): string {
  return (ns / NS_PER_US).toFixed(1);
}

function total(run: CompareRun, of: (site: CallSiteCost) => number): number {
  return run.sites.reduce((sum, site) => sum + of(site), 0);
}

/** "deduplicated saves 6448.0 us (50.0 %) of …" for every era behind the first one. */
function savings(runs: readonly CompareRun[]): string[] {
  const [first, ...others] = runs;
  const before = total(first, (site) => site.deviceNs);
  return others.map((run) => {
    const after = total(run, (site) => site.deviceNs);
    const saved = before - after;
    const percent = before === 0 ? 0 : (saved / before) * 100;
    const verb = saved < 0 ? "costs" : "saves";
    return (
      `${run.era} ${verb} ${us(Math.abs(saved))} us (${Math.abs(percent).toFixed(1)} %) ` +
      `of the ${us(before)} us the device is busy in ${first.era}`
    );
  });
}

/** One consumer under one policy: a table with a line for each call site. */
function formatConsumer(runs: readonly CompareRun[]): string {
  const sites = new Map<string, CallSiteCost>();
  for (const run of runs) {
    for (const site of run.sites) sites.set(`${site.row} ${site.title}`, site);
  }
  const keys = [...sites.keys()].sort(
    (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1),
  );
  const cells = (run: CompareRun, key: string): string[] => {
    const site = run.sites.find(({ row, title }) => `${row} ${title}` === key);
    return site === undefined
      ? ["0", "0", "0.0"]
      : [`${site.notifications}`, `${site.flushes}`, us(site.deviceNs)];
  };
  const head = [
    "row",
    "call site",
    "brackets",
    ...runs.flatMap(({ era }) => [`${era}: told`, "flushes", "device us"]),
  ];
  const rows = keys.map((key) => {
    const { row, title, brackets } = sites.get(key) as CallSiteCost;
    return [row, title, brackets, ...runs.flatMap((run) => cells(run, key))];
  });
  const all = runs.flatMap((run) => [
    `${total(run, (site) => site.notifications)}`,
    `${total(run, (site) => site.flushes)}`,
    us(total(run, (site) => site.deviceNs)),
  ]);
  rows.push(["", "all", total(runs[0], (site) => site.brackets), ...all]);
  return [
    `${runs[0].consumer}, policy ${runs[0].policy}`,
    formatTable(head, rows, 2),
    ...savings(runs),
    "",
  ].join("\n");
}

/** A table for each consumer and policy. Eras in the order they were asked for. */
export function formatCallSites(runs: readonly CompareRun[]): string {
  const groups = new Map<string, CompareRun[]>();
  for (const run of runs) {
    const key = `${run.consumer} ${run.policy}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map(formatConsumer).join("\n");
}
