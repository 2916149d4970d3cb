/** Memory of one stand-alone structure: grows on demand up to a limit, never shrinks. */
import { CapacityError } from "../errors.js";
import type { CoreExports } from "./exports.js";
import { instantiate, loadModule, type WasmSource } from "./loader.js";

const WASM_PAGE = 65_536;
const PAGES_MOST = 65_536;

/** The structure's instance and views of its memory, which are made anew when it grows. */
export class StructureMemory {
  u8: Uint8Array;
  u32: Uint32Array;
  f64: Float64Array;

  private constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly module: WebAssembly.Module,
    readonly x: CoreExports,
    /** Most bytes it may grow to. */
    readonly mostBytes: number,
  ) {
    this.u8 = new Uint8Array(memory.buffer);
    this.u32 = new Uint32Array(memory.buffer);
    this.f64 = new Float64Array(memory.buffer);
  }

  /** @throws CapacityError E_NOMEM */
  static async create(
    bytes: number,
    mostBytes: number,
    source?: WasmSource,
  ): Promise<StructureMemory> {
    const module = await loadModule(source);
    const initial = Math.max(16, Math.ceil(bytes / WASM_PAGE));
    const maximum = Math.min(PAGES_MOST, Math.max(initial, Math.ceil(mostBytes / WASM_PAGE)));
    if (initial > PAGES_MOST) throw tooLarge(bytes, mostBytes);
    let memory: WebAssembly.Memory;
    try {
      memory = new WebAssembly.Memory({ initial, maximum, shared: true });
    } catch (cause) {
      throw tooLarge(bytes, mostBytes, cause);
    }
    return new StructureMemory(
      memory,
      module,
      await instantiate(module, memory),
      maximum * WASM_PAGE,
    );
  }

  /** Bytes there are. */
  get bytes(): number {
    return this.u8.length;
  }

  /**
   * Sees to it that there are at least `bytes`.
   * @throws CapacityError E_NOMEM, with nothing changed
   */
  ensure(bytes: number): void {
    if (bytes <= this.u8.length) return;
    if (bytes > this.mostBytes) throw tooLarge(bytes, this.mostBytes);
    const pages = Math.ceil((bytes - this.u8.length) / WASM_PAGE);
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw tooLarge(bytes, this.mostBytes, cause);
    }
    this.u8 = new Uint8Array(this.memory.buffer);
    this.u32 = new Uint32Array(this.memory.buffer);
    this.f64 = new Float64Array(this.memory.buffer);
  }

  /** Another memory with the bytes of this moment, whatever happens until it is there. */
  async copy(): Promise<StructureMemory> {
    const bytes = this.u8.slice();
    const other = await StructureMemory.create(bytes.length, this.mostBytes, this.module);
    other.u8.set(bytes);
    return other;
  }
}

function tooLarge(bytes: number, limit: number, cause?: unknown): CapacityError {
  const message = `needs ${bytes} bytes, the limit is ${limit}`;
  return new CapacityError("E_NOMEM", message, { bytes, limit }, { cause });
}
