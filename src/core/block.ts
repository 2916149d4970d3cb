/**
 * The plan of a machine's block: where each region starts. Written into the header once; the core
 * and the views read it from there.
 *
 * The explored state is one contiguous range, so that a driver can copy and hash it whole:
 * sys, contexts, CPUs, tasks, mms, devices, masks, csd, TLBs, walk caches, IOTLBs, VMAs, batches,
 * watch rows, frames, tables. Everything a driver may forget lies outside it.
 */
import { CapacityError } from "../errors.js";
import * as abi from "./abi.js";
import type { Geometry } from "./geometry.js";
import {
  CLOCK,
  CPU,
  CTX,
  DEVICE,
  DEVICE_MORE,
  ENTRY,
  FRAME,
  MM,
  SYS,
  TABLE,
  TASK,
  VMA,
} from "./layout.js";

/** Instructions a machine has room for. */
export const CODE_CAPACITY = 65_535;

const JOB_BYTES = 64;
const INSTRUCTION_BYTES = 8;

function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

/** Of an interval tree: as in assembly/interval-tree. */
const TREE_HEADER = 64;
const NODE_BYTES = 512;
const NODE_ENTRIES = 16;
const NODE_FILL = 14;
const HANDLE_BYTES = 8;

/** Nodes for that many VMAs: half are spare. A tree that runs out of them is built densely anew. */
function nodesOfVmas(vmas: number): number {
  if (vmas <= NODE_ENTRIES) return 1;
  let nodes = 0;
  for (let level = vmas; level > 1; nodes += level) level = Math.ceil(level / NODE_FILL);
  return Math.ceil(1.5 * nodes) + 8;
}

/** Bytes of an mm's tree, and what is in front of it. */
function vmaStrideOf(vmas: number): number {
  const tree = TREE_HEADER + nodesOfVmas(vmas) * NODE_BYTES + vmas * HANDLE_BYTES;
  return align(64 + tree, 64);
}

/** Entries of a CPU's ring of lazy unmappings (LATR's source); explored machines have one. */
const LATR_RING = 64;
/** Of an entry, without its mask and its frames. */
const LATR_BYTES = 32;
/** Frames an entry has room for: unmappings of more are not put off. */
const LATR_FRAMES = 64;

/**
 * Pages of the user half that are flushed by address although they may be left to the exit: up to
 * there INVPCID costs less than what a full flush makes the CPU walk again. Explored machines: one.
 */
const PTI_PAGES = 8;
/** Deferrals that may wait for their flush at a time; explored machines have few. */
const DEFERRALS = 256;
const DEFERRALS_EXPLORED = 2;
/** Of a deferral, without its mask. */
const DEFERRAL_BYTES = 40;

/** OPT_DEFER: see assembly/deferral.ts; OPT_ACCESSED: assembly/access.ts. */
function planDeferrals(
  header: Uint32Array,
  g: Geometry,
  options: number,
  region: (word: number, bytes: number) => void,
): void {
  const isOn = (options & abi.OPT_DEFER) !== 0;
  const ring = g.logRecords > 0 ? DEFERRALS : DEFERRALS_EXPLORED;
  const stride = align(DEFERRAL_BYTES + header[abi.H_MASK_WORDS] * 4, 8);
  header[abi.H_DEFER_RING] = isOn ? ring : 0;
  header[abi.H_DEFER_STRIDE] = stride;
  region(abi.H_OFF_DEFER, isOn ? 16 : 0);
  region(abi.H_OFF_DEFER_LIST, isOn ? g.mms * 8 : 0);
  region(abi.H_OFF_DEFER_KEY, isOn ? g.frames * 4 : 0);
  region(abi.H_OFF_DEFER_RING, header[abi.H_DEFER_RING] * stride);
  region(abi.H_OFF_ACCESS, (options & abi.OPT_ACCESSED) !== 0 ? g.frames * 4 : 0);
}
/** A TLB with fewer sets has no prints: assembly/tlb.ts. */
const PRINT_SETS = 16;
/** Of a TLB directory (assumed: a second-level TLB has as many entries); explored ones have 2. */
const DIRECTORY_SETS = 256;
const DIRECTORY_WAYS = 8;

/**
 * Global ASIDs, the CPUs an mm must be active on more of, and how often somebody looks (Linux: 3,
 * and about one shootdown in 32). Explored machines have one, for mms on two CPUs, and always look.
 */
const GLOBAL_ASIDS = 62;
const GLOBAL_CPUS = 3;
const GLOBAL_EVERY = 32;

