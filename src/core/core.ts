/**
 * One machine's block with typed access to its rows. The only place that reads or writes raw
 * memory; it knows offsets and statuses, no domain words.
 */
import * as abi from "./abi.js";
import { planBlock } from "./block.js";
import type { CoreExports } from "./exports.js";
import type { Geometry } from "./geometry.js";
import * as layout from "./layout.js";
import { createMemory, instantiate, loadModule, type WasmSource } from "./loader.js";

/** Where the machine's block starts: 0 stays a null address. */
export const BASE = 1024;

/** What a core is made from. */
export interface CoreOptions {
  readonly geometry: Geometry;
  /** OPT_* bits. */
  readonly options: number;
  /** ROW_* bits. */
  readonly rows?: number;
  /** Instructions, two u32 words each, as the assembler emits them. */
  readonly code: Uint32Array;
  /** Entry of the call-function handler. */
  readonly handlerPc: number;
  /** ns by micro-op and COST_*, COST_WORDS long. */
  readonly costs: Uint32Array;
  /** Bytes wanted behind the block (the explorer's tables). */
  readonly extraBytes?: number;
  readonly wasm?: WasmSource;
}

type RowOf = layout.Row<string>;

/** Typed access to the block. All offsets are fixed at creation; memory never grows. */
export class Core {
  readonly memory: WebAssembly.Memory;
  readonly module: WebAssembly.Module;
  readonly x: CoreExports;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly header: Uint32Array;
  readonly geometry: Geometry;

  private constructor(
    memory: WebAssembly.Memory,
    module: WebAssembly.Module,
    exports: CoreExports,
    geometry: Geometry,
  ) {
    this.memory = memory;
    this.module = module;
    this.x = exports;
    this.geometry = geometry;
    this.u8 = new Uint8Array(memory.buffer);
    this.u16 = new Uint16Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
    this.f64 = new Float64Array(memory.buffer);
    this.header = new Uint32Array(memory.buffer, BASE, abi.H_WORDS);
  }

  /** Allocates, writes header, code and costs, and initialises the pools. */
  static async create(from: CoreOptions): Promise<Core> {
    const plan = planBlock(from.geometry, from.options, from.code.length / 2, from.rows);
    const bytes = BASE + (plan[abi.H_TOTAL_BYTES] ?? 0) + (from.extraBytes ?? 0) + 4096;
    const memory = createMemory(bytes);
    const module = await loadModule(from.wasm);
    const exports = await instantiate(module, memory);
    const core = new Core(memory, module, exports, from.geometry);
    plan[abi.H_HANDLER_PC] = from.handlerPc;
    core.header.set(plan);
    core.u32.set(from.code, core.at(abi.H_OFF_CODE) >> 2);
    core.u32.set(from.costs, core.at(abi.H_OFF_COST) >> 2);
    exports.machineInit(BASE);
    return core;
  }

  /** Attaches to a memory that another thread created. */
  static async attach(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    geometry: Geometry,
  ): Promise<Core> {
    return new Core(memory, module, await instantiate(module, memory), geometry);
  }

  /** Absolute address of a header offset. */
  at(word: number): number {
    return BASE + this.header[word];
  }

  /** First byte behind the block. */
  get end(): number {
    return Math.ceil(this.at(abi.H_TOTAL_BYTES) / 64) * 64;
  }

  /** A field of a row at an absolute address, as a number (u64 exact below 2^53). */
  read<K extends string>(row: layout.Row<K>, address: number, name: K): number {
    const { offset, size } = row.fields[name];
    const p = address + offset;
    if (size === 1) return this.u8[p];
    if (size === 2) return this.u16[p >> 1];
    if (size === 4) return this.u32[p >> 2];
    return this.readU64(p);
  }

  write<K extends string>(row: layout.Row<K>, address: number, name: K, value: number): void {
    const { offset, size } = row.fields[name];
    const p = address + offset;
    if (size === 1) this.u8[p] = value;
    else if (size === 2) this.u16[p >> 1] = value;
    else if (size === 4) this.u32[p >> 2] = value;
    else this.writeU64(p, value);
  }

