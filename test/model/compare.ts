/**
 * The core's state against the model's: every field of every row, through the layout. The first
 * difference is named by a path like `cpus[1].asid`.
 */
import * as abi from "../../src/core/abi.js";
import { BASE, type Core } from "../../src/core/core.js";
import * as layout from "../../src/core/layout.js";
import type { Cached, Context, Cpu, Csd, LatrEntry, Model } from "./state.js";
import { lockName, waitsFor } from "./ops-flush.js";
import { after } from "./ops-notify.js";
import { pins } from "./compare-pins.js";
import * as rows from "./compare-rows.js";
import { freedFrames } from "./compare-rows.js";
import {
  entryTag,
  id,
  infoWords,
  keptRegisters,
  mmWord,
  ownerWord,
  payloadWords,
  pteWord,
  walkTag,
} from "./words.js";

type Value = number | bigint | boolean;

/** Both sides of the first field that differs. */
export interface Difference {
  readonly path: string;
  readonly core: Value;
  readonly model: Value;
}

class Found extends Error {
  constructor(readonly difference: Difference) {
    super(difference.path);
  }
}

class Comparison {
  private readonly u64: BigUint64Array;

  constructor(
    readonly core: Core,
    readonly model: Model,
  ) {
    this.u64 = new BigUint64Array(core.memory.buffer);
  }

  private differ(path: string, core: Value, model: Value): never {
    throw new Found({ path, core, model });
  }

  /** Fields that `values` does not name must be zero. */
  private row<K extends string>(
    path: string,
    index: number,
    row: layout.Row<K>,
    address: number,
    values: Readonly<Partial<Record<K, Value>>>,
  ): void {
    const { core } = this;
    for (const name of row.names) {
      const { offset, size } = row.fields[name];
      const p = address + offset;
      const raw = values[name] ?? 0;
      const want = typeof raw === "boolean" ? Number(raw) : raw;
      if (size === 8 && typeof want === "bigint" && want !== 0n) {
        const got = this.u64[p >> 3];
        if (got !== want) this.differ(`${path}[${index}].${name}`, got, want);
        continue;
      }
      const got = core.read(row, address, name);
      if (got !== Number(want)) this.differ(`${path}[${index}].${name}`, got, want);
    }
  }

  private zeros(path: string, index: number, address: number, bytes: number): void {
    const { u32 } = this.core;
    for (let p = address >> 2; p < (address + bytes) >> 2; p++) {
      if (u32[p] !== 0) this.differ(`${path}[${index}]+${p * 4 - address}`, u32[p], 0);
    }
  }

  word(path: string, index: number, address: number, want: number): void {
    const got = this.core.u32[address >> 2];
    if (got !== want) this.differ(`${path}[${index}]`, got, want);
  }

  long(path: string, index: number, address: number, want: bigint): void {
    const low = this.core.u32[address >> 2];
    const high = this.core.u32[(address >> 2) + 1];
    if (want === 0n && low === 0 && high === 0) return;
    const got = this.u64[address >> 3];
    if (got !== want) this.differ(`${path}[${index}]`, got, want);
  }

  private sys(): void {
    const { model } = this;
    const { hazard } = model;
    const sync = model.sync.reduce((word, n, i) => word | (BigInt(n) << BigInt(i * 8)), 0n);
    this.row("sys", 0, layout.SYS, this.core.sys, {
      freeFrame: id(model.freeFrames.at(-1)),
      freeTable: id(model.freeTables.at(-1)),
      nextCtxId: model.nextCtxId,
      hazard: hazard ? hazard.code | (hazard.actor << 8) : 0,
      hazardPfn: hazard?.pfn ?? 0,
      hazardVpn: hazard?.vpn ?? 0,
      sync,
      framesUsed:
        model.geometry.frames - 1 - model.freeFrames.length - model.deferredFrames.flat().length,
      tablesUsed: model.geometry.tables - model.freeTables.length,
    });
  }