/**
 * ASIDs of machines that have one space of them: 8 or 16 bits (arm64), without 0, and always more
 * than CPUs. Explored machines have `asids`, or just enough.
 */
const ASIDS_SMALL = 255;
const ASIDS_LARGE = 65_535;

/** ROW_ASIDS: see assembly/asid.ts. */
function planAsids(
  header: Uint32Array,
  g: Geometry,
  isOn: boolean,
  region: (word: number, bytes: number) => void,
): void {
  const timed = g.cpus < ASIDS_SMALL ? ASIDS_SMALL : ASIDS_LARGE;
  const space = g.logRecords > 0 ? timed : Math.max(g.asids, g.cpus + 1);
  const bitmaps = 2 * ((space >> 5) + 1) * 4;
  const rows = 16 + (g.mms + g.cpus) * 8 + header[abi.H_MASK_WORDS] * 4;
  header[abi.H_ASID_SPACE] = isOn ? space : 0;
  region(abi.H_OFF_ASIDS, isOn ? rows + bitmaps : 0);
}

/** Of a table of interval subscribers, without its rows; of a row: assembly/notifiers. */
const SUBSCRIBERS_HEADER = 64;
const SUBSCRIBER_BYTES = 64;

/** ROW_NOTIFIERS: see assembly/subscribers/rows.ts, which has the same sums. */
function subscriberBytes(g: Geometry): number {
  const contexts = g.tasks + g.cpus + g.devices;
  const mask = Math.ceil(contexts / 64) * 8;
  const rows = Math.min(32, g.devices + (g.logRecords > 0 ? 16 : 2));
  const tables = g.mms * (SUBSCRIBERS_HEADER + rows * SUBSCRIBER_BYTES);
  return 32 + (contexts + g.devices) * (16 + mask) + tables;
}

/** Of pinned pages: assembly/pins/rows.ts has the same sums. */
const PINS_HEADER = 40;
const MAPPINGS = 16;
const MAPPINGS_EXPLORED = 4;
const MAPPING_BYTES = 32;
const PINNED_PAGE_BYTES = 24;
const LEDGER_HEADER = 8;
const LEDGER_BYTES = 16;
/** log2 of the pages of iova space that there are at most. */
const PINS_BITS = 6;

/** ROW_PINS: see assembly/pins/rows.ts. */
function pinBytes(g: Geometry): number {
  const pages = 2 ** Math.min(PINS_BITS, g.levels * g.indexBits);
  const mappings = g.logRecords > 0 ? MAPPINGS : MAPPINGS_EXPLORED;
  const devices = g.devices * (LEDGER_HEADER + pages * LEDGER_BYTES);
  return (
    PINS_HEADER + mappings * MAPPING_BYTES + pages * PINNED_PAGE_BYTES + devices + g.frames * 4
  );
}

/** What 32-bit offsets can address. */
const BYTES_MOST = 2 ** 32;

/**
 * Header words by index, for OPT_* and ROW_* bits; offsets are relative to the machine's base.
 * @throws CapacityError E_NOMEM
 */
