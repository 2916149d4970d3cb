/** Each named invariant reports a planted error by its name. */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { BASE } from "../../src/core/core.js";
import { CPU, CTX, DEVICE, MM, SYS, TABLE } from "../../src/core/layout.js";
import { checkCore, INVARIANTS } from "../../src/invariants.js";
import { operationId } from "../../src/kernel/operation.js";
import { type Parts, Run } from "./generate.js";

const ROOMY = { frames: 40, tables: 32, levels: 2, indexBits: 2, vmas: 16, watch: 0 };
const SOUND: Parts = { sound: true, geometry: { watch: 0 } };

/** A machine at rest with pages mapped, translations cached and a device attached. */
async function settled(policy: string, subscribed: boolean): Promise<Run> {
  for (let seed = 1n; ; seed++) {
    const run = await new Run(seed, {
      ...SOUND,
      era: "coupled",
      policy,
      consumers: ["mirroring"],
      subscribed,
      operations: ["read", "write", "write"],
      options: abi.OPT_LAZY_SKIP,
      geometry: { ...ROOMY, cpus: 2, tasks: 2, mms: 1, devices: 1, tlbWays: 4, pwcEntries: 2 },
    }).open();
    for (let i = 0; i < 200; i++) {
      const { actor, choice } = run.next();
      run.step(actor, choice);
    }
    if (run.drain().length > 0) continue;
    const { core } = run;
    const isUseful =
      core.u32[core.at(abi.H_OFF_TLB) >> 2] !== 0 &&
      core.u32[core.at(abi.H_OFF_IOTLB) >> 2] !== 0 &&
      core.read(CPU, core.cpu(0), "loadedMm") === 1 &&
      core.read(CPU, core.cpu(0), "lazy") === 0;
    if (isUseful) return run;
  }
}

/** A machine that has rows of pinned pages, before anything is mapped for DMA. */
async function pinned(): Promise<Run> {
  const geometry = { ...ROOMY, cpus: 2, tasks: 2, mms: 1, devices: 1 };
  return new Run(1n, { sound: true, pinned: true, policy: "concurrent", geometry }).open();
}

type Plant = (run: Run) => void;

function addTo(run: Run, address: number, by: number): void {
  run.core.u32[address >> 2] += by;
}

/** Interval subscribers of mm 0. */
function subscribersOf({ core }: Run): number {
  const head = core.at(abi.H_OFF_SUBSCRIBERS);
  return head + core.u32[(head + 20) >> 2];
}

/** Rows of pinned pages; of page 0; what device 0 has of it. */
function pinsOf({ core }: Run): number {
  return core.at(abi.H_OFF_PINS);
}

function pageOf(run: Run): number {
  return pinsOf(run) + run.core.u32[(pinsOf(run) + 24) >> 2];
}

function ledgerOf(run: Run): number {
  return pinsOf(run) + run.core.u32[(pinsOf(run) + 28) >> 2] + 8;
}

/** Page 0 has a node, in a mapping or not. */
function pinPage(run: Run, from: { pin: number; pins: number; isMapped: boolean }): void {
  const { u32 } = run.core;
  u32[pageOf(run) >> 2] = from.pin;
  u32[(pageOf(run) + 4) >> 2] = from.pins + (from.isMapped ? 1 : 0);
  const free = run.core.read(SYS, run.core.sys, "freeFrame");
  if (from.isMapped) u32[pageOf(run) >> 2] = free;
  const row = pinsOf(run) + 40;
  if (from.isMapped) u32.set([0, 1, 0, 1, 1, abi.MAP_USED | abi.MAP_TREE], row >> 2);
}

/** Context 0 runs something, of mm 0. */
function beginNothing({ core }: Run): number {
  const ctx = core.ctx(0);
  core.write(CTX, ctx, "running", 1);
  core.write(CTX, ctx, "mm", 1);
  return ctx;
}

