/**
 * The kit: what operations are written with. It knows the era, the policy and the geometry, so an
 * operation says *when* something is flushed or told, and the kit inserts *how*.
 */
import * as abi from "../core/abi.js";
import { EVENT_NAMES, type EventName } from "../program/events.js";
import { op, type Program, type Reg, repeat, unless, when, whilst } from "../program/notation.js";
import { Registers } from "../program/registers.js";
import type { DeferralTrigger } from "./defers.js";
import { type Era, type Site, siteCode } from "./era.js";
import { chooseAsid, nameEarly } from "./policies/asids.js";
import { flushLocal, send, wait } from "./policies/parts.js";
import type { FlushPolicy } from "./policy.js";
import {
  type BracketFlags,
  releaseAll,
  subscribedBracket,
  type SubscriberRules,
  toldInSection,
} from "./subscribers.js";

/** Why a bracket is opened (notifiers.md 2.1). */
export type RangeEvent = EventName;

function rangeOperand(site: Site, event: RangeEvent): number {
  return EVENT_NAMES.indexOf(event) + siteCode(site) * 2 ** abi.RANGE_SITE_SHIFT;
}

/** Pieces of kernel code, closed over one era and one policy. */
export class Kit {
  readonly regs: Registers;

  /**
   * @param registers - how many its programs may use; all by default
   * @param subscribers - subscribers that come and go are part of the machine
   * @param hosts - devices may be the host's: they can refuse, and are told of release
   */
  constructor(
    readonly era: Era,
    readonly policy: FlushPolicy,
    registers?: number,
    readonly subscribers?: SubscriberRules,
    readonly hosts = false,
  ) {
    this.regs = new Registers(registers);
  }

  /** The same kit with all registers free. */
  fresh(): Kit {
    return new Kit(this.era, this.policy, undefined, this.subscribers, this.hosts);
  }

  /** A register with a constant in it. Infinity is all-ones. */
  set(reg: Reg, value: number, note?: string): Program {
    if (value === Infinity) {
      return [op("movi", { a: reg, imm: 0xffffffff }), op("movh", { a: reg, imm: 0xffffffff })];
    }
    const high = Math.floor(value / 2 ** 32);
    const low = op("movi", {
      a: reg,
      imm: value % 2 ** 32,
      ...(note === undefined ? {} : { note }),
    });
    return high === 0 ? [low] : [low, op("movh", { a: reg, imm: high })];
  }

  /** Tells every subscriber's secondary TLB about [a, b). */
  notifySecondary(a: Reg, b: Reg): Program {
    return this.notify(abi.HOOK_SECONDARY, a, b);
  }

  /** Tells every subscriber, of either kind, in any era. */
  notifyAll(a: Reg, b: Reg): Program {
    return [
      this.notify(abi.HOOK_START, a, b),
      this.notifySecondary(a, b),
      this.notify(abi.HOOK_END, a, b),
    ];
  }

  private notify(hook: number, a: Reg, b: Reg): Program {
    if (this.subscribers !== undefined) return toldInSection(hook, a, b);
    return [op("notify.begin", { a, b, imm: hook }), op("notify.next")];
  }

  /**
   * A bracket around `body`: range_start … range_end, notifying at its end if the era says so.
   * Where nobody may sleep and somebody refuses it, `body` is left out: those who were told of its
   * start are told of its end.
   */
  range(
    site: Site,
    event: RangeEvent,
    a: Reg,
    b: Reg,
    body: Program,
    options: BracketFlags = {},
  ): Program {
    const imm = rangeOperand(site, event);
    const note = `range_start ${event}`;
    const canRefuse = this.hosts && options.noSleep === true;
    const begin = canRefuse
      ? [op("range.begin", { a, b, imm, slot: 1, note: `${note}, non-blocking` })]
      : [op("range.begin", { a, b, imm, note })];
    const tell = this.era.rangeEndNotifies(site) ? this.notifySecondary(a, b) : [];
    const end = [op("range.end", { note: "range_end" })];
    if (this.subscribers !== undefined) {
      const parts = { event, a, b, begin, body, tell, end };
      return subscribedBracket(this.subscribers, parts, options);
    }
    return [
      begin,
      this.notify(abi.HOOK_START, a, b),
      canRefuse ? unless(op("host.refused", { note: "EAGAIN?" }), [body, tell]) : [body, tell],
      this.notify(abi.HOOK_END, a, b),
      end,
    ];
  }

