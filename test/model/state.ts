/**
 * The model's state: what the machine is made of, as ordinary objects. Ids are indices; "none" is
 * null. Page numbers are bigints, because a range may reach the end of 64 bits.
 */
import * as abi from "../../src/core/abi.js";
import type { Geometry } from "../../src/core/geometry.js";
import { newPins, type Pins } from "./pins.js";
import { newSubscribers, type Subscribers } from "./subscribers.js";

/** All-ones: the end of "everything". */
export const ALL = (1n << 64n) - 1n;

/** A program did what its machine calls unreachable. */
export class ModelTrap extends Error {}

export interface Pte {
  /** Frame, or table of the level below. */
  readonly to: number;
  readonly flags: number;
}

export interface Table {
  readonly id: number;
  gen: number;
  level: number;
  parent: Table | null;
  /** Context that holds its lock. */
  lock: Context | null;
  entries: (Pte | null)[];
  /** Of each entry, or only one for all of them. */
  sharers: (Sharers | undefined)[];
}

/** Which TLBs may hold a translation; whose turn it is to make room. */
export interface Directory {
  turn: number;
  readonly ways: ({
    readonly ctxId: number;
    readonly vpn: bigint;
    readonly huge: boolean;
    readonly holders: Set<number>;
  } | null)[];
}

/** CPUs or nodes that are told of changes, and those whose walks find what is there. */
export interface Sharers {
  readonly tracked: Set<number>;
  readonly copied: Set<number>;
}

export interface Frame {
  gen: number;
  refs: number;
  value: number;
  /** Where it was mapped last. */
  rmap: { mm: number; vpn: bigint } | null;
  /** Key of the deferral its flush belongs to; 0: none. */
  deferral: number;
  /** CPUs whose walks have cached it since its accessed bit was cleared, if that is tracked. */
  readonly accessedBy: Set<number>;
}

/** A cached translation of one page, or of a huge one. */
export interface Cached {
  readonly vpn: bigint;
  readonly asid: number;
  readonly huge: boolean;
  readonly writable: boolean;
  readonly frame: number;
  readonly gen: number;
  /** An operation that promised to settle its page has returned. */
  readonly condemned?: boolean;
  /** Stores need not set the dirty bit any more. */
  readonly dirty?: boolean;
  /** It has lived through a tick. */
  readonly old?: boolean;
}

/** A cached pointer to a table. */
export interface CachedTable {
  readonly prefix: bigint;
  readonly level: number;
  readonly asid: number;
  readonly table: number;
  readonly gen: number;
}

/** A set-associative cache: sets of ways, and whose turn it is to be replaced. */
export interface Cache {
  readonly sets: (Cached | null)[][];
  turn: number;
}

export interface WalkCache {
  readonly entries: (CachedTable | null)[];
  turn: number;
}

export interface Info {
  /** `any`: that of a batch, for whatever mm a target runs; `kernel`: of kernel pages. */
  mm: number | "any" | "kernel";
  gen: number;
  start: bigint;
  end: bigint;
  flags: number;
}

/** A call that a CPU makes another CPU run: one user access. */
export interface Call {
  readonly vpn: bigint;
  readonly write: boolean;
}

/** What the csd of a pair holds while it is locked. */
export interface Csd {
  readonly async: boolean;
  /** Its initiator does not wait for it, or not any longer. */
  acked: boolean;
  /** A copy of the request; null: the request is where its initiator keeps it. */
  readonly payload: Readonly<Info> | null;
  /** A message whose target tells the rest of its node: how many have not answered it. */
  open?: number;
  /** A message from a leader, which waits for it instead of the initiator. */
  readonly relayed?: boolean;
  /** Not a request at all. */
  readonly call: Call | null;
}

/** What a handler has kept of a csd that it runs after it has unlocked it. */
export type Kept =
  { readonly from: number } | { readonly payload: Readonly<Info> } | { readonly call: Call };

export interface Cpu {
  readonly index: number;
  /** mm index, or one of the two states without one. */
  loaded: number | "init" | "switching";
  lazy: boolean;
  /** Initiators whose request waits here, oldest first. */
  queue: number[];
  ipiPending: boolean;
  task: number | null;
  asid: number;
  nextAsid: number;
  slots: { ctxId: number; tlbGen: number }[];
  ipiSet: Set<number>;
  info: Info | null;
  /** A flush was acknowledged that has not run yet. */
  reached: boolean;
  online: boolean;
  /** A hypervisor does not run it; then it may have to flush before it goes on. */
  preempted: boolean;
  flushOnResume: boolean;
  /** CPUs that have not applied what this one has broadcast. */
  broadcast: Set<number>;
  /** CPUs or nodes that its request is for, where that is known. */
  told: Set<number>;
  /** What this CPU leaves others to sweep. */
  latr: LatrEntry | null;
  /** With page-table isolation: slots to be flushed, which half is loaded, who is suspect. */
  readonly marks: Set<number>;
  isUser: boolean;
  othersSuspect: boolean;
  /** In machines with one ASID space. */
  active: Asid | null;
  reserved: Asid | null;
  /** Its idle loop polls; it polls and is wanted. */
  poll: "no" | "polls" | "wanted";
  tlb: Cache;
  pwc: WalkCache;
}

