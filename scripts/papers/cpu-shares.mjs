// Who runs where: the readers of a node and its kswapd share the node's CPUs, as CFS of Linux 4.0
// would have them, and what that does to the mm that a CPU keeps. A CPU that has nothing to do, or
// runs kswapd, keeps the mm of its last reader, lazily.

/** sysctl_sched_latency and its kind, ns; the kernel scales them by 1 + log2(CPUs), at most 4. */
const LATENCY_NS = 6e6;
const MIN_GRANULARITY_NS = 0.75e6;
const WAKEUP_GRANULARITY_NS = 1e6;
/** How long a CPU without work does not look, ns. */
const LOOK_NS = 10_000;

/** The kernel's own scaling of its tunables. */
function factor(cpus) {
  return 1 + Math.floor(Math.log2(Math.min(cpus, 8)));
}

export class CpuShares {
  #queues;
  #cpus;
  #readers = [];
  #kswapds = [];

  /**
   * @param memory - what the tasks do
   * @param shares.awake - part of its time in which a reader runs, at most; a sleep takes at least
   *   `sleepNs`
   * @param shares.cost - ns that a step of a task takes, about
   * @param shares.scale - time slices are shorter than real ones by this, as the lists are
   * @param now - time of a CPU, ns
   */
  constructor(memory, { awake, sleepNs, scale, cost }, random, now) {
    const { cpus, nodes } = memory.facts;
    const each = factor(cpus) / scale;
    this.latency = LATENCY_NS * each;
    this.granularity = MIN_GRANULARITY_NS * each;
    this.wakeup = WAKEUP_GRANULARITY_NS * each;
    this.sleepNs = sleepNs;
    this.awake = awake;
    this.memory = memory;
    this.cost = cost;
    this.now = now;
    this.#cpus = Array.from({ length: cpus }, () => ({
      task: null,
      since: 0,
      mm: null,
      isLazy: false,
    }));
    this.#queues = Array.from({ length: nodes }, () => []);
    memory.isElsewhere = (owner, node, by) => this.#isElsewhere(owner, node, by);
    this.sleepers = Array.from({ length: nodes }, () => []);
    for (let reader = 0; reader < cpus; reader++) {
      const steps = memory.reader(reader, random);
      const since = -random.below(sleepNs);
      this.#readers.push({ reader, steps, last: reader, ran: 0, used: 0, since });
      this.#queues[memory.nodeOf(reader)].push(this.#readers[reader]);
    }
    for (let node = 0; node < nodes; node++) {
      const task = {
        reader: null,
        steps: memory.kswapd(node),
        last: -1,
        ran: 0,
        used: 0,
        since: 0,
      };
      this.#kswapds.push(task);
      this.sleepers[node].push({ task, until: null });
    }
  }

  #isElsewhere(owner, node, by) {
    const cpu = (by === null ? this.#kswapds[node] : this.#readers[by]).last;
    return this.#cpus.some(({ mm }, other) => other !== cpu && mm === owner);
  }

  get loaded() {
    return this.#cpus.map(({ mm, isLazy }) => ({ mm, isLazy }));
  }

  #least(node) {
    let least = Infinity;
    for (const { ran } of this.#queues[node]) least = Math.min(least, ran);
    for (let cpu = 0; cpu < this.#cpus.length; cpu++) {
      const { task } = this.#cpus[cpu];
      if (task !== null && this.memory.nodeOf(cpu) === node) least = Math.min(least, task.ran);
    }
    return least === Infinity ? 0 : least;
  }

  /** Whose sleep is over: with at most half a latency in hand, so that it runs soon. */
  #wake(node, now) {
    const asleep = this.sleepers[node];
    for (let i = asleep.length - 1; i >= 0; i--) {
      const { task, until } = asleep[i];
      const isDue = until === null ? this.memory.zones[node].isAwake : until <= now;
      if (!isDue) continue;
      asleep.splice(i, 1);
      task.ran = Math.max(task.ran, this.#least(node) - this.latency / 2);
      this.#queues[node].push(task);
    }
  }

  /** The task that has run least; one whose own CPU is free is left to that. */
  #best(node, cpu) {
    let best = null;
    for (const task of this.#queues[node]) {
      const elsewhere = task.last !== cpu && task.last >= 0 && this.#cpus[task.last].task === null;
      if (elsewhere && this.#cpus[cpu].task === null) continue;
      if (best === null || task.ran < best.ran) best = task;
    }
    return best;
  }

  #take(node, cpu, task, now) {
    const queue = this.#queues[node];
    queue.splice(queue.indexOf(task), 1);
    Object.assign(this.#cpus[cpu], { task, since: now });
    task.last = cpu;
  }

  /** What a CPU does, for ever: steps of its tasks, and the switches between them. */
  *cpu(cpu) {
    const node = this.memory.nodeOf(cpu);
    const own = this.#cpus[cpu];
    for (;;) {
      const now = this.now(cpu);
      this.#wake(node, now);
      const { task } = own;
      const next = this.#best(node, cpu);
      if (task !== null && next !== null) {
        const isOver = now - own.since >= this.granularity && next.ran < task.ran;
        if (!isOver && next.ran + this.wakeup >= task.ran) {
          yield* this.#step(node, cpu, now);
          continue;
        }
        this.#queues[node].push(task);
        own.task = null;
      }
      if (own.task === null && next === null) {
        yield* this.#keep(own);
        yield { kind: "nap", ns: LOOK_NS };
        continue;
      }
      if (own.task === null) {
        this.#take(node, cpu, next, now);
        yield* this.#load(own, next);
      }
      yield* this.#step(node, cpu, now);
    }
  }

  *#load(own, { reader }) {
    if (reader === null) {
      yield* this.#keep(own);
    } else {
      yield { kind: "switch", from: own.mm === reader ? null : own.mm, to: reader };
      own.mm = reader;
      own.isLazy = false;
    }
  }

  /** enter_lazy_tlb. */
  *#keep(own) {
    if (own.isLazy || own.mm === null) return;
    own.isLazy = true;
    yield { kind: "lazy" };
  }

  *#step(node, cpu, now) {
    const own = this.#cpus[cpu];
    const { task } = own;
    const step = task.steps.next().value;
    if (step.kind === "nap" && task.reader === null) {
      this.sleepers[node].push({ task, until: null });
      own.task = null;
      return;
    }
    task.ran += this.cost(step);
    yield step;
    const after = this.now(cpu);
    task.used += after - now;
    const until = task.since + task.used / this.awake;
    if (task.reader === null || step.kind !== "touch" || until < after + this.sleepNs) return;
    this.sleepers[node].push({ task, until });
    own.task = null;
  }
}