  /** exit tells all subscribers, who let go; the registers are used up. */
  release(zero: Reg, all: Reg): Program {
    const everything = [this.set(zero, 0), this.set(all, Infinity)];
    if (this.subscribers !== undefined) return [everything, releaseAll(zero, all)];
    return [
      this.hosts ? [everything, this.notify(abi.HOOK_RELEASE, zero, all)] : [],
      op("mm.release", { note: "notifier release" }),
    ];
  }

  /** From user mode into the kernel. */
  get enter(): Program {
    return this.policy.isolation ? [op("pti.enter", { note: "load kernel half" })] : [];
  }

  /** From the kernel back to user mode, if the task came from there. */
  get leave(): Program {
    return this.policy.isolation?.exit ?? [];
  }

  /** Into the idle loop, lazily. */
  get enterIdle(): Program {
    const poll = this.policy.polls === true ? [op("poll.begin", { note: "idle: poll" })] : [];
    return [op("sw.lazy", { note: "lazy TLB mode" }), poll];
  }

  /** The switch to the mm in `mm`, as switch_mm_irqs_off does it. */
  switchMm(mm: Reg): Program {
    const choose = op("sw.gen", { a: mm, note: "read generation, choose ASID" });
    return [
      op("sw.mark", { a: mm, note: "loadedMm = SWITCHING, join cpumask" }),
      this.policy.asids === undefined ? choose : chooseAsid(mm, this.policy.asids),
      op("sw.cr3", { a: mm, note: "write CR3" }),
      op("sw.done", { a: mm, note: "loadedMm = next" }),
    ];
  }

  /** Out of it, if the CPU was there: what it was wanted for comes first. */
  get leaveIdle(): Program {
    if (this.policy.polls !== true) return [];
    return [
      op("irq.off"),
      when(op("poll.end", { note: "idle: poll no more" }), this.policy.handler),
      op("irq.on"),
    ];
  }

  /** A flush of the kernel's own pages [a, b), which every CPU carries out. */
  flushKernel(a: Reg, b: Reg): Program {
    const imm = abi.INFO_KERNEL | (this.policy.isolation?.kernelInfo ?? 0);
    return [
      op("flush.prep", { a, b, imm, note: "a flush for all CPUs" }),
      when(op("flush.others"), [send, flushLocal, wait], [flushLocal]),
      op("flush.done"),
    ];
  }

  /**
   * A CPU flush of [a, b) of the current mm, complete when it is over.
   * @param given - INFO_* bits: INFO_FREED also tells CPUs that hold the mm lazily
   * @param prepared - what changes the request before anybody is told
   */
  flush(a: Reg, b: Reg, given = 0, prepared: Program = []): Program {
    const { fullOnly, info: always = 0, isolation, last } = this.policy;
    const info = given | always | (isolation?.info ?? 0);
    const isLast = last !== undefined && (given & abi.INFO_ALONE) !== 0;
    return [
      op("flush.prep", {
        a,
        b,
        imm: info | always | (fullOnly === true ? abi.INFO_FULL : 0),
        note: "tlbGen + 1, fill flush info",
      }),
      prepared,
      isLast ? when(op("flush.others"), last, last) : this.flushPrepared(),
      // The request is over, and its latency known, when the secondaries it waits for are told.
      this.era.flushNotifies ? this.notifySecondary(a, b) : [],
      op("flush.done"),
    ];
  }

  /** A flush of everything of the current mm; the two registers are used up. */
  flushAll(zero: Reg, all: Reg): Program {
    return [this.set(zero, 0), this.set(all, Infinity), this.flush(zero, all)];
  }

  /** `*_clear_flush` of one page under the page-table lock, with the notification some eras add. */
  clearFlush(site: Site, vpn: Reg, next: Reg): Program {
    return [op("pte.clear", { a: vpn, note: "clear PTE" }), this.flushLocked(site, vpn, next)];
  }