  private context(index: number, c: Context | null): void {
    const address = this.core.ctx(index);
    if (c === null) {
      this.zeros("contexts", index, address, layout.CTX.size);
      return;
    }
    const { gather, hook } = c;
    const r = c.kept === null ? c.r : [...keptRegisters(c.kept), ...c.r.slice(5)];
    const { cpus, tasks } = this.model.geometry;
    // A CPU that goes offline drains its queue in the task that sends it there.
    const runs = this.model.cpus.findIndex((cpu) => cpu.task === index);
    const target = index < tasks ? runs : index - tasks;
    this.row("contexts", index, layout.CTX, address, {
      pc: c.pc,
      op: c.op,
      flag: c.flag,
      running: 1,
      sp: c.stack.length,
      irqOff: c.irqOff,
      mm: id(c.mm),
      dev: id(c.dev),
      event: c.event,
      cursor: c.cursor,
      stack: c.stack.reduce((word, pc) => (word << 16n) | BigInt(pc), 0n),
      ptl0: id(c.ptl[0]?.id),
      ptl1: id(c.ptl[1]?.id),
      frame: c.frame,
      frameGen: c.frameGen,
      pte: pteWord(c.pte),
      r0: r[0],
      r1: r[1],
      r2: r[2],
      r3: r[3],
      r4: r[4],
      r5: r[5],
      r6: r[6],
      r7: r[7],
      r8: r[8],
      r9: r[9],
      r10: r[10],
      r11: r[11],
      hStart: hook.start,
      hEnd: hook.end,
      gStart: gather.start,
      gEnd: gather.end,
      gCount: gather.frames.length,
      gTables: id(gather.tables.at(-1)?.id),
      gFlags: gather.flags,
      locks: c.locks,
      seq: c.seq,
      list: c.taken.length === 0 ? 0 : c.taken[0] * cpus + target + 1,
      brackets: c.brackets,
      opStart: c.opStart,
      opEnd: c.opEnd,
    });
  }

  private batches(): void {
    const { tasks, gatherPages } = this.model.geometry;
    const base = this.core.at(abi.H_OFF_BATCH);
    for (let i = 0; i < tasks; i++) {
      const frames = this.model.contexts[i]?.gather.frames ?? [];
      for (let k = 0; k < gatherPages; k++) {
        this.word(`batches[${i}]`, k, base + (i * gatherPages + k) * 4, frames[k] ?? 0);
      }
    }
  }

  private cpu(cpu: Cpu): void {
    const { core, model } = this;
    const { cpus, asids } = model.geometry;
    const address = core.cpu(cpu.index);
    const newest = cpu.queue.at(-1);
    const special = cpu.loaded === "init" ? abi.LOADED_INIT : abi.LOADED_SWITCHING;
    this.row("cpus", cpu.index, layout.CPU, address, {
      loadedMm: typeof cpu.loaded === "number" ? cpu.loaded + 1 : special,
      lazy: cpu.lazy,
      queue: newest === undefined ? 0 : newest * cpus + cpu.index + 1,
      waitCount: waitsFor(model, cpu),
      reached: cpu.reached,
      ipiPending: cpu.ipiPending,
      task: id(cpu.task),
      asid: cpu.asid,
      nextAsid: cpu.nextAsid,
      tlbClock: cpu.tlb.turn,
      pwcClock: cpu.pwc.turn,
      infoMm: cpu.info ? mmWord(cpu.info) : 0,
      infoGen: cpu.info?.gen ?? 0,
      infoStart: cpu.info?.start ?? 0,
      infoEnd: cpu.info?.end ?? 0,
      infoFlags: cpu.info?.flags ?? 0,
      online: cpu.online,
    });
    const slots = address + layout.CPU.size;
    cpu.slots.forEach(({ ctxId, tlbGen }, i) => {
      this.word(`cpus[${cpu.index}].slotCtxId`, i, slots + i * 8, ctxId);
      this.word(`cpus[${cpu.index}].slotTlbGen`, i, slots + i * 8 + 4, tlbGen);
    });
    this.mask(`cpus[${cpu.index}].ipiSet`, slots + asids * 8, cpu.ipiSet);
  }

