/**
 * `npm run bench -- pinned-sets`: what the devices of docs/pinned-sets.md pin and unpin, from an
 * empty set to an empty set, by everything that can keep it; and a 1 TiB guest, all of it pinned.
 */
import {
  PIN_PROFILES,
  type PinRequest,
  pinTrace,
  type PinTrace,
  PinnedPages,
  PinnedPagesTree,
  type PinStore,
  UserMm,
  HostFrames,
  VfioContainer,
  type VfioDevice,
} from "shootdown";
import type { Row, Sampled } from "../harness.js";

const SEED = 1;
const PINS = 200_000;
const FEW = 2_000;
/** Pages in a part of a trace that is timed at a time. */
const PART = 1_000;
const PAGE = 4096;
/** What the kernel takes at once. */
const REQUEST = 512;
const TIB_PAGES = 2 ** 28;

/** Carries out part of the requests: frames that pins gave, added up, and what is left then. */
interface Replay {
  readonly counts: Uint32Array;
  part(from: number, to: number): number;
  left(): number;
}

interface Keeper {
  readonly name: string;
  readonly open: (trace: PinTrace) => Promise<Replay>;
}

function* whole(requests: readonly PinRequest[]): Generator<PinRequest> {
  yield* requests;
}

/** One call a page, as a driver without ranges makes them. */
function* single(requests: readonly PinRequest[]): Generator<PinRequest> {
  for (const { pin, page, count } of requests) {
    for (let i = 0; i < count; i++) yield { pin, page: page + i, count: 1 };
  }
}

/**
 * Requests in flat arrays, made before anything is timed: an object each would be more memory than
 * caches hold, and fetching it would take longer than the pin.
 */
interface Prepared {
  readonly pins: Uint8Array;
  readonly pages: Float64Array;
  readonly counts: Uint32Array;
  /** Frames of all requests, one behind the other, and where those of each begin. */
  readonly frames: Float64Array;
  readonly starts: Uint32Array;
}

function prepared(requests: Iterable<PinRequest>, trace: PinTrace): Prepared {
  const all = Array.from(requests);
  const starts = new Uint32Array(all.length);
  let sum = 0;
  for (const [i, { count }] of all.entries()) {
    starts[i] = sum;
    sum += count;
  }
  const frames = new Float64Array(sum);
  for (const [i, { page, count }] of all.entries()) {
    for (let k = 0; k < count; k++) frames[starts[i] + k] = trace.frameOf(page + k);
  }
  return {
    pins: Uint8Array.from(all, ({ pin }) => Number(pin)),
    pages: Float64Array.from(all, ({ page }) => page),
    counts: Uint32Array.from(all, ({ count }) => count),
    frames,
    starts,
  };
}

/** Room for requests, one list for each length. */
function roomFor(most: number): Float64Array[] {
  return Array.from({ length: most + 1 }, (_, count) => new Float64Array(count));
}

function sumOf(list: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < list.length; i++) sum += list[i];
  return sum;
}

function byStore(store: PinStore, requests: Prepared): Replay {
  const { pins, pages, counts, frames, starts } = requests;
  const known = roomFor(REQUEST);
  const room = roomFor(REQUEST);
  return {
    counts,
    part: (from, to) => {
      let sum = 0;
      for (let i = from; i < to; i++) {
        const count = counts[i];
        if (pins[i] === 0) {
          store.unpinRange(pages[i], count);
          continue;
        }
        const list = known[count];
        for (let k = 0, at = starts[i]; k < count; k++) list[k] = frames[at + k];
        sum += sumOf(store.pinRange(pages[i], count, list, room[count]));
      }
      return sum;
    },
    left: () => store.size,
  };
}

async function container(
  trace: PinTrace,
  options: { readonly storage: "packed" | "tree"; readonly ledger: boolean },
): Promise<{ box: VfioContainer; device: VfioDevice }> {
  const frames = Float64Array.from({ length: trace.pages }, (_, page) => trace.frameOf(page));
  const mm = new UserMm(new HostFrames(), { rlimitMemlock: trace.pages });
  mm.map({ at: 0, pages: trace.pages, frames });
  return opened(mm, trace.pages, options);
}

