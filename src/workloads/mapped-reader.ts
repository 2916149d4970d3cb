/** A reader of a mapped file that does not fit into memory: reclaim of clean, read-only pages. */
import * as abi from "../core/abi.js";
import { reclaimedRead } from "../scenarios/deferral.js";
import { isOwn, type WorkloadGenerator, type WorkloadThread } from "./generator.js";

/** Pages of the file: more than a TLB holds, or nobody would notice that they are gone. */
const FILE_PAGES = 1920;
/** Frames there are beyond the files and the working sets. */
const SPARE = 128;
/** A shared mapping of a file that nobody may write. */
const FILE_READ_ONLY = abi.PROT_READ | abi.VMA_SHARED;

/** First page of part `round`, from the file's first. */
function partOf({ parameters }: WorkloadThread, round: number): number {
  return (round % Math.floor(FILE_PAGES / parameters.pages)) * parameters.pages;
}

/** Without locality everybody reads one file: all CPUs hold what is reclaimed. */
export const mappedReader: WorkloadGenerator = {
  name: "mapped-reader",
  title: "all threads read a mapped file part by part; thread 0 reclaims what it has read",
  standsFor: "inference over model weights, or a search index, larger than memory",
  source: "shootdown.md 3.3 T4 and T5: readers of mapped files under reclaim",
  defaults: { pages: 8, locality: 0 },
  scenarios: [reclaimedRead],
  regionPages: () => FILE_PAGES,
  frames: ({ locality, threads }) => (locality === 0 ? 1 : 1 + threads) * FILE_PAGES + SPARE,
  opsPerRound: ({ pages }) => pages,
  maps: (thread) => {
    const all = thread.index === 0 ? [thread.own, thread.shared(0)] : [thread.own];
    return all.map((start) => ({ start, end: start + FILE_PAGES, prot: FILE_READ_ONLY }));
  },
  round: (thread, index) => {
    const { pages } = thread.parameters;
    const file = isOwn(thread) ? thread.own : thread.shared(0);
    const start = file + partOf(thread, index);
    const reads = Array.from({ length: pages }, (_, i) => ({
      call: "read",
      args: { vpn: start + i },
    }));
    if (thread.index !== 0) return reads;
    return [...reads, { call: "reclaim", args: { start, end: start + pages }, ops: pages }];
  },
};
