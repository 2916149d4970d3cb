/**
 * Finds, compiles and instantiates the core. No `node:` import: Node, Deno and Bun are reached
 * through `process.getBuiltinModule`, so that browser bundlers have nothing to resolve.
 */
import { ShootdownError } from "../errors.js";
import { ABI_VERSION } from "./abi.js";
import type { CoreExports } from "./exports.js";

/** Where the core's bytes come from when the default place does not suit. */
export type WasmSource = URL | string | Uint8Array<ArrayBuffer> | ArrayBuffer | WebAssembly.Module;

const WASM_PAGE = 65_536;
/** Memory maximum the module declares, in pages. */
const MODULE_MAX_PAGES = 65_536;

let shared: Promise<WebAssembly.Module> | undefined;
let tracked: Promise<WebAssembly.Module> | undefined;

interface ProcessLike {
  getBuiltinModule?: (name: string) => unknown;
}

async function readUrl(url: URL): Promise<BufferSource> {
  if (url.protocol === "file:") {
    const host = (globalThis as { process?: ProcessLike }).process;
    const fs = host?.getBuiltinModule?.("node:fs/promises") as
      { readFile(path: URL): Promise<Uint8Array<ArrayBuffer>> } | undefined;
    if (fs) return fs.readFile(url);
  }
  const response = await fetch(url);
  if (!response.ok) {
    throw new ShootdownError("E_IO", `cannot load ${url.href}: HTTP ${response.status}`, {
      url: url.href,
      status: response.status,
    });
  }
  return response.arrayBuffer();
}

async function compile(source: WasmSource | undefined): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  const isBytes = source instanceof ArrayBuffer || source instanceof Uint8Array;
  const url = isBytes
    ? undefined
    : source === undefined
      ? new URL("./core.wasm", import.meta.url)
      : new URL(source, "file:///");
  const bytes = isBytes ? source : await readUrl(url as URL);
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    const what = url === undefined ? "wasm" : url.href;
    throw new ShootdownError("E_CORRUPT", `${what} is no WebAssembly module`, {}, { cause });
  }
}

/** The compiled module; the default one is compiled once per process. */
export function loadModule(source?: WasmSource): Promise<WebAssembly.Module> {
  if (source !== undefined) return compile(source);
  shared ??= compile(undefined);
  return shared;
}

/** The tracked build of the core, which reduced searches run; compiled once per process. */
export function loadTracked(): Promise<WebAssembly.Module> {
  tracked ??= readUrl(new URL("./core.tracked.wasm", import.meta.url)).then((bytes) =>
    WebAssembly.compile(bytes),
  );
  return tracked;
}

/**
 * Memory of exactly `bytes`, which never grows: views stay valid, and running out is impossible
 * after creation.
 * @throws ShootdownError E_NOMEM when the host refuses.
 */
export function createMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.max(16, Math.ceil(bytes / WASM_PAGE));
  if (pages > MODULE_MAX_PAGES) {
    throw new ShootdownError(
      "E_NOMEM",
      `the machine needs ${Math.ceil(bytes / 2 ** 20)} MiB, the limit is 4096 MiB`,
      { bytes, limit: MODULE_MAX_PAGES * WASM_PAGE },
    );
  }
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    const message = `cannot allocate ${Math.ceil(bytes / 2 ** 20)} MiB`;
    throw new ShootdownError("E_NOMEM", message, { bytes }, { cause });
  }
}

/** One instance over one memory. Instances over the same memory share all state. */
export async function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Promise<CoreExports> {
  let instance: WebAssembly.Instance | undefined;
  try {
    instance = await WebAssembly.instantiate(module, { env: { memory } });
  } catch (cause) {
    if (!(cause instanceof WebAssembly.LinkError)) throw cause;
  }
  const exports = (instance?.exports ?? {}) as unknown as Partial<CoreExports>;
  if (exports.abiVersion?.() !== ABI_VERSION) {
    throw new ShootdownError("E_VERSION", "the WebAssembly module is not this package's core", {
      expected: ABI_VERSION,
    });
  }
  return exports as CoreExports;
}
