/** A guest to map for a device: its memory in regions, and how its frames lie. */
import { checkWithin } from "../arguments.js";
import { HostFrames } from "../mm/frames.js";
import { UserMm } from "../mm/user-mm.js";
import { byteOf } from "./addresses.js";
import type { VdpaRegion } from "./userspace.js";

/** What the guest is. */
export interface GuestOptions {
  /** Pages of each region; regions lie one behind the other, a page apart. */
  readonly regions: readonly number[];
  /** Lengths of runs of neighbouring frames, pages: see `VmaOptions`. One run by default. */
  readonly runs?: readonly number[];
  readonly frames?: HostFrames;
  readonly rlimitMemlock?: number;
}

/** Memory and regions. */
export interface Guest {
  readonly mm: UserMm;
  readonly regions: readonly VdpaRegion[];
  /** Runs of neighbouring frames in all regions: entries of a table in physical mode. */
  readonly entries: number;
  readonly pages: number;
}

const FIRST_VPN = 0x10_0000;

/** Memory is a shared mapping of a file, which devices in VA mode need. @throws E_TYPE, E_LIMIT */
export function makeGuest(options: GuestOptions): Guest {
  const frames = options.frames ?? new HostFrames();
  const { rlimitMemlock } = options;
  const limit = rlimitMemlock === undefined ? {} : { rlimitMemlock };
  const mm = new UserMm(frames, { name: "guest", ...limit });
  const regions: VdpaRegion[] = [];
  let page = 1;
  let entries = 0;
  for (const pages of options.regions) {
    checkWithin("regions", pages, 1, 2 ** 32);
    const runs = options.runs === undefined ? {} : { runs: options.runs };
    const at = FIRST_VPN + page;
    mm.map({ at, pages, kind: "file", shared: true, ...runs });
    regions.push({ iova: byteOf(page), size: byteOf(pages), uaddr: byteOf(at) });
    entries += runsIn(pages, options.runs ?? [pages]);
    page += pages + 1;
  }
  return { mm, regions, entries, pages: options.regions.reduce((sum, n) => sum + n, 0) };
}

function runsIn(pages: number, runs: readonly number[]): number {
  let left = pages;
  let count = 0;
  for (let i = 0; left > 0 && i < runs.length; i++, count++) left -= runs[i];
  return left > 0 ? count + Math.ceil(left / runs[runs.length - 1]) : count;
}