/** A lazily flushed unmapping: frames are parked until nobody is left to sweep. */
export interface LatrEntry {
  readonly info: Readonly<Info> & { readonly mm: number };
  readonly frames: readonly number[];
  readonly left: Set<number>;
  /** With lifetimes: CPUs that have seen all ticks but the last. */
  readonly seen: Set<number>;
}

/** Unmappings of read-only pages that nobody has flushed for: who takes their frames does. */
export interface DeferredFlush {
  readonly key: number;
  readonly mm: number;
  /** Context whose pages still join. */
  owner: number | null;
  /** Counts every page that joined any of them. */
  gen: number;
  start: bigint;
  end: bigint;
  readonly mask: Set<number>;
  /** What munmap freed stays in the process, unflushed. */
  readonly recycled: boolean;
}

/** Flushes that a task has deferred: the CPUs that they are for. */
export interface Batch {
  required: boolean;
  readonly mask: Set<number>;
}

export interface Vma {
  readonly start: bigint;
  readonly end: bigint;
  readonly prot: bigint;
}

export interface Mm {
  readonly index: number;
  ctxId: number;
  tlbGen: number;
  root: Table;
  users: number;
  gathers: number;
  mmapLock: number;
  vmas: Vma[];
  brackets: number;
  /** Devices, newest first. */
  subscribers: number[];
  trimAtMs: number;
  cpumask: Set<number>;
  /** In machines with one ASID space: its own, and devices that share it. */
  asid: Asid | null;
  pins: number;
  /** Its ASID on every CPU; may somebody not use it yet; shootdowns since the last look. */
  globalAsid: number | null;
  moving: boolean;
  asked: number;
  /** Deferrals by reclaim so far, and how many of them are flushed. */
  batches: { pending: number; flushed: number };
}

/** What a device has beyond a cache; without a machine that uses it, nothing changes it. */
export interface More {
  slot: { start: bigint; end: bigint; base: bigint } | null;
  ask: { vpn: bigint; write: boolean; answer: "success" | "invalid" | null } | null;
  mark: bigint | null;
  gpc: Cached | null;
  served: boolean;
  retries: number;
  active: number;
  fences: number;
  snoops: boolean;
  keepsRoot: boolean;
  readonly atc: Cache;
}

/** What the host has said to a micro-op that asked it. */
export interface HostAnswer {
  readonly waits: boolean;
  readonly flag: boolean;
  readonly does: number;
  readonly x: bigint;
  readonly y: bigint;
}

export interface Device {
  readonly more: More;
  readonly index: number;
  kind: number;
  mm: number | null;
  lock: Context | null;
  seq: number;
  inProgress: number;
  range: { start: bigint; end: bigint };
  hooks: { start: number; end: number; secondary: number; release: number };
  cache: Cache;
  pwc: WalkCache;
}

/** A running program. An idle context is null: it has no state at all. */
export interface Context {
  readonly index: number;
  pc: number;
  op: number;
  opStart: bigint;
  opEnd: bigint;
  flag: boolean;
  stack: number[];
  irqOff: boolean;
  mm: number | null;
  dev: number | null;
  event: number;
  /** Next CPU of a send, or next device of a notification (index + 1, 0: none). */
  cursor: number;
  ptl: [Table | null, Table | null];
  frame: number;
  frameGen: number;
  pte: Pte | null;
  r: bigint[];
  hook: { start: bigint; end: bigint };
  gather: { start: bigint; end: bigint; flags: number; frames: number[]; tables: Table[] };
  locks: number;
  seq: number;
  /** Initiators of the requests taken from the queue, oldest first. */
  taken: number[];
  kept: Kept | null;
  brackets: number;
  /** Of a switch: the ASID that it has found the mm to have. */
  lookedAt?: Asid | null;
}

export interface Watched {
  readonly vpn: bigint;
  readonly mm: number;
  version: number;
  /** Versions of all watched pages when this one was written last. */
  at: number[];
}

