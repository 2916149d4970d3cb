// The reclaim of a linear mapped reader: one process a CPU reads a file of its own through a
// mapping, all files together are far larger than memory, and what is read pushes out what was read
// before. This file is the kernel's lists and decisions, as streams of calls, one a CPU; the
// simulated machine runs them (mapped-readers.mjs) and counts what they cost.
//
// Constants of Linux 4.0, of which the published figures are:

/** Pages that shrink_page_list is handed at once, and size of the batch of the measured patch. */
export const SWAP_CLUSTER_MAX = 32;
/** Pages a CPU collects before it adds them to an LRU list. */
export const PAGEVEC_SIZE = 14;
/** VM_MAX_READAHEAD, 128 KiB. */
export const READAHEAD = 32;
/** fault_around_bytes, 64 KiB. */
const FAULT_AROUND = 16;
/** A list is scanned by 1/4096 of its length at first. */
const DEF_PRIORITY = 12;
const PAGES_A_GIB = 2 ** 18;
/** set_recommended_min_free_kbytes: pageblocks of 512 pages, (2 + 3 x 3) of them a zone. */
const MIN_FREE_A_ZONE = 512 * 11;
/** The DMA and DMA32 zones of the first node. */
const LOW_ZONES = 2;
/** Lists are shorter than real ones here, so watermarks and passes are smaller by this. */
export const SCALE = 4;
/** How long a sleeping kswapd does not look, ns. */
const NAP_NS = 5000;

/** A node's share of the watermarks, pages, and what one pass scans of its list. */
function watermarks({ nodes, gib, scale = SCALE }) {
  const min = Math.round(((nodes + LOW_ZONES) * MIN_FREE_A_ZONE) / nodes / scale);
  const scan = ((gib / nodes / scale) * PAGES_A_GIB) >> DEF_PRIORITY;
  return { min, low: Math.round(min * 1.25), high: Math.round(min * 1.5), scan };
}

/** Pages in the order in which they will be looked at: added at one end, taken at the other. */
class Lru {
  #ids;
  #head = 0;
  #tail = 0;

  constructor(capacity) {
    this.#ids = new Int32Array(capacity);
  }

  get length() {
    return this.#head - this.#tail;
  }

  add(id) {
    if (this.length === this.#ids.length) throw new Error("papers: an LRU list is full");
    this.#ids[this.#head++ % this.#ids.length] = id;
  }

  oldest() {
    return this.#ids[this.#tail++ % this.#ids.length];
  }
}

/**
 * Memory and its readers. `listed` pages a node are on the LRU list while its free pages are at the
 * low watermark: shorter than the real list, which only has to be much longer than what is scanned
 * at once.
 */
export class Memory {
  constructor(facts, listed, mostPages) {
    this.facts = facts;
    this.listed = listed;
    this.marks = watermarks(facts);
    this.zones = Array.from({ length: facts.nodes }, () => ({
      lru: new Lru(2 * listed),
      free: listed + this.marks.low,
      isAwake: false,
      seen: 0,
    }));
    this.owner = new Int16Array(mostPages);
    this.zoneOf = new Int8Array(mostPages);
    /** Of its owner's file. */
    this.index = new Int32Array(mostPages);
    this.wasSeen = new Uint8Array(mostPages);
    this.isMapped = new Uint8Array(mostPages);
    this.pages = 0;
    /** What each reader's CPU has not added to the lists yet. */
    this.pagevecs = Array.from({ length: facts.cpus }, () => []);
    /** Is a reader's mm in the cpumask of a CPU other than that of who reclaims? */
    this.isElsewhere = () => true;
  }

  /** Were `part` of every list looked at before, or more, or (by default) less? */
  isPartly(part, orMore = false) {
    const isSo = ({ seen, lru }) => seen >= part * lru.length === orMore;
    return this.zones.every((zone) => zone.lru.length > this.listed / 2 && isSo(zone));
  }

  nodeOf(reader) {
    return Math.floor(reader / (this.facts.cpus / this.facts.nodes));
  }

  /** Own node first, then the others in turn. */
  *zonesFrom(node) {
    const { zones } = this;
    for (let i = 0; i < zones.length; i++) yield (node + i) % zones.length;
  }

