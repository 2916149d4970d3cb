import * as abi from "../../core/abi.js";
import type { Deferral } from "../defers.js";
import type { FlushPolicy } from "../policy.js";
import { batched } from "./batched.js";

const contract: Deferral = {
  eligible: "read-only",
  flushFirst: ["writable", "written", "unmapped"],
  takeoff: "flushed",
};

/**
 * P7, lazy unmap flush: reclaim and migration tell nobody about pages that nobody can write. Who
 * takes their frame from the free list flushes first, all that was put off on those CPUs at once. A
 * stale read until then sees what it would have seen; what would change that is flushed for first.
 * Writable pages are flushed in batches as ever.
 */
export const luf: FlushPolicy = {
  ...batched,
  name: "luf",
  title: "as batched; read-only pages are flushed for when their frame is used again",
  source: "shootdown.md P7 and I17; Park, LUF (Lazy Unmap Flush), RFC series",
  defers: contract,
  options: abi.OPT_BATCH | abi.OPT_DEFER,
};

function broken(name: string, title: string, source: string, how: Partial<Deferral>): FlushPolicy {
  return { ...luf, name, title, source, mutant: true, defers: { ...contract, ...how } };
}

/** The frame is somebody else's while others can still read it. */
export const lufUnflushed = broken(
  "luf-unflushed",
  "as luf, but nobody flushes when a frame is used again",
  "shootdown.md P7: until the frame leaves the free list",
  { takeoff: "never" },
);

/** The done check: what was put off while others were being flushed was not flushed for. */
export const lufLateStamp = broken(
  "luf-late-stamp",
  "as luf, but what is put off during a flush counts as flushed",
  "shootdown.md P7: the done check",
  { takeoff: "late-stamp" },
);

/** I9: a store through a stale entry reaches a page that is written out already. */
export const lufWritable = broken(
  "luf-writable",
  "as luf, but the flush of writable pages is put off, too",
  "shootdown.md P7 and I9: all mappings read-only",
  { eligible: "any" },
);

/** I17: a writable page appears at the address; others read the old one. */
export const lufMadeWritable = broken(
  "luf-made-writable",
  "as luf, but nobody flushes when an entry becomes writable",
  "shootdown.md P7 and I17: a writable PTE faulted in",
  { flushFirst: ["written", "unmapped"] },
);

/** I17: the file changes; others read its old page. */
export const lufWritten = broken(
  "luf-written",
  "as luf, but nobody flushes when the file is written",
  "shootdown.md P7 and I17: the file is written",
  { flushFirst: ["writable", "unmapped"] },
);

/** The address means something else; others read what it meant. */
export const lufUnmapped = broken(
  "luf-unmapped",
  "as luf, but nobody flushes when the address is unmapped or moved",
  "shootdown.md P7 and I9: the address means something else",
  { flushFirst: ["writable", "written"] },
);

/** I17: the kernel wipes the page that others still read. */
export const lufWiped = broken(
  "luf-wiped",
  "as luf, in a kernel that fills pages when it frees them",
  "shootdown.md P7 and I17: page poisoned or zeroed on free",
  { wipes: true },
);
