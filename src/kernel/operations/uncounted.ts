/**
 * Gathers that do not look whether another one is open (I12): what that has cleared or cleaned and
 * not flushed yet looks to them as if nothing was there.
 */
import { op, type Program, type Reg } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { cleanPages, dropPages } from "./madvise.js";

const SOURCE = "shootdown.md I12; Linux before 99baac21e458";

function uncounted(
  name: string,
  summary: string,
  body: (kit: Kit, start: Reg, end: Reg) => Program,
  finish: (kit: Kit) => Program,
) {
  return operation(
    name,
    ["start", "end"],
    { summary, source: SOURCE, settles: "range", needs: NEEDS_DATA, mutant: true },
    (kit, { start, end }) => [
      op("mmap.read.lock"),
      kit.splitEdges(start, end),
      op("gather.begin", { note: "mmu_gather begins" }),
      body(kit, start, end),
      finish(kit),
      op("gather.end"),
      op("mmap.read.unlock"),
    ],
  );
}

export const madviseUncounted = uncounted(
  "madvise-uncounted",
  "mutant: as madvise, but flushes only what it has cleared itself",
  dropPages,
  (kit) => [kit.gatherFlush(), op("gather.free", { note: "free gathered pages" })],
);

export const madviseFreeUncounted = uncounted(
  "madvise.free-uncounted",
  "mutant: as madvise.free, but flushes only what it has cleaned itself",
  cleanPages,
  (kit) => kit.gatherFlushKept(),
);
