/**
 * What drivers of three kinds of device pin, as seeded traces: synthetic, after what the drivers
 * are known to do (docs/pinned-sets.md). Pages are guest pages, requests what one call names.
 */
import { checkWithin, checkWord } from "../arguments.js";
import { canonicalSeed, Random } from "../seed.js";
import { Buddy, ORDERS } from "./buddy.js";

/** Names of the profiles. */
export const PIN_PROFILES = ["ccw", "vgpu", "clustered"] as const;

/** One of {@link PIN_PROFILES}. */
export type PinProfile = (typeof PIN_PROFILES)[number];

/** One call: `count` pages from `page` on. */
export interface PinRequest {
  readonly pin: boolean;
  readonly page: number;
  readonly count: number;
}

/** See {@link pinTrace}. */
export interface PinTraceOptions {
  /** 1 by default. */
  readonly seed?: string | number | bigint;
  /** At least so many pages are pinned, over the whole trace; 200,000 by default. */
  readonly pins?: number;
}

/** What a device has pinned and unpinned, in its order. */
export interface PinTrace {
  readonly profile: PinProfile;
  readonly seed: bigint;
  /** Pages of the guest, 4 GiB: pages of requests are below. */
  readonly pages: number;
  readonly requests: readonly PinRequest[];
  /** Frame of a guest page. */
  frameOf(page: number): number;
}

/** Pages of every guest. */
export const GUEST_PAGES = 2 ** 20;
const BLOCK = 2 ** (ORDERS - 1);

type Emit = (pin: boolean, page: number, count: number) => void;

/** Share of the guest's 2 MiB blocks that huge pages of the host back, in percent. */
const HUGE: Readonly<Record<PinProfile, number>> = { ccw: 70, vgpu: 70, clustered: 100 };

const MAKERS: Readonly<Record<PinProfile, (random: Random, pins: number, emit: Emit) => void>> = {
  ccw,
  vgpu,
  clustered,
};

/**
 * The trace of a profile; the same seed makes the same trace.
 * @throws ArgumentError E_TYPE, E_LIMIT
 */
export function pinTrace(profile: PinProfile, options: PinTraceOptions = {}): PinTrace {
  checkWord("profile", profile, PIN_PROFILES);
  const pins = checkWithin("pins", options.pins ?? 200_000, 1, 1e8);
  const seed = canonicalSeed(options.seed ?? 1);
  const random = new Random(seed);
  const requests: PinRequest[] = [];
  MAKERS[profile](random, pins, (pin, page, count) => requests.push({ pin, page, count }));
  return { profile, seed, pages: GUEST_PAGES, requests, frameOf: layout(random, HUGE[profile]) };
}

/** Where the host keeps the guest's memory: huge pages in any order, or single pages. */
function layout(random: Random, huge: number): (page: number) => number {
  const blocks = GUEST_PAGES / BLOCK;
  const places = Float64Array.from({ length: blocks }, (_, i) => i);
  const isHuge = new Uint8Array(blocks);
  for (let i = blocks - 1; i >= 0; i--) {
    const j = random.below(i + 1);
    [places[i], places[j]] = [places[j], places[i]];
    isHuge[i] = random.below(100) < huge ? 1 : 0;
  }
  return (page) => {
    const block = Math.floor(page / BLOCK);
    const offset = page % BLOCK;
    // A factor that has no divisor in common with 512 scatters the pages of a block in its place.
    const place = isHuge[block] === 1 ? offset : (offset * 197 + block) % BLOCK;
    return 2 ** 20 + places[block] * BLOCK + place;
  };
}

/** I/O requests in flight, pages of channel programs, most data pages of a request. */
const CCW = { depth: 64, pool: 256, data: 16, run: 4 };

/**
 * Sparse: a channel program and its data are pinned when the guest starts an I/O and unpinned when
 * it is done. Programs come from a small pool, so they are pinned more than once at a time; data
 * are page cache, a few pages in a row.
 */
