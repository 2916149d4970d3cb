/** Mappings in the IOMMU: pages pinned and charged as runs, and all that undone. */
import { bytesOf, hexOf } from "./addresses.js";
import { type Dma, PROT_WRITE, type Run } from "./dma.js";
import { failed, type Failed } from "../uapi/outcome.js";
import { tellAll } from "./notify.js";
import type { Type1 } from "./state.js";
import type { Errno } from "../uapi/errno.js";

const SHORT = 1024;

/** Maps runs in so many domains. What it did before it failed is undone. */
export function mapInto(s: Type1, runs: readonly Run[], domains: number): Failed | undefined {
  let made = 0;
  for (const run of runs) {
    for (let i = 0; i < domains; i++, made++) {
      if (s.allocations.take("io_pgtable")) continue;
      s.records.counters.domainMaps += made;
      s.records.counters.domainUnmaps += made;
      return failed("ENOMEM", "no-memory", `for the page table at ${hexOf(run.page)}`);
    }
  }
  s.records.counters.domainMaps += made;
  return undefined;
}

export function unmapRuns(s: Type1, runs: readonly Run[], domains: number): void {
  s.records.counters.domainUnmaps += runs.length * domains;
}

/** Pages of a run that have a node, whose charge it is then. */
function nodesIn(s: Type1, first: number, last: number): number {
  if (!s.store.anyIn(first, last)) return 0;
  let n = 0;
  // A walk looks at the whole table, so short runs ask page by page.
  if (last - first < SHORT) {
    for (let page = first; page <= last; page++) if (s.store.count(page) > 0) n++;
  } else {
    for (const { count } of s.store.walk(first, last)) if (count > 0) n++;
  }
  return n;
}

function splitReserved(s: Type1, page: number, pages: number, pfn: number): Run {
  const isReserved = s.frames.isReserved(pfn);
  let n = pages;
  for (const [first, last] of s.frames.reservedRanges) {
    if (isReserved ? last >= pfn && first <= pfn : first > pfn && first < pfn + n) {
      n = Math.min(n, (isReserved ? last + 1 : first) - pfn);
    }
  }
  return { page, pages: n, pfn, reserved: isReserved };
}

/** How many pages of a run fit under the limit. */
function fitting(s: Type1, dma: Dma, wanted: number): number {
  if (dma.lockCap) return wanted;
  return Math.max(0, Math.min(wanted, dma.mm.rlimitMemlock - dma.mm.lockedVm));
}

/** Pages from one on, up to the one that would be charged as number `most` + 1. */
function pagesUntil(s: Type1, page: number, most: number): number {
  let charged = 0;
  let pages = 0;
  while (charged < most || s.store.count(page + pages) > 0) {
    if (s.store.count(page + pages) === 0) charged++;
    pages++;
  }
  return pages;
}

function faultFailure(s: Type1, dma: Dma, page: number, errno: Errno): Failed {
  const cause = dma.mm.alive ? "fault" : "owner-exited";
  return failed(errno, cause, `page ${hexOf(page)} cannot be faulted in`);
}

/** Pins and charges one run, at most to the end of the mapping. */
function pinRun(s: Type1, dma: Dma, page: number): Run | Failed {
  const most = dma.last - page + 1;
  const got = dma.mm.faultInRun(dma.vpnOf(page), most, (dma.prot & PROT_WRITE) !== 0);
  if (typeof got === "string") return faultFailure(s, dma, page, got);
  let run = splitReserved(s, page, got.pages, got.pfn);
  if (run.reserved) return run;
  const wanted = run.pages - nodesIn(s, page, page + run.pages - 1);
  const fits = fitting(s, dma, wanted);
  if (fits < wanted) {
    const { rlimitMemlock, lockedVm } = dma.mm;
    if (!s.knobs.shortRunAtLimit || fits === 0) {
      const message = `${lockedVm} pages are charged, ${wanted} more go over ${rlimitMemlock}`;
      return failed("ENOMEM", "over-rlimit", message);
    }
    run = { ...run, pages: pagesUntil(s, page, fits) };
  }
  const errno = s.charge(dma, Math.min(fits, wanted), true);
  if (errno !== undefined) return failed(errno, "charge-interrupted", "killed while waiting");
  s.frames.get(run.pfn, run.pages);
  return run;
}

function giveBack(s: Type1, dma: Dma, run: Run): void {
  if (run.reserved) return;
  s.frames.put(run.pfn, run.pages);
  s.charge(dma, nodesIn(s, run.page, run.page + run.pages - 1) - run.pages, false);
}

