/** What a trace of pins needs: pages at a time, how they lie, and what keeping them takes. */
import { PIN_NODE_BYTES, PinnedPagesTree } from "../pinned-pages-tree.js";
import { PinnedPages } from "../pinned-pages.js";
import type { PinStore } from "../pin-store.js";
import type { PinRequest, PinTrace } from "./profiles.js";

/** Pages of a 2 MiB block: a leaf of the packed form. */
const BLOCK = 512;
/** What an allocator of powers of two gives for a node. */
const ROUNDED_NODE_BYTES = 64;

/** What was found. Sizes in pages, unless they say bytes. */
export interface PinSetFigures {
  readonly requests: number;
  /** Pages named by requests that pin, and how many of them were pinned already, percent. */
  readonly pins: number;
  readonly repinnedPercent: number;
  readonly pagesPerCall: number;
  /** Pinned pages at a time: most, and on average over the requests. */
  readonly peak: number;
  readonly mean: number;
  /** At the peak: 2 MiB blocks with a pinned page, and how full they are, percent. */
  readonly blocks: number;
  readonly blockPercent: number;
  /** At the peak: neighbouring pages in a row, and neighbouring frames with them. */
  readonly pageRun: number;
  readonly frameRun: number;
  /** At the peak, bytes. */
  readonly packedBytes: number;
  readonly treeBytes: number;
  readonly slabBytes: number;
  /** A word for every page of the guest. */
  readonly denseBytes: number;
  /** Pinned pages after each of about 200 equal parts of the requests. */
  readonly curve: readonly number[];
}

/** Carries a request out. */
export function sendPins(store: PinStore, { pin, page, count }: PinRequest, trace: PinTrace): void {
  if (pin) store.pinRange(page, count, trace.frameOf);
  else store.unpinRange(page, count);
}

/** Measures a trace, tree and packed form side by side. The same trace gives the same figures. */
export async function measurePins(trace: PinTrace): Promise<PinSetFigures> {
  const { requests } = trace;
  const tree = new PinnedPagesTree({ last: trace.pages - 1 });
  const part = Math.max(1, Math.ceil(requests.length / 200));
  const curve: number[] = [];
  let [pins, fresh, calls, peak, peakAt, sum] = [0, 0, 0, 0, 0, 0];
  for (const [i, request] of requests.entries()) {
    const before = tree.size;
    sendPins(tree, request, trace);
    if (request.pin) {
      pins += request.count;
      fresh += tree.size - before;
      calls++;
    }
    if (tree.size > peak) [peak, peakAt] = [tree.size, i];
    sum += tree.size;
    if ((i + 1) % part === 0) curve.push(tree.size);
  }
  return {
    requests: requests.length,
    pins,
    repinnedPercent: ((pins - fresh) / pins) * 100,
    pagesPerCall: pins / calls,
    peak,
    mean: sum / requests.length,
    ...(await atPeak(trace, peakAt)),
    curve,
  };
}

async function atPeak(trace: PinTrace, peakAt: number): Promise<Peak> {
  const packed = await PinnedPages.create({ last: trace.pages - 1 });
  const tree = new PinnedPagesTree({ last: trace.pages - 1 });
  for (const request of trace.requests.slice(0, peakAt + 1)) {
    sendPins(packed, request, trace);
    sendPins(tree, request, trace);
  }
  let [blocks, block, pageRuns, frameRuns] = [0, -1, 0, 0];
  let [lastPage, lastFrame] = [-2, -2];
  for (const { page, pfn } of tree) {
    if (Math.floor(page / BLOCK) !== block) blocks++;
    if (page !== lastPage + 1) pageRuns++;
    if (page !== lastPage + 1 || pfn !== lastFrame + 1) frameRuns++;
    [block, lastPage, lastFrame] = [Math.floor(page / BLOCK), page, pfn];
  }
  const { size } = tree;
  const packedBytes = packed.bytesUsed;
  packed.dispose();
  return {
    blocks,
    blockPercent: (size / (blocks * BLOCK)) * 100,
    pageRun: size / pageRuns,
    frameRun: size / frameRuns,
    packedBytes,
    treeBytes: size * PIN_NODE_BYTES,
    slabBytes: size * ROUNDED_NODE_BYTES,
    denseBytes: trace.pages * 8,
  };
}

type Peak = Omit<
  PinSetFigures,
  "requests" | "pins" | "repinnedPercent" | "pagesPerCall" | "peak" | "mean" | "curve"
>;