  /** All-ones reads as Infinity: "everything" in ranges and page counts. */
  readU64(address: number): number {
    const low = this.u32[address >> 2];
    const high = this.u32[(address >> 2) + 1];
    if (low === 0xffffffff && high === 0xffffffff) return Infinity;
    return high * 2 ** 32 + low;
  }

  writeU64(address: number, value: number): void {
    if (value === Infinity) {
      this.u32[address >> 2] = 0xffffffff;
      this.u32[(address >> 2) + 1] = 0xffffffff;
      return;
    }
    this.u32[address >> 2] = value % 2 ** 32;
    this.u32[(address >> 2) + 1] = Math.floor(value / 2 ** 32);
  }

  private rowAt(word: number, row: RowOf, index: number, stride = row.size): number {
    return this.at(word) + index * stride;
  }

  get sys(): number {
    return this.at(abi.H_OFF_SYS);
  }

  ctx(index: number): number {
    return this.rowAt(abi.H_OFF_CTX, layout.CTX, index);
  }

  cpu(index: number): number {
    return this.rowAt(abi.H_OFF_CPU, layout.CPU, index, this.header[abi.H_CPU_STRIDE]);
  }

  task(index: number): number {
    return this.rowAt(abi.H_OFF_TASK, layout.TASK, index);
  }

  mm(index: number): number {
    return this.rowAt(abi.H_OFF_MM, layout.MM, index);
  }

  device(index: number): number {
    return this.rowAt(abi.H_OFF_DEV, layout.DEVICE, index);
  }

  /** ROW_DEVICES: what a device has beyond its row. */
  deviceMore(index: number): number {
    const entries = this.geometry.iotlbSets * this.geometry.iotlbWays;
    const stride = layout.DEVICE_MORE.size + entries * layout.ENTRY.size;
    return this.rowAt(abi.H_OFF_DEVICES, layout.DEVICE_MORE, index, stride);
  }

  frame(index: number): number {
    return this.rowAt(abi.H_OFF_FRAME, layout.FRAME, index);
  }

  table(index: number): number {
    return this.rowAt(abi.H_OFF_TABLE, layout.TABLE, index, this.header[abi.H_TABLE_STRIDE]);
  }

  clock(actor: number): number {
    return this.rowAt(abi.H_OFF_CLOCK, layout.CLOCK, actor);
  }

  counter(actor: number, index: number): number {
    return this.readU64(this.at(abi.H_OFF_COUNTER) + (actor * abi.CT_WORDS + index) * 8);
  }

  /** Sum of a counter over all actors. */
  total(index: number): number {
    let sum = 0;
    for (let actor = 0; actor < this.header[abi.H_ACTORS]; actor++) {
      sum += this.counter(actor, index);
    }
    return sum;
  }

  /** How many bytes are explored. */
  get stateBytes(): number {
    return this.at(abi.H_STATE_END) - this.at(abi.H_STATE_START);
  }

  /** A copy of the explored bytes. */
  saveState(): Uint8Array {
    this.x.machineSave(BASE);
    return this.u8.slice(this.at(abi.H_STATE_START), this.at(abi.H_STATE_END));
  }

  /** Brings the machine back to what it was. */
  restoreState(state: Uint8Array): void {
    this.u8.set(state, this.at(abi.H_STATE_START));
    this.x.machineRestore(BASE);
  }

  /** Where the interval tree of an mm's VMAs is. */
  vmaTree(mm: number): number {
    return this.at(abi.H_OFF_VMA_TREE) + mm * this.header[abi.H_VMA_STRIDE] + 64;
  }

  /** The first VMA of an mm that ends after `vpn`, or null. */
  vmaNext(mm: number, vpn: number): { start: number; end: number; prot: number } | null {
    const scratch = BASE - 512;
    if (this.x.machineVmaNext(BASE, mm, vpn, scratch) === 0) return null;
    const at = scratch >> 3;
    return { start: this.f64[at], end: this.f64[at + 1], prot: this.f64[at + 2] };
  }
}