/** An ASID of one space for all CPUs, and when it was given away. */
export interface Asid {
  readonly number: number;
  readonly generation: number;
}

/** That space: ASIDs 1 to `space`. */
export interface AsidSpace {
  readonly space: number;
  generation: number;
  /** Where the search for a free one begins. */
  next: number;
  readonly used: Set<number>;
  readonly pinned: Set<number>;
  /** CPUs that have not flushed since the last rollover. */
  readonly pending: Set<number>;
}

export interface Lifetimes {
  readonly ticks: number;
  readonly renews: boolean;
}

/** What a model is made from. */
export interface ModelOptions {
  readonly geometry: Geometry;
  readonly options: number;
  readonly merge: boolean;
  readonly code: Uint32Array;
  readonly handlerPc: number;
  /** CPUs of a node; 1 by default. */
  readonly nodeCpus?: number;
  /** The directory's entries make room without a word. */
  readonly silent?: boolean;
  /** TLB entries drop themselves: ticks for which frames are withheld; does use prolong a life? */
  readonly lifetimes?: Lifetimes;
  readonly watch: readonly { readonly vpn: number; readonly mm: number }[];
  /** Ranges of more pages may leave their user half to the next exit. */
  readonly ptiPages?: number;
  /** One ASID space for all CPUs: how many there are. */
  readonly asidSpace?: number;
  /** Subscribers that come and go: rows of each mm. */
  readonly subscriberRows?: number;
  /** Mappings for DMA, and pinned pages: pages of iova space. */
  readonly iovaPages?: number;
  /** Devices have more than a cache. */
  readonly moreDevices?: boolean;
  /** Global ASIDs: how many, for mms on more CPUs than that, every how many shootdowns. */
  readonly globals?: { readonly asids: number; readonly cpus: number; readonly every: number };
}

function newCache(sets: number, ways: number): Cache {
  return {
    sets: Array.from({ length: sets }, () => new Array<Cached | null>(ways).fill(null)),
    turn: 0,
  };
}

/** The whole machine. */
export class Model {
  readonly geometry: Geometry;
  readonly options: number;
  readonly merge: boolean;
  readonly code: Uint32Array;
  readonly handlerPc: number;
  readonly ptiPages: number;
  readonly nodeCpus: number;
  readonly silent: boolean;
  readonly lifetimes: Lifetimes | undefined;
  readonly moreDevices: boolean;
  readonly directory: Directory = { turn: 0, ways: [null, null] };
  readonly frames: Frame[] = [];
  readonly tables: Table[] = [];
  /** Free ids, the next one to be handed out last. */
  readonly freeFrames: number[] = [];
  readonly freeTables: number[] = [];
  readonly cpus: Cpu[] = [];
  readonly devices: Device[] = [];
  readonly mms: (Mm | null)[];
  readonly taskMm: (number | null)[];
  /** Per task. */
  readonly batches: Batch[];
  /** Per task: it goes on in the kernel, not in user mode. */
  readonly inKernel: boolean[];
  /** Tasks first, then one per CPU, then one per device. */
  readonly contexts: (Context | null)[];
  /** What the host has answered to actors that asked. */
  readonly answers = new Map<number, HostAnswer>();
  /** csd that are locked, by "initiator>target". */
  readonly csds = new Map<string, Csd>();
  readonly sync = new Array<number>(8).fill(0);
  readonly watched: Watched[];
  readonly floors: number[][];
  readonly counters: number[][];
  /** Global ASIDs that are taken, and those among them whose mm is gone. */
  readonly usedAsids = new Set<number>();
  readonly freedAsids = new Set<number>();
  readonly globals: { readonly asids: number; readonly cpus: number; readonly every: number };
  readonly asids: AsidSpace | undefined;
  readonly subscribers: Subscribers | undefined;
  readonly pins: Pins | undefined;
  hazard: { code: number; actor: number; vpn: bigint; pfn: number } | null = null;
  nextCtxId = 1;
  /** By key. */
  deferrals: DeferredFlush[] = [];
  nextDeferral = 1;
  deferralGen = 0;
  /** Freed frames of each mm's deferrals, oldest first. */
  readonly deferredFrames: number[][];
  /** Simulated time of each actor, ms. */
  readonly nowMs: number[];

