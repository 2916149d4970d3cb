/**
 * Keeps of a recording of the whole machine what concerns one program: lines of its threads, of the
 * idle task and of kernel threads, as tracing them alone would, and every context switch. On a busy
 * machine that matters: who else has run on a CPU decides whether a thread that comes back there
 * finds its ASID slot taken.
 */

const LINE = /^ *.*-(\d+) +(?:\([^)]*\) +)?\[(\d+)\] +\S+ +\d+\.\d+: (\w+)[:( ](.*)$/;
const NEXT = /next_pid=(\d+) next_prio=/;
const FORK = / pid=(\d+) child_comm=.* child_pid=(\d+)$/;
/** Parent of all kernel threads. */
const KTHREADD = 2;

/** Chooses lines; what it has seen so far decides about the next. */
export class TreeFilter {
  private readonly ours: Set<number>;
  /** Whether the CPU has switched to one of ours. */
  private readonly entered: boolean[] = [];

  /**
   * @param root - the program's first thread
   * @param kernel - the idle task and all kernel threads
   */
  constructor(root: number, kernel: readonly number[]) {
    this.ours = new Set([root, KTHREADD, ...kernel]);
  }

  /** Does this line belong to the recording? */
  keeps(line: string): boolean {
    const parts = LINE.exec(line);
    if (parts === null) return true;
    const [, tid, cpu, event, text] = parts;
    if (event === "sched_switch") {
      const next = NEXT.exec(text);
      this.entered[Number(cpu)] = next !== null && this.ours.has(Number(next[1]));
      return true;
    }
    if (event === "sched_process_fork") {
      const fork = FORK.exec(text);
      if (fork !== null && this.ours.has(Number(fork[1]))) this.ours.add(Number(fork[2]));
    }
    // A switch is traced while the task that leaves is still the current one.
    const isSwitch = event === "tlb_flush" && text.endsWith("(0)");
    return isSwitch ? this.entered[Number(cpu)] === true : this.ours.has(Number(tid));
  }
}

/** The chosen lines of a text that comes in pieces. */
export async function* chosen(
  text: AsyncIterable<Uint8Array>,
  filter: TreeFilter,
): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder("latin1");
  let rest = "";
  for await (const chunk of text) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    const kept = lines.filter((line) => filter.keeps(line));
    if (kept.length > 0) yield Buffer.from(kept.join("\n") + "\n", "latin1");
  }
  if (rest !== "" && filter.keeps(rest)) yield Buffer.from(rest, "latin1");
}
