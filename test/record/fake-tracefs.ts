import type { Tracefs } from "../../src/record/tracefs.js";

const failure = (code: string): Error => Object.assign(new Error(code), { code });

/** What the fake kernel has and does. */
export interface FakeOptions {
  /** Events by `subsystem/name`. */
  readonly events?: readonly string[];
  /** Text of the instance's `trace` file. */
  readonly trace?: string;
  /** Text of each CPU's stats. */
  readonly stats?: readonly string[];
  /** Error code by path behind the instance, or `instances` for making one. */
  readonly refuse?: Readonly<Record<string, string>>;
  /** How often the instance cannot be removed yet. */
  readonly busy?: number;
}

/** A kernel's tracing files in memory: an instance comes with its files, as in the real one. */
export class FakeTracefs implements Tracefs {
  readonly root = "/fake";
  /** Everything that was written, in order: `path = text`. */
  readonly writes: string[] = [];
  /** Instances that exist. */
  readonly instances = new Set<string>();
  closed = false;
  private busy: number;

  constructor(private readonly options: FakeOptions = {}) {
    this.busy = options.busy ?? 0;
  }

  private file(path: string): string | undefined {
    const [, , ...rest] = path.split("/");
    const name = rest.join("/");
    const found = this.options.stats?.find((_, cpu) => name === `per_cpu/cpu${cpu}/stats`);
    if (found !== undefined) return found;
    const event = /^events\/([^/]+\/[^/]+)(\/(enable|filter))?$/.exec(name);
    if (event !== null) return this.options.events?.includes(event[1]) ? "0" : undefined;
    const plain = /^(tracing_on|trace_clock|buffer_size_kb|set_event_pid|options\/[a-z-]+)$/;
    return plain.test(name) ? "" : undefined;
  }

  private instanceOf(path: string): string {
    return path.split("/").slice(0, 2).join("/");
  }

  async read(path: string): Promise<string> {
    const text = this.file(path);
    if (text === undefined) throw failure("ENOENT");
    return text;
  }

  async write(path: string, text: string): Promise<void> {
    const instance = this.instanceOf(path);
    const code = this.options.refuse?.[path.slice(instance.length + 1)];
    if (code !== undefined) throw failure(code);
    if (!this.instances.has(instance) || this.file(path) === undefined) throw failure("ENOENT");
    this.writes.push(`${path.slice(instance.length + 1)} = ${text}`);
  }

  async exists(path: string): Promise<boolean> {
    return this.instances.has(this.instanceOf(path)) && this.file(path) !== undefined;
  }

  async makeDir(path: string): Promise<void> {
    const code = this.options.refuse?.["instances"];
    if (code !== undefined) throw failure(code);
    this.instances.add(path);
  }

  async removeDir(path: string): Promise<void> {
    if (this.busy-- > 0) throw failure("EBUSY");
    if (!this.instances.delete(path)) throw failure("ENOENT");
  }

  async *stream(): AsyncGenerator<Uint8Array> {
    const code = this.options.refuse?.["trace"];
    if (code !== undefined) throw failure(code);
    const bytes = new TextEncoder().encode(this.options.trace ?? "");
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
