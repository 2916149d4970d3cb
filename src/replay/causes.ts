/** Names of what caused a flush, and what was predicted for each. */
import type { TraceEvent } from "../traces/events.js";
import { type FlushCounts, noCounts } from "./flushes.js";

/** Names the causes that a {@link Replayer} gives its jobs, as long as they can occur. */
export class Causes {
  private readonly byName = new Map<string, FlushCounts>();
  /** Open system calls by their cause, which is the line of their entry. */
  private readonly names = new Map<string, string>();
  /** That line, by thread. */
  private readonly open = new Map<number, string>();

  /** An event is about to be replayed. */
  before(event: TraceEvent): void {
    if (event.kind !== "syscallEnter") return;
    this.close(event.tid);
    const cause = String(event.line);
    this.open.set(event.tid, cause);
    this.names.set(cause, event.call);
  }

  /** It was. */
  after(event: TraceEvent): void {
    if (event.kind === "syscallExit") this.close(event.tid);
    else if (event.kind === "schedProcessExit") this.close(event.taskTid);
  }

  private close(tid: number): void {
    const cause = this.open.get(tid);
    if (cause === undefined) return;
    this.open.delete(tid);
    this.names.delete(cause);
  }

  /** The counts of what `cause` stands for, to be added to. */
  counts(cause: string): FlushCounts {
    const name = this.nameOf(cause);
    let counts = this.byName.get(name);
    if (counts === undefined) {
      counts = noCounts();
      this.byName.set(name, counts);
    }
    return counts;
  }

  private nameOf(cause: string): string {
    if (cause.startsWith("sw")) return "switch";
    if (cause.startsWith("exit")) return "exit";
    return this.names.get(cause) ?? "fault";
  }

  /** Everything, by name. */
  all(): Record<string, FlushCounts> {
    return Object.fromEntries([...this.byName].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