async function opened(
  mm: UserMm,
  pages: number,
  options: { readonly storage: "packed" | "tree"; readonly ledger: boolean },
): Promise<{ box: VfioContainer; device: VfioDevice }> {
  const box = await VfioContainer.create({ mm, ...options });
  const group = box.attachGroup({ name: "g", kind: "emulated" });
  const mapped = box.map({ iova: 0, vaddr: 0, size: pages * PAGE });
  const device = await box.openDevice({
    name: "d",
    group: "g",
    dmaUnmap: (iova, size) => {
      const first = Number(iova) / PAGE;
      for (let at = 0; at < Number(size) / PAGE; at += REQUEST) {
        box.unpinPages(device.ok ? device.value : fail(), (first + at) * PAGE, REQUEST);
      }
    },
  });
  if (!group.ok || !mapped.ok || !device.ok) throw new Error("the container cannot be set up");
  return { box, device: device.value };
}

function fail(): never {
  throw new Error("no device");
}

function byContainer(
  { box, device }: { box: VfioContainer; device: VfioDevice },
  requests: Prepared,
): Replay {
  const { pins, pages, counts } = requests;
  const room = roomFor(REQUEST);
  return {
    counts,
    part: (from, to) => {
      let sum = 0;
      for (let i = from; i < to; i++) {
        const count = counts[i];
        if (pins[i] === 1) {
          const outcome = box.pinPages(device, pages[i] * PAGE, count, "rw", room[count]);
          if (!outcome.ok) throw new Error(outcome.message);
          sum += sumOf(outcome.value);
        } else box.unpinPages(device, pages[i] * PAGE, count);
      }
      return sum;
    },
    left: () => box.pinnedPages + box.chargedTo(),
  };
}

const KEEPERS: readonly Keeper[] = [
  {
    name: "packed, ranges",
    open: async (trace) => {
      const store = await PinnedPages.create({ last: trace.pages - 1 });
      return byStore(store, prepared(whole(trace.requests), trace));
    },
  },
  {
    name: "packed, a page a call",
    open: async (trace) => {
      const store = await PinnedPages.create({ last: trace.pages - 1 });
      return byStore(store, prepared(single(trace.requests), trace));
    },
  },
  {
    name: "plain tree, ranges",
    open: async (trace) => {
      const store = new PinnedPagesTree({ last: trace.pages - 1 });
      return byStore(store, prepared(whole(trace.requests), trace));
    },
  },
  ...(["packed", "tree"] as const).flatMap((storage) =>
    [false, true].map((ledger) => ({
      name: `container, ${storage}${ledger ? ", ledger" : ""}`,
      open: async (trace: PinTrace) =>
        byContainer(
          await container(trace, { storage, ledger }),
          prepared(whole(trace.requests), trace),
        ),
    })),
  ),
];

/** A map from page to frame and count: what every keeper must come to. */
function modelOf(trace: PinTrace): number {
  const { requests } = trace;
  const counts = new Map<number, number>();
  let sum = 0;
  for (const { pin, page, count } of requests) {
    for (let i = page; i < page + count; i++) {
      if (pin) sum += trace.frameOf(i);
      const left = (counts.get(i) ?? 0) + (pin ? 1 : -1);
      if (left > 0) counts.set(i, left);
      else counts.delete(i);
    }
  }
  return sum + counts.size;
}

/** Parts of the requests of about so many pages each. */
function partsOf(counts: Uint32Array, pages: number): number[] {
  const ends: number[] = [];
  let sum = 0;
  for (const [i, count] of counts.entries()) {
    sum += count;
    if (sum < pages && i < counts.length - 1) continue;
    ends.push(i + 1);
    sum = 0;
  }
  return ends;
}

/**
 * Runs the trace several times in parts of less than a scheduler's slice, and adds up the fastest
 * run of each part: what else the machine does makes a part slower, never faster. Pauses of the
 * garbage collector are left out with it.
 * @returns nanoseconds an operation, one figure
 */