  /**
   * The flush of [vpn, next) under the page-table lock, with that notification.
   * @param info - INFO_* bits
   */
  flushLocked(site: Site, vpn: Reg, next: Reg, info = 0): Program {
    return [this.flush(vpn, next, info), this.notifyLocked(site, vpn, next)];
  }

  /** That notification alone. */
  notifyLocked(site: Site, vpn: Reg, next: Reg): Program {
    return this.era.lockedNotifies(site) ? this.notifySecondary(vpn, next) : [];
  }

  /** `clearFlush` of copy-on-write, which may leave its own entry to {@link displaced}. */
  clearFlushCopied(site: Site, vpn: Reg, next: Reg): Program {
    const { copyOnWrite } = this.policy;
    if (copyOnWrite === undefined) return this.clearFlush(site, vpn, next);
    return [
      op("pte.clear", { a: vpn, note: "clear PTE" }),
      op("flush.prep", { a: vpn, b: next, note: "tlbGen + 1, fill flush info" }),
      when(op("flush.others"), copyOnWrite.others),
      this.era.flushNotifies ? this.notifySecondary(vpn, next) : [],
      this.era.lockedNotifies(site) ? this.notifySecondary(vpn, next) : [],
      // Nothing that could wait, or let another task run here, may come before the write.
      when(
        op("cow.skip", { note: "can the own flush be left out?" }),
        [],
        [op("flush.local", { imm: 1, note: "flush own TLB" })],
      ),
      op("flush.done"),
    ];
  }

  /** Behind it, when the copy is mapped. */
  displaced(vpn: Reg): Program {
    return this.policy.copyOnWrite?.displace(vpn) ?? [];
  }

  /** The gather's flush, if it recorded anything: CPUs, then secondaries; frees come later. */
  gatherFlush(info = 0): Program {
    return this.regs.scope(["flushStart", "flushEnd"], (a, b) => [
      when(op("gather.range", { a, b }), [
        this.policy.accessed === undefined ? this.flush(a, b, info) : this.flushAccessed(a, b),
        this.era.gatherNotifies
          ? [op("gather.range", { a, b, imm: 1 }), this.notifySecondary(a, b)]
          : [],
      ]),
    ]);
  }

  /** The gather's flush, where its pages were accessed. */
  private flushAccessed(a: Reg, b: Reg): Program {
    const narrow = op("access.narrow", { note: "tell those that have accessed it" });
    return [
      when(
        op("access.who", { note: "who has accessed it?" }),
        [this.flush(a, b, 0, [narrow]), op("batch.done")],
        this.era.flushNotifies ? this.notifySecondary(a, b) : [],
      ),
    ];
  }

  /** The same for permission changes: their flush is not the gather's, so it notifies nothing. */
  gatherFlushQuietly(): Program {
    return this.regs.scope(["flushStart", "flushEnd"], (a, b) => [
      when(op("gather.range", { a, b }), [this.flush(a, b)]),
    ]);
  }

  /** The gather's flush where pages were changed and stay: it notifies like any gather's. */
  gatherFlushKept(): Program {
    return this.regs.scope(["flushStart", "flushEnd"], (a, b) => [
      when(op("gather.range", { a, b }), [
        this.flush(a, b),
        this.era.gatherNotifies
          ? [op("gather.range", { a, b, imm: 1 }), this.notifySecondary(a, b)]
          : [],
      ]),
    ]);
  }

  /** Before [start, end) is mapped: nothing that is parked or put off may lie there. */
  waitForParked(start: Reg, end: Reg): Program {
    const { parks } = this.policy;
    return [
      parks === "withheld" ? op("latr.wait", { a: start, b: end, note: "wait until swept" }) : [],
      this.flushDeferred(start, end, "mapped"),
    ];
  }

  /** With a page-table lock of [start, end) held: pages that reclaim parks are swept everywhere. */
  settleSwapped(start: Reg, end: Reg): Program {
    const { swaps } = this.policy;
    if (swaps === undefined || swaps === "refaulted") return [];
    return [op("latr.wait", { a: start, b: end, note: "wait until reclaimed pages are swept" })];
  }

  /** The same for one page. */
  settleSwappedPage(vpn: Reg): Program {
    if (this.policy.swaps === undefined) return [];
    return this.regs.scope(["behind"], (behind) => [
      op("addi", { a: behind, b: vpn, imm: 1 }),
      this.settleSwapped(vpn, behind),
    ]);
  }