  mask(path: string, address: number, set: ReadonlySet<number>): void {
    const words = Math.ceil(this.model.geometry.cpus / 32);
    for (let w = 0; w < words; w++) {
      let bits = 0;
      for (const cpu of set) if (cpu >> 5 === w) bits |= 1 << (cpu & 31);
      this.word(path, w, address + w * 4, bits >>> 0);
    }
  }

  /** Queued and taken requests name the next one; everything else is unlinked. */
  private csds(): void {
    const { model } = this;
    const n = model.geometry.cpus;
    const next = new Map<string, number>();
    for (const cpu of model.cpus) {
      const own = model.contexts[model.geometry.tasks + cpu.index]?.taken ?? [];
      const tasks = cpu.task === null ? undefined : model.contexts[cpu.task]?.taken;
      const taken = own.length > 0 ? own : (tasks ?? []);
      cpu.queue.forEach((from, i) => {
        const older = cpu.queue[i - 1];
        next.set(lockName(from, cpu.index), older === undefined ? 0 : older * n + cpu.index + 1);
      });
      taken.forEach((from, i) => {
        const newer = taken[i + 1];
        next.set(lockName(from, cpu.index), newer === undefined ? 0 : newer * n + cpu.index + 1);
      });
    }
    const base = this.core.at(abi.H_OFF_CSD);
    const isWide = model.has(abi.OPT_INLINE) || model.has(abi.OPT_CALLS);
    const stride = isWide ? abi.CSD_WIDE_BYTES : abi.CSD_BYTES;
    for (let from = 0; from < n; from++) {
      for (let to = 0; to < n; to++) {
        const address = base + (from * n + to) * stride;
        const name = lockName(from, to);
        const csd = model.csds.get(name);
        this.word(`csd ${name}.next`, 0, address, next.get(name) ?? 0);
        this.word(`csd ${name}.owner`, 0, address + 4, csd ? ownerWord(csd, from) : 0);
        if (isWide) this.payload(`csd ${name}`, address + 8, csd);
      }
    }
  }

  private payload(path: string, address: number, csd: Csd | undefined): void {
    const [mm, gen, start, end, flags] = payloadWords(csd);
    this.word(`${path}.mm`, 0, address, mm);
    this.word(`${path}.gen`, 0, address + 4, gen);
    this.long(`${path}.start`, 0, address + 8, start);
    this.long(`${path}.end`, 0, address + 16, end);
    this.word(`${path}.flags`, 0, address + 24, flags);
  }

  private mms(): void {
    const { core, model } = this;
    const words = Math.ceil(model.geometry.cpus / 32);
    // The VMAs are in trees: this writes the rows that are explored.
    core.x.machineSave(BASE);
    model.mms.forEach((mm, i) => {
      this.row("mms", i, layout.MM, core.mm(i), {
        ctxId: mm?.ctxId ?? 0,
        tlbGen: mm?.tlbGen ?? 0,
        root: id(mm?.root.id),
        users: mm?.users ?? 0,
        gathers: mm?.gathers ?? 0,
        mmapLock: (mm?.mmapLock ?? 0) >>> 0,
        nVmas: mm?.vmas.length ?? 0,
        brackets: mm?.brackets ?? 0,
        subscribers: id(mm?.subscribers[0]),
        trimAtMs: mm?.trimAtMs ?? 0,
        batches: mm ? mm.batches.pending | (mm.batches.flushed << 16) : 0,
      });
      this.mask(
        `mms[${i}].cpumask`,
        core.at(abi.H_OFF_MASK) + i * words * 4,
        mm?.cpumask ?? new Set(),
      );
      const base = core.at(abi.H_OFF_VMA) + i * model.geometry.vmas * layout.VMA.size;
      for (let k = 0; k < model.geometry.vmas; k++) {
        const vma = mm?.vmas[k];
        const p = base + k * layout.VMA.size;
        this.long(`mms[${i}].vmas.start`, k, p, vma?.start ?? 0n);
        this.long(`mms[${i}].vmas.end`, k, p + 8, vma?.end ?? 0n);
        this.long(`mms[${i}].vmas.prot`, k, p + 16, vma?.prot ?? 0n);
      }
    });
    model.taskMm.forEach((mm, i) => {
      this.row("tasks", i, layout.TASK, core.task(i), { mm: id(mm) });
    });
  }