function fastest(replay: Replay, operations: number, quick: boolean): Sampled {
  const ends = partsOf(replay.counts, PART);
  const least = ends.map(() => Infinity);
  const until = performance.now() + (quick ? 0 : 5_000);
  let checksum = 0;
  for (let run = 0; run < (quick ? 2 : 8) || performance.now() < until; run++) {
    checksum = 0;
    let from = 0;
    for (const [i, to] of ends.entries()) {
      const start = performance.now();
      checksum += replay.part(from, to);
      least[i] = Math.min(least[i], performance.now() - start);
      from = to;
    }
    checksum += replay.left();
  }
  const total = least.reduce((sum, ms) => sum + ms, 0);
  return { checksum, nanoseconds: [(total * 1e6) / operations] };
}

function profileRows(quick: boolean): Row[] {
  return PIN_PROFILES.flatMap((profile) => {
    const trace = pinTrace(profile, { seed: SEED, pins: quick ? FEW : PINS });
    const operations = trace.requests.reduce((sum, { count }) => sum + count, 0);
    const pins = operations / 2;
    return KEEPERS.map(({ name, open }) => {
      return {
        name: `pin and unpin, ${profile}, ${pins}: ${name}`,
        unit: "pages pinned or unpinned",
        seed: SEED,
        contender: name,
        perCall: operations,
        work: () => 0,
        measured: async () => fastest(await open(trace), operations, quick),
        model: () => modelOf(trace),
      };
    });
  });
}

/** All of a guest: mapped, pinned in calls of 512 pages, unmapped by a driver that unpins. */
function guestRows(quick: boolean): Row[] {
  const pages = quick ? 2 ** 18 : TIB_PAGES;
  const text = quick ? "1 GiB guest" : "1 TiB guest";
  const bytes = { used: 0 };
  const run = async (timed: (ns: number) => void): Promise<number> => {
    const mm = new UserMm(new HostFrames(), { rlimitMemlock: pages });
    mm.map({ at: 0, pages });
    const options = { storage: "packed", ledger: false } as const;
    const { box, device } = await opened(mm, pages, options);
    const into = new Float64Array(REQUEST);
    const from = performance.now();
    for (let page = 0; page < pages; page += REQUEST) {
      const outcome = box.pinPages(device, page * PAGE, REQUEST, "rw", into);
      if (!outcome.ok) throw new Error(outcome.message);
    }
    const pinned = box.pinnedPages + box.chargedTo();
    const { store } = box.raw;
    bytes.used = store instanceof PinnedPages ? store.bytesUsed : 0;
    const gone = box.unmap({ iova: 0, size: pages * PAGE });
    if (!gone.ok) throw new Error(gone.message);
    timed(((performance.now() - from) * 1e6) / pages);
    const left = box.pinnedPages + box.chargedTo() + mm.frames.held;
    box.dispose();
    return pinned + left;
  };
  const model = (): number => 2 * pages;
  return [
    {
      name: `map, pin all, unmap, ${text}: container, packed`,
      unit: "pages",
      seed: SEED,
      contender: "container, packed",
      perCall: pages,
      work: () => 0,
      measured: async () => {
        const nanoseconds: number[] = [];
        let checksum = 0;
        for (let i = 0; i < (quick ? 1 : 3); i++) {
          checksum = await run((ns) => nanoseconds.push(ns));
        }
        return { checksum, nanoseconds };
      },
      model,
    },
    {
      name: `bytes, ${text}: container, packed`,
      unit: "bytes a page",
      seed: SEED,
      perCall: 1,
      work: () => 0,
      counted: async () => {
        const checksum = await run(() => {});
        return { checksum, amount: bytes.used / pages };
      },
      model,
    },
  ];
}

export function pinnedSetRows({ quick, largest }: { quick: boolean; largest: boolean }): Row[] {
  return largest ? guestRows(quick) : [...profileRows(quick), ...(quick ? guestRows(true) : [])];
}
