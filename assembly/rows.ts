/**
 * The rows of a machine: one `@unmanaged` record per kind, laid over offsets (no heap, no objects).
 *
 *   Sys    one per machine: pools, the first hazard, scenario signals
 *   Ctx    an execution context: one per task (kernel work of its thread), one per CPU (interrupts
 *          and context switches, which run with interrupts off), one per device
 *   Cpu    followed by its ASID slots {ctxId, tlbGen} and the words of its IPI set
 *   Mm, Task, Device, Frame, Table (followed by its entries), Vma
 *
 * Who writes: the micro-op that the field's comment names; everything between H_STATE_START and
 * H_STATE_END is explored, so there are no timestamps here and dead fields are zeroed.
 * Ids stored in fields are index + 1 where 0 must mean "none".
 */

@unmanaged
export class Sys {
  freeFrame: u32; // head of the frame free list, id + 1
  freeTable: u32;
  nextCtxId: u32; // never reused: an mm's identity towards ASID slots
  poolLock: u32; // shared form only
  hazard: u32; // HZ_* | actor << 8, the first one committed
  hazardPfn: u32;
  hazardVpn: u64;
  sync: u64; // eight scenario signals, one byte each
  framesUsed: u32;
  tablesUsed: u32;
}

@unmanaged
export class Ctx {
  pc: u16;
  op: u16; // running operation, 0 none (MARK, UNMARK)
  flag: u8;
  running: u8;
  sp: u8;
  irqOff: u8;
  mm: u16; // working mm + 1
  dev: u16; // subscriber being told, or the device's own index + 1
  event: u16;
  cursor: u16; // next CPU of a send
  list: u32; // csd list taken from the queue, id + 1
  seq: u32;
  stack: u64; // four return addresses, the newest in the low bits
  ptl0: u32; // table + 1
  ptl1: u32;
  frame: u32;
  frameGen: u32;
  pte: u64;
  r0: u64;
  r1: u64;
  r2: u64;
  r3: u64;
  r4: u64;
  r5: u64;
  r6: u64;
  r7: u64;
  r8: u64;
  r9: u64;
  r10: u64;
  r11: u64; // the context switch's own
  hStart: u64; // range of the notification under way
  hEnd: u64;
  gStart: u64; // mmu_gather: half-open page range, empty when start > end
  gEnd: u64;
  gCount: u32;
  gTables: u32; // unhooked tables, list head, id + 1
  gFlags: u16;
  locks: u16; // LOCK_*
  brackets: u32;
  opStart: u64; // range of the running operation, for the STALE oracle
  opEnd: u64;
}

@unmanaged
export class Cpu {
  loadedMm: u32; // mm + 1, LOADED_INIT or LOADED_SWITCHING
  lazy: u32;
  queue: u32; // head of the call queue (LIFO), csd id + 1
  waitCount: u32; // csd of this initiator that are still locked
  ipiPending: u32;
  task: u32; // running task + 1
  asid: u32; // slot of the loaded mm
  nextAsid: u32; // round-robin victim
  online: u32;
  tlbClock: u32; // round-robin way
  pwcClock: u32;
  infoMm: u32; // the one flush_tlb_info of this CPU: mm + 1
  infoGen: u32;
  infoStart: u64;
  infoEnd: u64;
  infoFlags: u32;
  reached: u32; // 1: a flush that was acknowledged has not run yet
}

@unmanaged
export class Mm {
  ctxId: u32; // 0: the row is free
  tlbGen: u32;
  root: u32; // table + 1
  users: u32;
  gathers: u32; // tlb_flush_pending
  mmapLock: i32; // readers, or -1 for a writer
  nVmas: u32;
  brackets: u32; // open ones: active_invalidate_ranges
  subscribers: u32; // newest first, device + 1
  tableLock: u32; // shared form only
  trimAtMs: u32; // OPT_TRIM only: when the cpumask is trimmed next
  batches: u32; // deferred by reclaim | flushed << 16, 15 bits each
}

@unmanaged
export class Task {
  mm: u32; // mm + 1, 0 for a kernel thread
  lastCpu: u32;
}

@unmanaged
export class Device {
  kind: u16;
  zapMode: u16;
  mm: u32; // mm + 1
  lock: u32; // context + 1
  seq: u32;
  inProgress: u32;
  next: u32; // next subscriber of the mm, device + 1
  faults: u32;
  tlbClock: u32;
  rangeStart: u64; // union of the brackets in progress
  rangeEnd: u64;
  hookStart: u16;
  hookEnd: u16;
  hookSecondary: u16;
  hookRelease: u16;
  pwcClock: u32;
  opens: u32;
}

@unmanaged
export class Frame {
  gen: u32; // + 1 on every free
  next: u32; // free list, id + 1
  refs: u32;
  value: u32; // version of the watched page's last write | FRAME_COLLECTED
  rmap: u64; // vpn of its last mapping, mm << 52
}

@unmanaged
export class Table {
  gen: u32;
  next: u32; // free list or gather list, id + 1
  lock: u32; // PTL: context + 1
  live: u32; // entries present
  level: u32; // 0 is the leaf level
  parent: u32; // table + 1
}

@unmanaged
export class Vma {
  start: u64; // half-open, pages
  end: u64;
  prot: u64;
}

/**
 * Time of one actor: outside the explored state. All times in ns of simulated time. What every
 * message touches is in the first 64 bytes, and rows are cache lines apart.
 */
@unmanaged
export class Clock {
  now: u64;
  irqSince: u64; // when the running interrupt arrived
  irqQueuedAt: u64; // its place in the interrupt queue
  ipiAt: u64; // when the pending interrupt arrives
  charge: u32; // ns of the step under way beyond the fixed price of its micro-op
  waitKey: u32; // what a parked actor waits for (offset of its word), 0: not parked
  walkFills: u32; // 1: the paging-structure cache may hold something
  wantKey: u32; // what the last step that returned ST_WAIT waits for
  jobHead: u32; // ring of jobs, see jobs.ts
  jobTail: u32;
  ackAt: u64; // when the latest ack of its shootdown reached it
  queuedAt: u64; // its place in the run queue; NOT_QUEUED if it has none
  flushSince: u64; // when the running flush request began
  opSince: u64;
  exitEnd: u64; // when it is back in its guest, if it has left to send an interrupt; else 0
  hostAnswer: u32; // HOST_*: to the micro-op of this actor that asked
  hostNs: u32; // how long it took the host, or what to wait for
  hostX: u64;
  hostY: u64;
  yieldAt: u64; // its turn ends here: whom it has woken since goes on, or an interrupt is due
}

/** A translation cached by a TLB, an IOTLB or a paging-structure cache. */
@unmanaged
export class Entry {
  tag: u64; // valid 1, W 2, huge 4 | asid << 4 | vpn << 12 (vpn of the first page)
  frame: u32; // pfn, or the table of a paging-structure entry
  gen: u32; // the frame's or table's generation when this was filled
}