  /** Rows that a policy has of its own. */
  private policies(): void {
    const { core, model } = this;
    const words = Math.ceil(model.geometry.cpus / 32);
    const batched = core.at(abi.H_OFF_BATCHED);
    const sent = core.at(abi.H_OFF_BROADCAST);
    const vcpus = core.at(abi.H_OFF_VCPU);
    if (model.has(abi.OPT_BATCH)) {
      model.batches.forEach(({ required, mask }, task) => {
        const p = batched + task * (words + 1) * 4;
        this.word("batched.required", task, p, Number(required));
        this.mask(`batched[${task}].mask`, p + 4, mask);
      });
    }
    for (const cpu of model.cpus) {
      const { index } = cpu;
      if (model.has(abi.OPT_BROADCAST)) {
        this.mask(`broadcast[${index}]`, sent + index * words * 4, cpu.broadcast);
      }
      if (model.has(abi.OPT_LATR)) this.latr(index, cpu.latr);
      const state =
        (cpu.preempted ? abi.VCPU_PREEMPTED : 0) | (cpu.flushOnResume ? abi.VCPU_FLUSH : 0);
      if (model.has(abi.OPT_PREEMPT)) this.word("vcpu", index, vcpus + index * 4, state);
    }
    if (model.has(abi.OPT_PTI)) rows.halves(this);
    if (model.has(abi.OPT_GLOBAL_ASIDS)) this.globalAsids();
    for (const { index, poll } of model.has(abi.OPT_POLL) ? model.cpus : []) {
      const at = core.at(abi.H_OFF_POLL) + index * 4;
      this.word("poll", index, at, ["no", "polls", "wanted"].indexOf(poll));
    }
    rows.asids(this);
    rows.subscribers(this);
    pins(this);
    rows.sharers(this);
    rows.directory(this);
    const parked = model.cpus.reduce((n, { latr }) => n + (latr?.frames.length ?? 0), 0);
    const deferred = model.deferrals.reduce((n, { key }) => n + freedFrames(model, key), 0);
    this.word("parked", 0, BASE + abi.H_PARKED_PAGES * 4, parked + deferred);
    if (model.has(abi.OPT_DEFER)) rows.deferrals(this);
    if (!model.has(abi.OPT_ACCESSED)) return;
    model.frames.forEach(({ accessedBy: [first], accessedBy }, pfn) => {
      const owner = accessedBy.size > 1 ? abi.ACCESS_MANY : id(first);
      this.word("frames.access", pfn, core.at(abi.H_OFF_ACCESS) + pfn * 4, owner);
    });
  }

  private globalAsids(): void {
    const { core, model } = this;
    const base = core.at(abi.H_OFF_GLOBAL);
    const bits = (set: ReadonlySet<number>) =>
      [...set].reduce((word, asid) => word | (1n << BigInt(asid)), 0n);
    this.long("globals.used", 0, base, bits(model.usedAsids));
    this.long("globals.freed", 0, base + 8, bits(model.freedAsids));
    model.mms.forEach((mm, i) => {
      const p = base + 16 + i * 12;
      this.word("globals.asid", i, p, id(mm?.globalAsid));
      this.word("globals.moving", i, p + 4, Number(mm?.moving ?? false));
      this.word("globals.asked", i, p + 8, mm?.asked ?? 0);
    });
  }

  /** Explored machines have rings of one entry. */
  private latr(cpu: number, entry: LatrEntry | null): void {
    const { core, model } = this;
    const words = Math.ceil(model.geometry.cpus / 32);
    const p = core.at(abi.H_OFF_LATR) + cpu * core.header[abi.H_LATR_STRIDE];
    const [mm, gen, start, end, flags] = infoWords(entry?.info ?? null);
    this.word("latr.mm", cpu, p, mm);
    const seen = [...(entry?.seen ?? [])].reduce((bits, one) => bits | (1 << one), 0);
    this.word("latr.gen", cpu, p + 4, model.lifetimes ? seen : gen);
    this.long("latr.start", cpu, p + 8, start);
    this.long("latr.end", cpu, p + 16, end);
    this.word("latr.flags", cpu, p + 24, flags);
    this.word("latr.count", cpu, p + 28, entry?.frames.length ?? 0);
    this.mask(`latr[${cpu}].mask`, p + 32, entry?.left ?? new Set());
    for (let k = 0; k < model.geometry.gatherPages; k++) {
      this.word(`latr[${cpu}].frames`, k, p + 32 + (words + k) * 4, entry?.frames[k] ?? 0);
    }
  }