  constructor(from: ModelOptions) {
    const g = from.geometry;
    const actors = g.cpus + g.devices;
    this.geometry = g;
    this.options = from.options;
    this.merge = from.merge;
    this.code = from.code;
    this.handlerPc = from.handlerPc;
    this.globals = from.globals ?? { asids: 1, cpus: 1, every: 1 };
    if (from.asidSpace !== undefined) {
      const sets = {
        used: new Set<number>(),
        pinned: new Set<number>(),
        pending: new Set<number>(),
      };
      this.asids = { space: from.asidSpace, generation: 1, next: 1, ...sets };
    }
    this.ptiPages = from.ptiPages ?? 1;
    this.nodeCpus = from.nodeCpus ?? 1;
    this.silent = from.silent ?? false;
    this.lifetimes = from.lifetimes;
    this.moreDevices = from.moreDevices ?? false;
    for (let i = 0; i < g.frames; i++) {
      this.frames.push({
        gen: 0,
        refs: i === 0 ? 1 : 0,
        value: 0,
        rmap: null,
        deferral: 0,
        accessedBy: new Set(),
      });
      if (i > 0) this.freeFrames.unshift(i);
    }
    for (let id = 0; id < g.tables; id++) {
      const entries = new Array<Pte | null>(2 ** g.indexBits).fill(null);
      this.tables.push({ id, gen: 0, level: 0, parent: null, lock: null, entries, sharers: [] });
      this.freeTables.unshift(id);
    }
    const pwc = (): WalkCache => ({
      entries: new Array<CachedTable | null>(g.pwcEntries).fill(null),
      turn: 0,
    });
    for (let index = 0; index < g.cpus; index++) {
      this.cpus.push({
        index,
        loaded: "init",
        lazy: false,
        queue: [],
        ipiPending: false,
        task: null,
        asid: 0,
        // A CPU comes up on init_mm, in slot 0.
        nextAsid: g.asids > 1 ? 1 : 0,
        slots: Array.from({ length: g.asids }, (_, slot) => ({
          ctxId: slot === 0 ? abi.INIT_CTX_ID : 0,
          tlbGen: 0,
        })),
        ipiSet: new Set(),
        info: null,
        reached: false,
        online: true,
        preempted: false,
        flushOnResume: false,
        broadcast: new Set(),
        told: new Set(),
        latr: null,
        marks: new Set(),
        isUser: false,
        othersSuspect: false,
        active: null,
        reserved: null,
        poll: "no",
        tlb: newCache(g.tlbSets, g.tlbWays),
        pwc: pwc(),
      });
    }
    for (let index = 0; index < g.devices; index++) {
      this.devices.push({
        index,
        more: {
          slot: null,
          ask: null,
          mark: null,
          gpc: null,
          served: false,
          retries: 0,
          active: 0,
          fences: 0,
          snoops: false,
          keepsRoot: false,
          atc: newCache(g.iotlbSets, g.iotlbWays),
        },
        kind: abi.DEV_NONE,
        mm: null,
        lock: null,
        seq: 0,
        inProgress: 0,
        range: { start: 0n, end: 0n },
        hooks: { start: 0, end: 0, secondary: 0, release: 0 },
        cache: newCache(g.iotlbSets, g.iotlbWays),
        pwc: pwc(),
      });
    }
    this.deferredFrames = Array.from({ length: g.mms }, () => []);
    this.mms = new Array<Mm | null>(g.mms).fill(null);
    this.taskMm = new Array<number | null>(g.tasks).fill(null);
    this.inKernel = this.taskMm.map(() => false);
    this.batches = this.taskMm.map(() => ({ required: false, mask: new Set() }));
    this.contexts = new Array<Context | null>(g.tasks + actors).fill(null);
    if (from.subscriberRows !== undefined) {
      const contexts = this.contexts.length;
      this.subscribers = newSubscribers(g.mms, contexts, g.devices, from.subscriberRows);
    }
    if (from.iovaPages !== undefined) this.pins = newPins(from.iovaPages, g.devices);
    this.watched = from.watch.map(({ vpn, mm }) => ({
      vpn: BigInt(vpn),
      mm,
      version: 0,
      at: from.watch.map(() => 0),
    }));
    this.floors = Array.from({ length: actors }, () => from.watch.map(() => 0));
    this.counters = Array.from({ length: actors }, () => new Array<number>(abi.CT_WORDS).fill(0));
    this.nowMs = new Array<number>(actors).fill(0);
  }

  get bits(): bigint {
    return BigInt(this.geometry.indexBits);
  }

  count(actor: number, counter: number, by = 1): void {
    this.counters[actor][counter] += by;
  }

  has(option: number): boolean {
    return (this.options & option) !== 0;
  }

  /** The mm of a context; its program must have one. */
  mm(index: number): Mm {
    const mm = this.mms[index];
    if (!mm) throw new ModelTrap(`mm ${index} does not exist`);
    return mm;
  }
}