export function planBlock(g: Geometry, options: number, codeLength: number, rows = 0): Uint32Array {
  const header = new Uint32Array(abi.H_WORDS);
  const actors = g.cpus + g.devices;
  const contexts = g.tasks + g.cpus + g.devices;
  const maskWords = Math.ceil(g.cpus / 32);
  const tlbBytes = g.tlbSets * g.tlbWays * ENTRY.size;
  // Rows of different CPUs share no cache line, except where states are explored: small is fast.
  const large = tlbBytes >= 4096;
  const line = large ? 64 : 8;
  const cpuStride = align(CPU.size + g.asids * 8 + maskWords * 4, line);
  // Explored states are as small as can be, without prints.
  const hasPrints = g.logRecords > 0 && g.tlbSets >= PRINT_SETS;
  const bytes = tlbBytes + (hasPrints ? g.tlbSets * abi.PRINT_BYTES : 0);
  // A power-of-two distance would put the same set of every CPU into the same cache lines.
  const tlbStride = large ? align(bytes, 64) + 64 : bytes;
  const tableStride = TABLE.size + 2 ** g.indexBits * 8;
  let at = abi.H_WORDS * 4;
  const region = (word: number, bytes: number, alignment = 8): void => {
    at = align(at, alignment);
    header[word] = at;
    at += bytes;
  };
  header[abi.H_MAGIC] = abi.ABI_MAGIC;
  header[abi.H_VERSION] = abi.ABI_VERSION;
  header[abi.H_CPUS] = g.cpus;
  header[abi.H_TASKS] = g.tasks;
  header[abi.H_MMS] = g.mms;
  header[abi.H_DEVICES] = g.devices;
  header[abi.H_FRAMES] = g.frames;
  header[abi.H_TABLES] = g.tables;
  header[abi.H_LEVELS] = g.levels;
  header[abi.H_INDEX_BITS] = g.indexBits;
  header[abi.H_TLB_SETS] = g.tlbSets;
  header[abi.H_TLB_WAYS] = g.tlbWays;
  header[abi.H_PWC_ENTRIES] = g.pwcEntries;
  header[abi.H_ASIDS] = g.asids;
  header[abi.H_VMAS] = g.vmas;
  header[abi.H_IOTLB_SETS] = g.iotlbSets;
  header[abi.H_IOTLB_WAYS] = g.iotlbWays;
  header[abi.H_WATCH] = g.watch;
  header[abi.H_GATHER_PAGES] = g.gatherPages;
  header[abi.H_CEILING] = g.ceiling;
  header[abi.H_OPTIONS] = options;
  header[abi.H_ROWS] = rows;
  header[abi.H_ACTORS] = actors;
  header[abi.H_CONTEXTS] = contexts;
  header[abi.H_MASK_WORDS] = maskWords;
  header[abi.H_CPU_STRIDE] = cpuStride;
  header[abi.H_TABLE_STRIDE] = tableStride;
  header[abi.H_TLB_STRIDE] = tlbStride;
  header[abi.H_CODE_LEN] = codeLength;
  header[abi.H_LOG_CAP] = g.logRecords;
  header[abi.H_JOB_CAP] = g.jobs;
  header[abi.H_MERGE] = 1;
  const wide = (options & (abi.OPT_INLINE | abi.OPT_CALLS)) !== 0;
  header[abi.H_CSD_STRIDE] = wide ? abi.CSD_WIDE_BYTES : abi.CSD_BYTES;

  region(abi.H_OFF_CODE, codeLength * INSTRUCTION_BYTES);
  region(abi.H_OFF_COST, abi.COST_WORDS * 4);
  region(abi.H_OFF_WATCH_VPN, g.watch * 16);
  region(abi.H_OFF_EVERY, maskWords * 4);
  header[abi.H_PTI_PAGES] = g.logRecords > 0 ? PTI_PAGES : 1;
  region(abi.H_OFF_COUNTER, actors * abi.CT_WORDS * 8, 64);
  region(abi.H_OFF_CLOCK, actors * CLOCK.size, 64);
  header[abi.H_VMA_NODES] = nodesOfVmas(g.vmas);
  header[abi.H_VMA_STRIDE] = vmaStrideOf(g.vmas);
  region(abi.H_OFF_VMA_TREE, g.mms * vmaStrideOf(g.vmas), 64);
  region(abi.H_OFF_JOB, actors * g.jobs * JOB_BYTES, 64);
  if (g.logRecords > 0) {
    region(abi.H_OFF_HEAP, 3 * actors * 4 * 8, 64);
    region(abi.H_OFF_LOG, g.logRecords * abi.EV_BYTES, 64);
    const births = (rows & abi.ROW_LIFETIMES) !== 0 ? g.cpus * g.tlbSets * g.tlbWays : 0;
    region(abi.H_OFF_BIRTH, births * 4, 64);
  }

  at = align(at, 64);
  header[abi.H_STATE_START] = at;
  region(abi.H_OFF_SYS, SYS.size);
  region(abi.H_OFF_CTX, contexts * CTX.size);
  region(abi.H_OFF_CPU, g.cpus * cpuStride, line);
  region(abi.H_OFF_TASK, g.tasks * TASK.size);
  region(abi.H_OFF_MM, g.mms * MM.size);
  region(abi.H_OFF_DEV, g.devices * DEVICE.size);
  const more = DEVICE_MORE.size + g.iotlbSets * g.iotlbWays * ENTRY.size;
  region(abi.H_OFF_DEVICES, (rows & abi.ROW_DEVICES) !== 0 ? g.devices * more : 0);
  region(abi.H_OFF_MASK, g.mms * maskWords * 4);
  const batched = (options & abi.OPT_BATCH) !== 0 ? g.tasks : 0;
  region(abi.H_OFF_BATCHED, batched * (maskWords + 1) * 4);
  const senders = (options & abi.OPT_BROADCAST) !== 0 ? g.cpus : 0;
  region(abi.H_OFF_BROADCAST, senders * maskWords * 4);
  if ((options & abi.OPT_LATR) !== 0) {
    header[abi.H_LATR_RING] = g.logRecords > 0 ? LATR_RING : 1;
    header[abi.H_LATR_STRIDE] = align(
      LATR_BYTES + (maskWords + Math.min(g.gatherPages, LATR_FRAMES)) * 4,
      8,
    );
  }
  header[abi.H_TICK_LO] = header[abi.H_TICK_HI] = 0xffff_ffff;
  const entries = g.cpus * header[abi.H_LATR_RING];
  region(abi.H_OFF_LATR, entries * header[abi.H_LATR_STRIDE]);
  planDeferrals(header, g, options, region);
  const perTable = (options & abi.OPT_REPLICAS) !== 0 ? 1 : 0;
  const masks = (options & abi.OPT_CORE_TABLES) !== 0 ? 2 ** g.indexBits : perTable;
  header[abi.H_NODE_CPUS] = 1;
  header[abi.H_SHARER_STRIDE] = masks * 2 * maskWords * 4;
  region(abi.H_OFF_SHARERS, g.tables * header[abi.H_SHARER_STRIDE]);
  region(abi.H_OFF_TOLD, masks === 0 ? 0 : g.cpus * maskWords * 4);
  if ((options & abi.OPT_DIRECTORY) !== 0) {
    header[abi.H_DIR_SETS] = g.logRecords > 0 ? DIRECTORY_SETS : 1;
    header[abi.H_DIR_WAYS] = g.logRecords > 0 ? DIRECTORY_WAYS : 2;
  }
  const directorySet = 8 + header[abi.H_DIR_WAYS] * align(16 + maskWords * 4, 8);
  region(abi.H_OFF_DIRECTORY, header[abi.H_DIR_SETS] * directorySet);
  region(abi.H_OFF_VCPU, (options & abi.OPT_PREEMPT) !== 0 ? g.cpus * 4 : 0);
  const halves = (options & abi.OPT_PTI) !== 0 ? g.cpus * abi.PTI_BYTES + g.tasks * 4 : 0;
  region(abi.H_OFF_PTI, halves);
  const explored = g.logRecords === 0;
  header[abi.H_GLOBAL_ASIDS] = explored ? 1 : GLOBAL_ASIDS;
  header[abi.H_GLOBAL_CPUS] = explored ? 1 : GLOBAL_CPUS;
  header[abi.H_GLOBAL_EVERY] = explored ? 1 : GLOBAL_EVERY;
  region(abi.H_OFF_GLOBAL, (options & abi.OPT_GLOBAL_ASIDS) !== 0 ? 16 + g.mms * 12 : 0);
  planAsids(header, g, (rows & abi.ROW_ASIDS) !== 0, region);
  region(abi.H_OFF_SUBSCRIBERS, (rows & abi.ROW_NOTIFIERS) !== 0 ? subscriberBytes(g) : 0);
  region(abi.H_OFF_PINS, (rows & abi.ROW_PINS) !== 0 ? pinBytes(g) : 0);
  region(abi.H_OFF_POLL, (options & abi.OPT_POLL) !== 0 ? g.cpus * 4 : 0);
  region(abi.H_OFF_CSD, g.cpus * g.cpus * header[abi.H_CSD_STRIDE]);
  region(abi.H_OFF_TLB, g.cpus * tlbStride, line);
  region(abi.H_OFF_PWC, actors * g.pwcEntries * ENTRY.size);
  region(abi.H_OFF_IOTLB, g.devices * g.iotlbSets * g.iotlbWays * ENTRY.size);
  region(abi.H_OFF_VMA, g.mms * g.vmas * VMA.size);
  region(abi.H_OFF_BATCH, g.tasks * g.gatherPages * 4);
  region(abi.H_OFF_WATCH, g.watch * (1 + g.watch) + actors * g.watch);
  region(abi.H_OFF_FRAME, g.frames * FRAME.size);
  region(abi.H_OFF_TABLE, g.tables * tableStride);
  at = align(at, 64);
  header[abi.H_STATE_END] = at;
  header[abi.H_TOTAL_BYTES] = at;
  if (at > BYTES_MOST) {
    throw new CapacityError(
      "E_NOMEM",
      `a machine of this geometry needs ${Math.ceil(at / 2 ** 20)} MiB, the limit is 4096 MiB`,
      { bytes: at, limit: BYTES_MOST },
    );
  }
  return header;
}