function ccw(random: Random, pins: number, emit: Emit): void {
  const inFlight: [page: number, count: number][][] = [];
  let pinned = 0;
  const finish = (at: number): void => {
    for (const [page, count] of inFlight[at]) emit(false, page, count);
    inFlight[at] = inFlight.at(-1)!;
    inFlight.pop();
  };
  while (pinned < pins) {
    const runs: [number, number][] = [[random.below(CCW.pool), 1]];
    const data = 1 + random.below(CCW.data);
    for (let left = data; left > 0;) {
      const count = Math.min(left, 1 + random.below(CCW.run));
      runs.push([CCW.pool + random.below(GUEST_PAGES - CCW.pool - CCW.run), count]);
      left -= count;
    }
    for (const [page, count] of runs) {
      emit(true, page, count);
      pinned += count;
    }
    inFlight.push(runs);
    if (inFlight.length >= CCW.depth) finish(random.below(inFlight.length));
  }
  while (inFlight.length > 0) finish(random.below(inFlight.length));
}

/** Pages where buffers lie (1 GiB of them), pages pinned at a time, share of a buffer touched. */
const VGPU = { first: 2 ** 18, zone: 2 ** 18, set: 98_304, touched: 95 };

/**
 * Dense: buffers of 4 KiB to 8 MiB from the guest's buddy allocator, pinned page by page as the
 * GPU's page tables are shadowed, unpinned when a buffer goes. A cache in the driver keeps a page
 * from being pinned twice.
 */
function vgpu(random: Random, pins: number, emit: Emit): void {
  const buddy = new Buddy(VGPU.first, VGPU.zone);
  const buffers: { blocks: [page: number, order: number][]; pages: number[] }[] = [];
  let pinned = 0;
  let held = 0;
  const drop = (at: number): void => {
    const { blocks, pages } = buffers[at];
    for (const page of pages) emit(false, page, 1);
    for (const [page, order] of blocks) buddy.release(page, order);
    held -= pages.length;
    buffers[at] = buffers.at(-1)!;
    buffers.pop();
  };
  while (pinned < pins) {
    const blocks: [number, number][] = [];
    const order = random.below(12);
    for (let i = 0; i < 2 ** Math.max(0, order - ORDERS + 1); i++) {
      const page = buddy.allocate(Math.min(order, ORDERS - 1));
      if (page !== undefined) blocks.push([page, Math.min(order, ORDERS - 1)]);
    }
    const pages: number[] = [];
    for (const [page, size] of blocks) {
      for (let i = 0; i < 2 ** size; i++) {
        if (random.below(100) < VGPU.touched) pages.push(page + i);
      }
    }
    for (const page of pages) emit(true, page, 1);
    pinned += pages.length;
    held += pages.length;
    buffers.push({ blocks, pages });
    while (held > VGPU.set) drop(random.below(buffers.length));
  }
  while (buffers.length > 0) drop(buffers.length - 1);
}

/** 2 MiB blocks at a time. */
const CLUSTERED = { blocks: 256 };

/** 2 MiB clusters: aligned blocks, each in one call, as a driver with a memory pool does. */
function clustered(random: Random, pins: number, emit: Emit): void {
  const blocks = Array.from({ length: GUEST_PAGES / BLOCK }, (_, i) => i);
  const take = (from: number[]): number => {
    const at = random.below(from.length);
    const block = from[at];
    from[at] = from.at(-1)!;
    from.pop();
    return block;
  };
  const held: number[] = [];
  for (let pinned = 0; pinned < pins; pinned += BLOCK) {
    const block = take(blocks);
    emit(true, block * BLOCK, BLOCK);
    held.push(block);
    if (held.length <= CLUSTERED.blocks) continue;
    const gone = take(held);
    emit(false, gone * BLOCK, BLOCK);
    blocks.push(gone);
  }
  while (held.length > 0) emit(false, held.pop()! * BLOCK, BLOCK);
}