  /** get_page_from_freelist, and the slow path when every zone is short. */
  *allocate(reader, index) {
    const { marks, zones } = this;
    const node = this.nodeOf(reader);
    for (;;) {
      for (const floor of [marks.low, marks.min]) {
        for (const zone of this.zonesFrom(node)) {
          if (zones[zone].free > floor) return this.#take(zone, reader, index);
        }
        for (const zone of zones) zone.isAwake = true;
      }
      // At the first priority a direct reclaimer does a whole pass over every zone.
      for (const zone of this.zonesFrom(node)) {
        this.#drain(reader);
        yield* this.shrink(zone, reader);
      }
    }
  }

  /** lru_add_drain, also before a list is scanned. */
  #drain(reader) {
    for (const id of this.pagevecs[reader].splice(0)) this.zones[this.zoneOf[id]].lru.add(id);
  }

  #take(zone, reader, index) {
    this.zones[zone].free--;
    const id = this.pages++;
    if (id >= this.owner.length) throw new Error("papers: more pages were read than there is room");
    this.owner[id] = reader;
    this.zoneOf[id] = zone;
    this.index[id] = index;
    return id;
  }

  /**
   * shrink_lruvec of one pass: chunks of 32, each page kept once because it was referenced. A page
   * whose mm is in no other CPU's hands is flushed for at once, and is none of a batch.
   * @param by - the reader who does it, or null: the node's kswapd
   */
  *shrink(zone, by) {
    const { lru } = this.zones[zone];
    let batch = 0;
    let reader = 0;
    let left = this.marks.scan;
    while (left > 0 && lru.length >= SWAP_CLUSTER_MAX) {
      left -= SWAP_CLUSTER_MAX;
      const kept = [];
      const runs = [];
      yield { kind: "scan", pages: SWAP_CLUSTER_MAX };
      for (let i = 0; i < SWAP_CLUSTER_MAX; i++) {
        const id = lru.oldest();
        if (this.wasSeen[id] === 0) {
          this.wasSeen[id] = 1;
          this.zones[zone].seen++;
          kept.push(id);
          continue;
        }
        this.#join(runs, id);
        if (!this.isElsewhere(this.owner[id], zone, by)) continue;
        reader = this.owner[id];
        batch++;
        if (this.facts.flushAt !== batch) continue;
        yield* this.#unmap(runs.splice(0), reader);
        batch = 0;
      }
      const isOver = this.facts.flushAt === undefined && batch > 0;
      yield* this.#unmap(runs, isOver ? reader : undefined);
      if (isOver) batch = 0;
      this.zones[zone].free += SWAP_CLUSTER_MAX - kept.length;
      this.zones[zone].seen -= SWAP_CLUSTER_MAX - kept.length;
      for (const id of kept) lru.add(id);
    }
    if (batch > 0) yield* this.#unmap([], reader);
  }

  /** Neighbours in one file that follow each other are one call. */
  #join(runs, id) {
    const last = runs.at(-1);
    const [reader, index] = [this.owner[id], this.index[id]];
    this.isMapped[id] = 0;
    if (last?.reader === reader && last.end === index) last.end++;
    else runs.push({ reader, start: index, end: index + 1 });
  }

  /** The flush is done with the mm of a reader of the batch, if one is given. */
  *#unmap(runs, reader) {
    for (const run of runs) yield { kind: "unmap", ...run };
    if (reader === undefined) return;
    yield { kind: "flush", reader };
  }

  /** What a node's kswapd does, for ever. */
  *kswapd(node) {
    const zone = this.zones[node];
    for (;;) {
      if (zone.free >= this.marks.high) zone.isAwake = false;
      if (zone.isAwake) yield* this.shrink(node, null);
      else yield { kind: "nap", ns: NAP_NS };
    }
  }

  /** What a reader does, for ever: read ahead, then fault around and look at every word. */
  *reader(reader, random) {
    const pagevec = this.pagevecs[reader];
    let added = 0;
    yield { kind: "nap", ns: 1 + random.below(READAHEAD * this.facts.userNs) };
    for (let index = 0; ; index += READAHEAD) {
      const ids = [];
      for (let i = 0; i < READAHEAD; i++) ids.push(yield* this.allocate(reader, index + i));
      for (const id of ids) {
        pagevec.push(id);
        added++;
        if (pagevec.length < PAGEVEC_SIZE) continue;
        yield { kind: "read", pages: added };
        added = 0;
        this.#drain(reader);
      }
      for (let i = 0; i < READAHEAD; i += FAULT_AROUND) {
        const [start, end] = [index + i, index + i + FAULT_AROUND];
        for (const id of ids.slice(i, i + FAULT_AROUND)) this.isMapped[id] = 1;
        yield { kind: "map", reader, start, end };
        yield { kind: "touch", reader, start, end };
      }
    }
  }
}
