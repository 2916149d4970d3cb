// Replays a recording and says how well it was predicted.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { isShootdownError, replayTrace } from "../../dist/index.js";

const KINDS = ["local", "remote", "send", "switch", "wrongCpu"];

/** The text of a recording's line, for those who look for the reason of a miss. */
function linesOf(path) {
  const bytes = readFileSync(path);
  const text = path.endsWith(".gz") ? gunzipSync(bytes) : bytes;
  return text.toString("utf8").split("\n");
}

/** Mistakes by kind, side, pages and the call or fault that caused them, most frequent first. */
function grouped(misses, path) {
  const lines = misses.length === 0 ? [] : linesOf(path);
  const groups = new Map();
  for (const { flush, side } of misses) {
    const { cause, kind, pages } = flush;
    const line = /^\d+$/.test(cause) ? (lines[Number(cause) - 1] ?? "") : cause.replace(/\d+/, "");
    const name = /: (sys_\w+|page_fault_\w+|\w+)/.exec(line)?.[1] ?? line;
    const key = `${side} ${kind} ${pages} in ${name}`;
    const group = groups.get(key) ?? { key, count: 0, first: cause };
    group.count++;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}

/**
 * One row of the page.
 *
 * @param path - a recording
 * @param withMisses - also say which flushes were wrong
 */
export async function score(path, withMisses = false) {
  const misses = [];
  const onMiss = withMisses ? (flush, side) => misses.push({ flush, side }) : undefined;
  const result = await replayTrace(path, onMiss === undefined ? {} : { onMiss }).catch((error) => {
    if (isShootdownError(error)) return error;
    throw error;
  });
  if (isShootdownError(result)) return { invalid: result.message };
  const { fidelity, observed, predicted, trace } = result;
  const flushes = KINDS.reduce((sum, kind) => sum + observed[kind], 0);
  const row = { format: trace.format, lines: trace.lines, cpus: trace.cpus, flushes };
  if (trace.lostEvents > 0) return { ...row, invalid: `it lost ${trace.lostEvents} events` };
  if (fidelity === null) return { ...row, invalid: "it has no tlb_flush lines" };
  return {
    ...row,
    f1: fidelity.f1,
    f1AnyPages: fidelity.anyPages.f1,
    pagesExact: fidelity.pagesExact,
    byKind: fidelity.byKind,
    csd: { predicted: predicted.csd, observed: observed.csd },
    inferred: result.inferred,
    ...(withMisses ? { misses: grouped(misses, path) } : {}),
  };
}
