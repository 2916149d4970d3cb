/** The core's exports, as TypeScript sees them. Page numbers and times are f64, exact to 2^53. */
export interface CoreExports {
  abiVersion(): number;
  machineInit(m: number): number;
  machineNewMm(m: number): number;
  machineSetTask(m: number, task: number, mm: number): void;
  machineRunTask(m: number, cpu: number, task: number, mm: number): void;
  machineEntry(m: number, mm: number, vpn: number): number;
  machineSubscribe(m: number, dev: number, mm: number): void;
  machineSetCallback(m: number, dev: number, entry: number, pc: number): void;
  machineSetDmaUnmap(m: number, dev: number, pc: number): void;
  machineInsert(m: number, dev: number, mm: number, start: number, end: number): number;
  machineVmaSet(m: number, mm: number, start: number, end: number, prot: number): number;
  machineVmaFind(m: number, mm: number, vpn: number): number;
  machineVmaNext(m: number, mm: number, vpn: number, out: number): number;
  machineVmaCount(m: number, mm: number): number;
  machineSave(m: number): void;
  machineRestore(m: number): void;
  machineWalk(m: number, mm: number, vpn: number): number;
  machineStart(m: number, actor: number, pc: number): number;
  machineStep(m: number, actor: number, choice: number): number;
  machineBusy(m: number, actor: number): number;
  machineInterruptible(m: number, actor: number): number;
  jobNext(m: number, actor: number): number;
  jobCommit(m: number, actor: number): void;
  jobCount(m: number, actor: number): number;
  hostWake(m: number, self: number, key: number): void;
  hostAccess(
    m: number,
    dev: number,
    vpn: number,
    pfn: number,
    gen: number,
    write: number,
    alone: number,
    scratch: number,
  ): number;
  timedRearm(m: number): void;
  timedAdvance(m: number, until: number, budget: number, stop: number): number;
  parallelRun(m: number, first: number, last: number, budget: number, patience: number): number;
  parallelLeft(m: number, first: number, last: number): number;
  /** Tracked build only, as the rest of reduce*. */
  reduceInit(r: number, m: number, choices: number): number;
  reduceWalks(r: number, m: number, walks: number, seed: number): void;
  reduceBegin(r: number, x: number, m: number): number;
  reduceRun(r: number, x: number, m: number, budget: number): number;
  reduceFollow(r: number, m: number, actor: number, choice: number, out: number): number;
  reduceStep(r: number, m: number, actor: number, choice: number): number;
  reduceMap(r: number, writes: number): number;
  reduceGrew(r: number): number;
  reduceChained(r: number): number;
  exploreInit(x: number, m: number): number;
  exploreRun(x: number, m: number, budget: number): number;
  stateHash(m: number, out: number): void;
  rowSize(kind: number): number;
  treeInit(t: number, nodes: number, handles: number, limit: number): void;
  treeWiden(t: number, nodes: number, handles: number): void;
  treeBytes(nodes: number, handles: number): number;
  treeNodesFor(n: number): number;
  treeNodesLeft(t: number): number;
  treeSlot(t: number, handle: number): number;
  treeInsert(t: number, start: number, last: number, value: number): number;
  treeRemove(t: number, handle: number): number;
  treeMove(t: number, handle: number, start: number, last: number): number;
  treeCheckBatch(at: number, n: number): number;
  treeSetValue(t: number, slot: number, value: number): void;
  treeRead(t: number, slot: number, out: number): void;
  treeFirst(t: number, start: number, last: number): number;
  treeScan(
    t: number,
    start: number,
    last: number,
    after: number,
    out: number,
    most: number,
    whole: number,
  ): number;
  treeCount(t: number, start: number, last: number): number;
  treeLowest(t: number): number;
  treeHighest(t: number): number;
  treeLargest(t: number): number;
  treeFirstGap(t: number, length: number, from: number, to: number): number;
  treeClear(t: number): void;
  treeBegin(t: number): void;
  treeAppend(t: number, at: number, n: number, values: number, out: number): void;
  treeFinish(t: number): void;
  treeCompact(t: number, to: number, nodes: number): void;
  treeFirstBatch(t: number, at: number, n: number, out: number): void;
  treeCountBatch(t: number, at: number, n: number, out: number): void;
  treeAllBatch(
    t: number,
    at: number,
    n: number,
    leaves: number,
    counts: number,
    out: number,
    room: number,
  ): number;
  treeNodesForMore(t: number, n: number): number;
  treeInsertBatch(
    t: number,
    at: number,
    n: number,
    values: number,
    out: number,
    homes: number,
  ): number;
  treeBuildBatch(
    t: number,
    at: number,
    n: number,
    values: number,
    out: number,
    scratch: number,
  ): void;
  treeMoveBatch(t: number, at: number, n: number, handles: number, homes: number): void;
  treeCheckHandles(t: number, handles: number, n: number): number;
  treeName(t: number, handles: number, n: number): number;
  treeUnname(t: number, handles: number, n: number): void;
  treeRemoveBatch(t: number, handles: number, n: number, scratch: number): void;
  pinsInit(t: number, end: number, limit: number): void;
  pinsLeast(): number;
  pinsWiden(t: number, end: number): void;
  pinsReserve(t: number, first: number, last: number): void;
  pinsSetLimit(t: number, limit: number): void;
  pinsCheck(list: number, n: number, low: number, high: number): number;
  pinsPin(t: number, page: number, pfn: number): number;
  pinsUnpin(t: number, page: number): number;
  pinsLookup(t: number, page: number): number;
  pinsCount(t: number, page: number): number;
  pinsPinBatch(t: number, pages: number, n: number, pfns: number, out: number): number;
  pinsUnpinBatch(t: number, pages: number, n: number, out: number): void;
  pinsLookupBatch(t: number, pages: number, n: number, out: number): void;
  pinsPinRange(t: number, page: number, n: number, pfns: number, out: number): number;
  pinsUnpinRange(t: number, page: number, n: number, out: number): void;
  pinsLookupRange(t: number, page: number, n: number, out: number): void;
  pinsFind(t: number, from: number, to: number, any: number): number;
  pinsBlocks(
    t: number,
    low: number,
    high: number,
    cursor: number,
    out: number,
    room: number,
  ): number;
  pinsRead(
    t: number,
    blocks: number,
    n: number,
    from: number,
    to: number,
    out: number,
    room: number,
    scratch: number,
  ): number;
  pinsDrop(t: number, records: number, n: number): void;
  iotlbInit(
    base: number,
    nodes: number,
    handles: number,
    most: number,
    limit: number,
    whenFull: number,
  ): void;
  iotlbWiden(base: number, nodes: number, handles: number): void;
  iotlbBytes(nodes: number, handles: number): number;
  iotlbTree(base: number): number;
  iotlbNodesToAdd(base: number, n: number): number;
  iotlbSizeAfter(base: number, asid: number, n: number): number;
  iotlbRow(base: number, handle: number): number;
  iotlbCount(base: number, asid: number): number;
  iotlbAdd(
    base: number,
    asid: number,
    start: number,
    last: number,
    addr: number,
    perm: number,
    opaque: number,
    out: number,
  ): number;
  iotlbRemove(base: number, handle: number): number;
  iotlbDelete(base: number, asid: number, start: number, last: number): number;
  iotlbFirst(base: number, asid: number, start: number, last: number): number;
  iotlbClear(base: number): void;
  iotlbTranslate(base: number, asid: number, page: number, access: number): number;
  iotlbRowFor(base: number, asid: number, page: number): number;
  iotlbRead(base: number, row: number, out: number): void;
  iotlbKeys(at: number, n: number, asids: number, asid: number): number;
  iotlbTranslateBatch(base: number, at: number, n: number, access: number, out: number): void;
  iotlbByIova(
    base: number,
    from: number,
    to: number,
    after: number,
    handles: number,
    out: number,
    most: number,
  ): number;
  iotlbByInsertion(base: number, asid: number, after: number, out: number, most: number): number;
  notifiersInit(base: number, nodes: number, handles: number, most: number): void;
  notifiersWiden(base: number, nodes: number, handles: number): void;
  notifiersBytes(nodes: number, handles: number): number;
  notifiersTree(base: number): number;
  notifiersNodesToAdd(base: number, n: number): number;
  notifiersHasRoom(base: number, n: number): number;
  notifiersRow(base: number, handle: number, leaving: number): number;
  notifiersHandle(base: number, row: number): number;
  notifiersInsert(base: number, start: number, last: number, ops: number): number;
  notifiersRemove(base: number, handle: number, releases: number): number;
  notifiersWouldWait(base: number, row: number): number;
  notifiersOps(base: number, row: number): number;
  notifiersUpdate(
    base: number,
    handle: number,
    start: number,
    last: number,
    posted: number,
  ): number;
  notifiersFind(base: number, ops: number, start: number, last: number, posted: number): number;
  notifiersStart(base: number, start: number, last: number): number;
  notifiersNext(base: number, after: number, start: number, last: number): number;
  notifiersPass(base: number, at: number, n: number, out: number): void;
  notifiersEnd(base: number): number;
  notifiersReleased(base: number): number;
  notifiersForget(base: number, row: number): void;
  notifiersMustWait(base: number, row: number): number;
  notifiersStamp(base: number, row: number): number;
  notifiersSetStamp(base: number, row: number, seq: number): void;
  notifiersSeq(base: number, to: number): number;
  notifiersRead(base: number, row: number, out: number): void;
  notifiersPlaced(base: number): number;
}