const PLANTED: Readonly<Record<string, Plant>> = {
  LiveCountsEntries: (r) => addTo(r, r.core.table(0) + TABLE.fields.live.offset, 1),
  TablesFormTrees: (r) => addTo(r, r.core.table(1) + TABLE.fields.parent.offset, 1),
  // The start of the first VMA in the only leaf.
  VmasAscend: (r) => r.core.writeU64(r.core.vmaTree(0) + 64 + 128, 2 ** 40),
  FreeListsAreLists: (r) => addTo(r, r.core.sys + SYS.fields.framesUsed.offset, 1),
  FreeHasNoReferences: ({ core }) => {
    const free = core.read(SYS, core.sys, "freeFrame") - 1;
    core.u32[(core.frame(free) + 8) >> 2] = 1;
  },
  ReferencesMatch: ({ core }) => {
    const pfn = core.u32[(core.at(abi.H_OFF_TLB) + 8) >> 2];
    core.u32[(core.frame(pfn === 0 ? 1 : pfn) + 8) >> 2] += 2;
  },
  UsersMatchTasks: (r) => addTo(r, r.core.mm(0) + MM.fields.users.offset, 1),
  OneEntryPerTag: ({ core }) => {
    const tlb = core.at(abi.H_OFF_TLB);
    core.u8.copyWithin(tlb + 16, tlb, tlb + 16);
  },
  SlotNeverAhead: ({ core }) => {
    const slot = core.cpu(0) + CPU.size + core.read(CPU, core.cpu(0), "asid") * 8;
    core.u32[(slot + 4) >> 2] += 100;
  },
  CpumaskCoversLoaded: ({ core }) => {
    core.u32[core.at(abi.H_OFF_MASK) >> 2] = 0;
  },
  CsdConserved: (r) => addTo(r, r.core.cpu(0) + CPU.fields.waitCount.offset, 1),
  QueueReachable: ({ core }) => {
    core.u32[(core.at(abi.H_OFF_CSD) + core.header[abi.H_CSD_STRIDE] + 4) >> 2] = 1;
  },
  ReachedInHandler: (r) => addTo(r, r.core.cpu(0) + CPU.fields.reached.offset, 1),
  SharersCoverCachers: ({ core }) => {
    core.u8.fill(0, core.at(abi.H_OFF_SHARERS), core.at(abi.H_OFF_TOLD));
  },
  DirectoryInclusive: ({ core }) => {
    core.u8.fill(0, core.at(abi.H_OFF_DIRECTORY), core.at(abi.H_OFF_DIRECTORY) + 64);
  },
  SlotsCurrentAtRest: (r) => addTo(r, r.core.mm(0) + MM.fields.tlbGen.offset, 1),
  NoStaleAfterQuiesce: (r) => addTo(r, r.core.at(abi.H_OFF_IOTLB) + 12, 1),
  BracketsBalance: (r) => addTo(r, r.core.mm(0) + MM.fields.brackets.offset, 1),
  GathersBalance: (r) => addTo(r, r.core.mm(0) + MM.fields.gathers.offset, 1),
  LocksHaveHolders: (r) => addTo(r, r.core.mm(0) + MM.fields.mmapLock.offset, 1),
  WalkCacheFresh: ({ core }) => {
    // The root, as it was before it was freed once.
    const table = core.read(MM, core.mm(0), "root") - 1;
    const asid = core.read(CPU, core.cpu(0), "asid");
    const entry = core.at(abi.H_OFF_PWC);
    core.writeU64(entry, 1 + 2 + asid * 16);
    core.u32[(entry + 8) >> 2] = table;
    core.u32[(entry + 12) >> 2] = core.read(TABLE, core.table(table), "gen") - 1;
  },
  OneOwnerPerAsid: (r) => addTo(r, r.core.at(abi.H_OFF_ASIDS) + 16, 1),
  NothingLeftBehind: (r) => addTo(r, r.core.ctx(0) + CTX.fields.gCount.offset, 1),
  LocksFreeAtRest: (r) => addTo(r, r.core.device(0) + DEVICE.fields.lock.offset, 1),
  OddMeansOpen: (r) => addTo(r, subscribersOf(r), 1),
  StampsAreOdd: (r) => {
    r.core.x.machineInsert(BASE, 0, 1, 0, 1);
    addTo(r, subscribersOf(r) + 64 + 32, 1);
  },
  SubscribersAddUp: (r) => addTo(r, subscribersOf(r) + 40, 1),
  // A walk that has told somebody who is not in the tree.
  TreeHeldWhileOdd: (r) => {
    const ctx = beginNothing(r);
    r.core.write(CTX, ctx, "event", abi.HOOK_INTERVALS);
    r.core.write(CTX, ctx, "cursor", 1);
  },
  StartsMatchEnds: (r) => addTo(r, r.core.device(0) + DEVICE.fields.inProgress.offset, 1),
  // A bracket that intervals were told of, and nobody has ended.
  BracketsEndForAll: (r) => addTo(r, subscribersOf(r) + 4, 1),
  ReadersHaveWaited: (r) => {
    const ctx = beginNothing(r);
    const { code } = r.image;
    const isRetry = (pc: number) => (code[pc * 2] & 0xff) === abi.OP_READ_RETRY;
    r.core.write(CTX, ctx, "pc", [...code.keys()].find(isRetry) ?? 0);
    r.core.writeU64(ctx + CTX.fields.r11.offset, 1);
    r.core.write(CTX, ctx, "seq", r.core.u32[subscribersOf(r) >> 2]);
  },
  SectionsHaveReaders: (r) => addTo(r, r.core.at(abi.H_OFF_SUBSCRIBERS) + 32, 1),
  FreedAreUnlinked: ({ core }) => {
    const head = core.at(abi.H_OFF_SUBSCRIBERS);
    core.u32[(head + core.u32[(head + 16) >> 2] + 8) >> 2] = abi.SUB_FREED;
  },
  PinsHoldReferences: (r) => pinPage(r, { pin: 1, pins: 1, isMapped: true }),
  NodesInMapping: (r) => pinPage(r, { pin: 2, pins: 1, isMapped: false }),
  LedgersAddUp: (r) => addTo(r, ledgerOf(r) + 8, 1),
  PinLocksHaveHolders: (r) => addTo(r, pinsOf(r) + 12, 1),
  ListIsWhole: (r) => addTo(r, pinsOf(r) + 20, 1),
  TranslationsArePinned: (r) => addTo(r, pageOf(r) + 12, 2),
  DevicesUsePinned: (r) => addTo(r, ledgerOf(r), 2),
  NoShadowInsideBracket: ({ core }) => {
    // A madvise of everything that says it has told its device, which kept what it had.
    const ctx = core.ctx(0);
    core.write(CTX, ctx, "running", 1);
    core.write(CTX, ctx, "mm", 1);
    core.write(CTX, ctx, "op", operationId("madvise"));
    core.write(CTX, ctx, "brackets", 1);
    core.write(CTX, ctx, "opEnd", Infinity);
    core.write(MM, core.mm(0), "brackets", 1);
    core.write(DEVICE, core.device(0), "inProgress", 1);
  },
};

