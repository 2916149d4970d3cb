/** What each call site tells a device, era beside era, and what that saves it: for `compare`. */
import type { CompareRun } from "../replay/compare.js";
import { type CallSiteSaving, tabulateCallSites } from "../replay/site-table.js";
import { formatTable } from "./table.js";

const NS_PER_US = 1000;

function us(ns: number): string {
  return (ns / NS_PER_US).toFixed(1);
}

/** "deduplicated saves 6448.0 us (50.0 %) of …" */
function formatSaving({ era, ns, percent }: CallSiteSaving, first: CompareRun): string {
  return (
    `${era} ${ns < 0 ? "costs" : "saves"} ${us(Math.abs(ns))} us ` +
    `(${Math.abs(percent).toFixed(1)} %) of the ${us(first.device.busyNs)} us ` +
    `the device is busy in ${first.era}`
  );
}

/** One consumer under one policy: a table with a line for each call site. */
function formatConsumer(runs: readonly CompareRun[]): string {
  const { rows, all, savings } = tabulateCallSites(runs);
  const head = [
    "row",
    "call site",
    "brackets",
    ...runs.flatMap(({ era }) => [`${era}: told`, "flushes", "device us"]),
  ];
  const lines = [...rows, all].map(({ row, title, brackets, cells }) => [
    row,
    title,
    brackets,
    ...cells.flatMap((cell) => [`${cell.notifications}`, `${cell.flushes}`, us(cell.deviceNs)]),
  ]);
  return [
    `${runs[0].consumer}, policy ${runs[0].policy}`,
    formatTable(head, lines, 2),
    ...savings.map((saving) => formatSaving(saving, runs[0])),
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