  private devices(): void {
    const { core, model } = this;
    for (const device of model.devices) {
      this.row("devices", device.index, layout.DEVICE, core.device(device.index), {
        kind: device.kind,
        mm: id(device.mm),
        lock: id(device.lock?.index),
        seq: device.seq,
        inProgress: device.inProgress,
        next: after(model, device),
        tlbClock: device.cache.turn,
        rangeStart: device.range.start,
        rangeEnd: device.range.end,
        hookStart: device.hooks.start,
        hookEnd: device.hooks.end,
        hookSecondary: device.hooks.secondary,
        hookRelease: device.hooks.release,
        pwcClock: device.pwc.turn,
      });
    }
  }

  private moreOfDevices(): void {
    if (!this.model.moreDevices) return;
    for (const { index, more } of this.model.devices) {
      const p = this.core.deviceMore(index);
      const { slot, ask, gpc } = more;
      const answered = ask?.answer === "success" ? abi.ANSWER_SUCCESS : abi.ANSWER_INVALID;
      const asked = ask?.write === true ? abi.ASK_WRITE : abi.ASK_READ;
      this.row("devices", index, layout.DEVICE_MORE, p, {
        slotStart: slot?.start ?? 0n,
        slotEnd: slot?.end ?? 0n,
        slotBase: slot?.base ?? 0n,
        askVpn: ask?.vpn ?? 0n,
        mark: more.mark === null ? 0n : more.mark + 1n,
        gpcTag: gpc ? entryTag(gpc) : 0n,
        gpcFrame: gpc?.frame ?? 0,
        gpcGen: gpc?.gen ?? 0,
        ask: ask === null ? 0 : ask.answer === null ? asked : answered,
        served: Number(more.served),
        retries: more.retries,
        active: more.active,
        fences: more.fences,
        atcClock: more.atc.turn,
        traits: (more.snoops ? abi.MORE_SNOOPS : 0) | (more.keepsRoot ? abi.MORE_KEEPS : 0),
      });
      this.cached(`devices[${index}].atc`, p + layout.DEVICE_MORE.size, more.atc.sets.flat());
    }
  }

  private entry(path: string, index: number, p: number, tag: bigint, frame: number, gen: number) {
    this.long(`${path}.tag`, index, p, tag);
    this.word(`${path}.frame`, index, p + 8, frame);
    this.word(`${path}.gen`, index, p + 12, gen);
  }

  private cached(path: string, base: number, entries: readonly (Cached | null)[]): void {
    entries.forEach((e, i) => {
      const p = base + i * layout.ENTRY.size;
      const dirty = e?.dirty === true ? abi.ENTRY_DIRTY : 0;
      const soft = dirty | (e?.old === true ? abi.ENTRY_OLD : 0);
      this.entry(path, i, p, e ? entryTag(e) : 0n, e?.frame ?? 0, ((e?.gen ?? 0) | soft) >>> 0);
    });
  }

  private caches(): void {
    const { core, model } = this;
    const g = model.geometry;
    const bytes = layout.ENTRY.size;
    const tlb = core.at(abi.H_OFF_TLB);
    const iotlb = core.at(abi.H_OFF_IOTLB);
    for (const { index, tlb: cache } of model.cpus) {
      this.cached(
        `cpus[${index}].tlb`,
        tlb + index * core.header[abi.H_TLB_STRIDE],
        cache.sets.flat(),
      );
    }
    for (const { index, cache } of model.devices) {
      const base = iotlb + index * g.iotlbSets * g.iotlbWays * bytes;
      this.cached(`devices[${index}].iotlb`, base, cache.sets.flat());
    }
    [...model.cpus, ...model.devices].forEach(({ pwc }, actor) => {
      const base = core.at(abi.H_OFF_PWC) + actor * g.pwcEntries * bytes;
      pwc.entries.forEach((e, i) => {
        const tag = e ? walkTag(e) : 0n;
        this.entry(`actors[${actor}].pwc`, i, base + i * bytes, tag, e?.table ?? 0, e?.gen ?? 0);
      });
    });
  }