/** Policies whose rows some invariants are about. */
const POLICIES: Readonly<Record<string, string>> = {
  SharersCoverCachers: "replicas",
  DirectoryInclusive: "directory",
  OneOwnerPerAsid: "asids",
};

/** Those about subscribers that come and go. */
const SUBSCRIBED = new Set([
  ...["OddMeansOpen", "StampsAreOdd", "TreeHeldWhileOdd", "SubscribersAddUp", "StartsMatchEnds"],
  ...["ReadersHaveWaited", "SectionsHaveReaders", "FreedAreUnlinked", "BracketsEndForAll"],
]);

/** Those about pinned pages. */
const PINNED = new Set([
  ...["PinsHoldReferences", "NodesInMapping", "LedgersAddUp", "PinLocksHaveHolders"],
  ...["ListIsWhole", "TranslationsArePinned", "DevicesUsePinned"],
]);

test("every invariant has a planted error", () => {
  expect(Object.keys(PLANTED).sort()).toEqual(INVARIANTS.map(({ name }) => name).sort());
});

test.each(Object.entries(PLANTED))("%s reports its planted error", async (name, plant) => {
  const run = PINNED.has(name)
    ? await pinned()
    : await settled(POLICIES[name] ?? "concurrent", SUBSCRIBED.has(name));
  expect(checkCore(run.core)).toEqual([]);
  plant(run);
  expect(checkCore(run.core).map((violation) => violation.invariant)).toContain(name);
});