  /** What reclaim defers is broadcast at once, and not waited for. */
  get issuesAtOnce(): boolean {
    return this.policy.batching === "issued" || this.policy.batching === "barrier";
  }

  /**
   * At the end of a fault on `vpn`: what it has found there is copied to this CPU's own tables,
   * under the lock of the table that is copied.
   */
  copyTables(vpn: Reg): Program {
    const { copies } = this.policy;
    if (copies === undefined) return [];
    const alone = copies === "alone" ? abi.SHARER_ALONE : 0;
    const track = op("sharer.join", { a: vpn, imm: alone, note: "track: be told of changes" });
    const copy = op("sharer.join", { a: vpn, imm: abi.SHARER_COPY, note: "copy to own tables" });
    const isLate = copies === "late";
    return [
      when(op("ptl.lock", { a: vpn }), [
        when(op("pte.get", { a: vpn }), isLate ? [copy] : [track, copy]),
        op("pte.forget"),
        op("ptl.unlock"),
        isLate ? [track] : [],
      ]),
    ];
  }

  /** What reclaim has deferred for this task, in one flush; before frames are written or freed. */
  flushBatch(): Program {
    const request = this.issuesAtOnce
      ? op("bcast.add", { imm: 1, note: "broadcasts on their way?" })
      : op("batch.prep", { note: "flush the batch" });
    return this.regs.scope(["zero", "all"], (zero, all) => [
      when(request, [
        this.issuesAtOnce
          ? [
              op("bcast.wait", { note: "wait for them" }),
              this.secondariesOfBatch(zero, all),
              op("flush.done"),
            ]
          : this.absorbing([
              this.flushPrepared(),
              this.secondariesOfBatch(zero, all),
              op("flush.done"),
            ]),
        op("batch.done"),
      ]),
    ]);
  }

  private secondariesOfBatch(zero: Reg, all: Reg): Program {
    if (!this.era.flushNotifies) return [];
    return [this.set(zero, 0), this.set(all, Infinity), this.notifySecondary(zero, all)];
  }

  /** The flush of a task's batch: it counts for what was put off on the same CPUs before. */
  private absorbing(flush: Program): Program {
    if (this.policy.defers === undefined) return flush;
    return this.regs.scope(["stamp"], (stamp) => [
      op("defer.stamp", { a: stamp }),
      flush,
      op("defer.done", { a: stamp, imm: 1 }),
    ]);
  }

  /**
   * With the page-table lock of [start, end) held, before `trigger` happens there: what was put off
   * is flushed.
   */
  flushDeferred(start: Reg, end: Reg, trigger: DeferralTrigger): Program {
    if (this.policy.defers?.flushFirst.includes(trigger) !== true) return [];
    return this.regs.scope(["stamp", "zero", "all"], (stamp, zero, all) => [
      when(op("defer.pending", { a: start, b: end, c: stamp, note: "a flush put off here?" }), [
        this.flushAll(zero, all),
        op("defer.done", { a: stamp, note: "deferrals of the mm are flushed" }),
      ]),
    ]);
  }

  /** The request in this CPU's info, carried out; not over yet. */
  flushPrepared(): Program {
    const { alone, shootdown } = this.policy;
    const here = alone ?? [op("flush.local", { imm: 1, note: "flush own TLB" })];
    return [when(op("flush.others"), shootdown, here)];
  }

  /**
   * With a page-table lock held, before entries are looked at: reclaim may have cleared some and
   * not flushed them yet (flush_tlb_batched_pending).
   */
  settleBatches(): Program {
    return this.policy.batching === undefined ? [] : this.settlePending();
  }

  /** The same for whatever may have been deferred, also where reclaim does not. */
  settlePending(): Program {
    const { batching } = this.policy;
    if (batching === "unchecked") return [];
    return this.regs.scope(["batches", "zero", "all"], (batches, zero, all) => [
      when(op("batch.pending", { a: batches, note: "deferred flushes?" }), [
        batching === "barrier"
          ? [
              this.set(zero, 0),
              this.set(all, Infinity),
              op("bcast.wait", { note: "wait for own broadcasts (not enough)" }),
            ]
          : this.flushAll(zero, all),
        op("batch.settle", { a: batches }),
      ]),
    ]);
  }

