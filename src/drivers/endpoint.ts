/**
 * Threads and Comlink endpoints on every host. Node, Deno and Bun are reached through
 * `process.getBuiltinModule`: no `node:` import, so browser bundlers have nothing to resolve.
 */
import type { Endpoint } from "comlink";
import { ShootdownError } from "../errors.js";

type Listener = (message: unknown) => void;

/** What `node:worker_threads` gives both sides. */
interface NodePort {
  postMessage(message: unknown, transfer?: readonly unknown[]): void;
  on(event: "message", listener: Listener): unknown;
  off(event: "message", listener: Listener): unknown;
}

interface NodeWorker extends NodePort {
  once(event: "error", listener: (error: Error) => void): unknown;
  once(event: "exit", listener: (code: number) => void): unknown;
  terminate(): Promise<unknown>;
  ref(): void;
  unref(): void;
}

interface NodeThreads {
  readonly parentPort: NodePort | null;
  readonly Worker: new (url: URL) => NodeWorker;
}

interface ProcessLike {
  getBuiltinModule?: (name: string) => unknown;
}

/** A module of the host, if it has modules. */
export function builtin<T>(name: string): T | undefined {
  const host = (globalThis as { process?: ProcessLike }).process;
  return host?.getBuiltinModule?.(name) as T | undefined;
}

/** Comlink speaks DOM events; a Node port emits bare messages. */
function nodeEndpoint(port: NodePort): Endpoint {
  const listeners = new Map<EventListenerOrEventListenerObject, Listener>();
  return {
    postMessage: (message: unknown, transfer?: Transferable[]) =>
      port.postMessage(message, transfer),
    addEventListener: (_type, listener) => {
      const forward = (data: unknown): void => {
        const event = { data } as MessageEvent;
        if (typeof listener === "function") listener(event);
        else listener.handleEvent(event);
      };
      listeners.set(listener, forward);
      port.on("message", forward);
    },
    removeEventListener: (_type, listener) => {
      const forward = listeners.get(listener);
      if (forward) port.off("message", forward);
      listeners.delete(listener);
    },
  };
}

/** One worker thread, seen from the thread that started it. */
export interface Thread {
  readonly endpoint: Endpoint;
  /** Why it ended, once it has: a Comlink call to a thread that is gone never settles by itself. */
  readonly lost: Promise<string>;
  /** Ends it at once, whatever it does. Idempotent. */
  terminate(): Promise<void>;
  /** Whether it keeps the process alive. */
  hold(alive: boolean): void;
}

function nodeThread(threads: NodeThreads): Thread {
  // A stray copy of the worker is all a bundler could make of this line.
  const url = new URL(/* webpackIgnore: true */ "./parallel-worker.js", import.meta.url);
  const worker = new threads.Worker(url);
  const lost = new Promise<string>((resolve) => {
    worker.once("error", (error) => resolve(`it failed: ${error.message}`));
    worker.once("exit", (code) => resolve(`it exited with code ${code}`));
  });
  return {
    endpoint: nodeEndpoint(worker),
    lost,
    terminate: async () => {
      await worker.terminate();
    },
    hold: (alive) => (alive ? worker.ref() : worker.unref()),
  };
}

function browserThread(): Thread {
  const worker = new Worker(new URL("./parallel-worker.js", import.meta.url), { type: "module" });
  let end: (reason: string) => void = () => undefined;
  const lost = new Promise<string>((resolve) => (end = resolve));
  worker.addEventListener("error", (event) => end(`it failed: ${event.message}`));
  return {
    endpoint: worker,
    lost,
    terminate: async () => {
      worker.terminate();
      end("it was terminated");
    },
    hold: () => undefined,
  };
}

/**
 * Starts a worker thread of the parallel driver.
 * @throws ShootdownError E_ENV where memory cannot be shared with threads.
 */
export function startThread(): Thread {
  const threads = builtin<NodeThreads>("node:worker_threads");
  if (threads) return nodeThread(threads);
  if (typeof Worker === "undefined" || globalThis.crossOriginIsolated === false) {
    throw new ShootdownError(
      "E_ENV",
      "threads need a cross-origin isolated page: serve it with the headers " +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp",
    );
  }
  return browserThread();
}

/** Inside a worker thread: the way to whoever started it. */
export function parentEndpoint(): Endpoint {
  const threads = builtin<NodeThreads>("node:worker_threads");
  if (threads?.parentPort) return nodeEndpoint(threads.parentPort);
  return globalThis as unknown as Endpoint;
}

/** Threads that run at once on this host. */
export function hardwareThreads(): number {
  const os = builtin<{ availableParallelism(): number }>("node:os");
  if (os) return os.availableParallelism();
  return globalThis.navigator?.hardwareConcurrency ?? 2;
}