/** Pins, charges and maps all of a mapping; nothing is left of it if that fails. */
export function pinAndCharge(s: Type1, dma: Dma, domains: number): Failed | undefined {
  const runs: Run[] = [];
  for (let page = dma.first; page <= dma.last;) {
    const run = pinRun(s, dma, page);
    let failure = "ok" in run ? run : undefined;
    if (!("ok" in run)) {
      failure = mapInto(s, [run], domains);
      if (failure === undefined) runs.push(run);
      else giveBack(s, dma, run);
      page += run.pages;
    }
    if (failure === undefined) continue;
    unmapRuns(s, runs, domains);
    for (const each of runs) giveBack(s, dma, each);
    return failure;
  }
  dma.runs = runs;
  s.records.counters.domainPages += dma.pages;
  return undefined;
}

/** Takes a mapping out of its domains, its pages unpinned and no longer charged. */
export function unpinRuns(s: Type1, dma: Dma, domains: number): void {
  const { runs } = dma;
  if (runs === undefined) return;
  unmapRuns(s, runs, domains);
  for (const run of runs) giveBack(s, dma, run);
  dma.runs = undefined;
}

/** The last real domain goes, emulated groups stay: what they have pinned is charged from now on. */
export function reaccount(s: Type1): void {
  for (const dma of s.dmas.all()) {
    let unpinned = 0;
    for (const run of dma.runs ?? []) {
      if (run.reserved) continue;
      s.frames.put(run.pfn, run.pages);
      unpinned += run.pages;
    }
    unmapRuns(s, dma.runs ?? [], 1);
    dma.runs = undefined;
    let nodes = 0;
    for (const { pfn } of s.store.walk(dma.first, dma.last)) if (!s.frames.isReserved(pfn)) nodes++;
    s.charge(dma, nodes - unpinned, false);
  }
}

/** Removes a mapping. Pins that are left cannot be reached any more: they leak. */
export function removeDma(s: Type1, dma: Dma): void {
  const hasPins = s.store.anyIn(dma.first, dma.last);
  if (hasPins && s.knobs.freeWithPins === "warn") {
    s.records.warn("pins-left", `mapping ${dma.id} at ${hexOf(dma.first)} is freed with pins`);
  }
  const charges = dma.runs !== undefined || s.chargesPins;
  if (s.hasReal) unpinRuns(s, dma, s.domains.length);
  else if (dma.runs !== undefined) leakRuns(s, dma);
  if (hasPins) leakPins(s, dma, charges);
  if (dma.vaddrInvalid) s.vaddrInvalid--;
  s.dmas.remove(dma);
  s.records.counters.mappings--;
}

/** A replay that was not unwound left it pinned, and there is no domain to find its pages in. */
function leakRuns(s: Type1, dma: Dma): void {
  for (const run of dma.runs ?? []) {
    if (run.reserved) continue;
    const charged = run.pages - nodesIn(s, run.page, run.page + run.pages - 1);
    const { page, pages, pfn } = run;
    s.leak(dma, {
      kind: "mapping",
      iova: bytesOf(page),
      pages,
      pfn,
      count: 0,
      charged,
      devices: [],
    });
  }
}

function leakPins(s: Type1, dma: Dma, charges: boolean): void {
  for (const { page, pfn, count } of s.store.walk(dma.first, dma.last)) {
    const devices = s.devices
      .filter(({ ledger }) => ledger !== undefined && ledger.count(page) > 0)
      .map(({ name }) => name);
    const charged = charges && !s.frames.isReserved(pfn) ? 1 : 0;
    s.leak(dma, { kind: "pin", iova: bytesOf(page), pages: 1, pfn, count, charged, devices });
  }
  s.store.drop(dma.first, dma.last);
}

/** The last group is about to go: with that policy, everybody is told of what they still pin. */
export function tellOfRelease(s: Type1): void {
  if (s.knobs.releasePolicy !== "notify-then-fatal") return;
  for (const dma of s.dmas.all()) {
    if (dma.removed || !s.store.anyIn(dma.first, dma.last)) continue;
    tellAll(s, dma, dma.first, dma.last);
    if (!dma.removed && s.store.anyIn(dma.first, dma.last)) {
      s.die("FATAL", `mapping ${dma.id} at ${hexOf(dma.first)} still has pins on release`);
    }
  }
}

/** The container has no groups any more. */
export function removeAll(s: Type1): void {
  for (const dma of s.dmas.all()) removeDma(s, dma);
}