  /** An mmu_gather around `body`: flush, then free, at its end. */
  gather(body: Program, fullMm = false): Program {
    return [
      op("gather.begin", {
        imm: fullMm ? abi.GF_FULL | abi.GF_FREED : 0,
        note: "mmu_gather begins",
      }),
      this.policy.asids === "named" ? nameEarly : [],
      body,
      op("gather.nested"),
      this.gatherFlush(fullMm && this.policy.last !== undefined ? abi.INFO_ALONE : 0),
      op("gather.free", { note: "free gathered pages" }),
      op("gather.end"),
    ];
  }

  /** For each populated leaf table in [start, end): `body(from, to)` with its extent. */
  forEachTable(start: Reg, end: Reg, body: (from: Reg, to: Reg) => Program): Program {
    return this.regs.scope(["from", "to"], (from, to) => [
      op("mov", { a: from, b: start }),
      whilst(op("table.next", { a: from, b: end, c: to }), [
        body(from, to),
        op("mov", { a: from, b: to }),
      ]),
    ]);
  }

  /** For each populated entry in [from, to) of one locked table: `body(vpn)`; ctx.pte holds it. */
  forEachEntry(from: Reg, to: Reg, body: (vpn: Reg) => Program): Program {
    return this.regs.scope(["vpn"], (vpn) => [
      op("mov", { a: vpn, b: from }),
      whilst(op("pte.next", { a: vpn, b: to }), [
        body(vpn),
        op("addi", { a: vpn, b: vpn, imm: 1 }),
      ]),
    ]);
  }

  /** The same for entries that stay: `body(vpn, next)`, with a huge one once, not page by page. */
  forEachKeptEntry(from: Reg, to: Reg, body: (vpn: Reg, next: Reg) => Program): Program {
    return this.regs.scope(["vpn", "next"], (vpn, next) => [
      op("mov", { a: vpn, b: from }),
      whilst(op("pte.next", { a: vpn, b: to }), [
        op("addi", { a: next, b: vpn, imm: 1 }),
        when(op("pte.bits", { imm: abi.PTE_HUGE }), [op("span.end", { a: next, b: vpn, imm: 1 })]),
        body(vpn, next),
        op("mov", { a: vpn, b: next }),
      ]),
    ]);
  }

  /** Clears [start, end) into the open gather, flushing early when its batch is full. */
  zap(start: Reg, end: Reg): Program {
    return this.forEachTable(start, end, (from, to) => [
      repeat([
        when(op("ptl.lock", { a: from }), [
          this.settleBatches(),
          this.settleSwapped(from, to),
          this.flushDeferred(from, to, "unmapped"),
          this.forEachEntry(from, to, (vpn) => [
            when(op("gather.full"), [
              op("ptl.unlock"),
              this.gatherFlush(),
              op("gather.free", { note: "batch full: free it" }),
              op("ptl.lock", { a: from }),
            ]),
            op("pte.clear", { a: vpn, note: "clear PTE" }),
            op("gather.add", { a: vpn, note: "gather page" }),
          ]),
          op("ptl.unlock"),
        ]),
      ]),
    ]);
  }

  /** Unhooks every table of [start, end) that may go (UNHOOK_*), into the open gather. */
  unhookTables(start: Reg, end: Reg, mode: number = abi.UNHOOK_BY_VMAS): Program {
    const imm = mode;
    return [whilst(op("table.unhook", { a: start, b: end, imm, note: "unhook page table" }), [])];
  }

  /** Huge leaves that `start` or `end` cuts through become tables first. */
  splitEdges(start: Reg, end: Reg): Program {
    return [op("pte.split", { a: start }), op("pte.split", { a: end })];
  }

  /** Runs `body` only if `vpn` is mapped; its protection is in `prot`. */
  ifMapped(vpn: Reg, prot: Reg, body: Program): Program {
    return [when(op("vma.find", { a: vpn, b: prot }), body)];
  }

  /** Runs `body` unless the flag says otherwise after `test`. */
  unless(test: Program, body: Program): Program {
    return [unless(test, body)];
  }
}