  private frames(): void {
    const { core, model } = this;
    const next = new Map(model.freeFrames.map((pfn, i) => [pfn, id(model.freeFrames[i - 1])]));
    for (const list of model.deferredFrames) {
      list.forEach((pfn, i) => next.set(pfn, id(list[i + 1])));
    }
    model.frames.forEach((frame, pfn) => {
      const p = core.frame(pfn);
      const { rmap } = frame;
      this.word("frames.gen", pfn, p, frame.gen);
      this.word("frames.next", pfn, p + 4, next.get(pfn) ?? 0);
      this.word("frames.refs", pfn, p + 8, frame.refs);
      this.word("frames.value", pfn, p + 12, frame.value);
      this.long("frames.rmap", pfn, p + 16, rmap ? rmap.vpn | (BigInt(rmap.mm + 1) << 52n) : 0n);
    });
  }

  private tables(): void {
    const { core, model } = this;
    const next = new Map(model.freeTables.map((t, i) => [t, id(model.freeTables[i - 1])]));
    for (const c of model.contexts) {
      c?.gather.tables.forEach((t, i) => next.set(t.id, id(c.gather.tables[i - 1]?.id)));
    }
    for (const table of model.tables) {
      const p = core.table(table.id);
      this.row("tables", table.id, layout.TABLE, p, {
        gen: table.gen,
        next: next.get(table.id) ?? 0,
        lock: id(table.lock?.index),
        live: table.entries.filter((pte) => pte !== null).length,
        level: table.level,
        parent: id(table.parent?.id),
      });
      const entries = p + layout.TABLE.size;
      table.entries.forEach((pte, i) => {
        this.long(`tables[${table.id}].entries`, i, entries + i * 8, pteWord(pte));
      });
    }
  }

  private watched(): void {
    const { core, model } = this;
    const n = model.watched.length;
    const base = core.at(abi.H_OFF_WATCH);
    const byte = (path: string, at: number, want: number): void => {
      const got = core.u8[base + at];
      if (got !== want) this.differ(path, got, want);
    };
    model.watched.forEach(({ version, at }, k) => {
      byte(`watched[${k}].version`, k * (1 + n), version);
      at.forEach((v, j) => byte(`watched[${k}].at[${j}]`, k * (1 + n) + 1 + j, v));
    });
    model.floors.forEach((floor, actor) => {
      floor.forEach((v, k) => byte(`floors[${actor}][${k}]`, n * (1 + n) + actor * n + k, v));
    });
  }

  /** Costs and times are the timed driver's. */
  private counters(): void {
    this.model.counters.forEach((row, actor) => {
      row.forEach((n, counter) => {
        if (counter === abi.CT_LATENCY_NS) return;
        const base = this.core.at(abi.H_OFF_COUNTER) + (actor * abi.CT_WORDS + counter) * 8;
        this.word(`counters[${actor}]`, counter, base, n);
      });
    });
  }

  first(): Difference | null {
    try {
      this.sys();
      this.model.contexts.forEach((c, i) => this.context(i, c));
      this.batches();
      for (const cpu of this.model.cpus) this.cpu(cpu);
      this.csds();
      this.mms();
      this.policies();
      this.devices();
      this.moreOfDevices();
      this.caches();
      this.frames();
      this.tables();
      this.watched();
      this.counters();
      return null;
    } catch (error) {
      if (error instanceof Found) return error.difference;
      throw error;
    }
  }
}

/** A comparer for one pair of machines; `null` means that they agree in everything. */
export function comparer(core: Core, model: Model): () => Difference | null {
  const comparison = new Comparison(core, model);
  return () => comparison.first();
}
