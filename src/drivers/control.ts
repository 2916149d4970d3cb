/**
 * The control block: how worker threads and their driver signal, in the machine's own memory,
 * behind its block. Every access is atomic.
 *
 *   line 0           stop flag (driver writes), number of workers
 *   line 1 + worker  beat, steps, busy, asleep (the worker writes), bell (its peers write)
 *
 * A line is 64 bytes, so that two workers never share a cache line.
 */

const LINE_WORDS = 16;
const STOP = 0;
const WORKERS = 1;

/** Words of a worker's line. */
export const BEAT = 0; // + 1 per turn of its loop, also while it has nothing to do
export const STEPS = 1; // micro-op steps taken, modulo 2^32
export const BUSY = 2; // its CPUs that have something to do
export const ASLEEP = 3; // 1 while it waits for its bell
export const BELL = 4; // + 1 when there may be work for it

/** Bytes a machine needs behind its block for `workers` threads. */
export function controlBytes(workers: number): number {
  return (1 + workers) * LINE_WORDS * 4;
}

/** Typed access to a control block, from either side. */
export class Control {
  private readonly words: Int32Array;

  constructor(buffer: ArrayBufferLike, address: number, workers: number) {
    this.words = new Int32Array(buffer, address, (1 + workers) * LINE_WORDS);
  }

  private at(worker: number, word: number): number {
    return (1 + worker) * LINE_WORDS + word;
  }

  /** Before a run: nobody stops, everybody counts as busy until it has looked for itself. */
  reset(workers: number): void {
    this.words.fill(0);
    Atomics.store(this.words, WORKERS, workers);
    for (let worker = 0; worker < workers; worker++) this.set(worker, BUSY, 1);
  }

  get workers(): number {
    return Atomics.load(this.words, WORKERS);
  }

  get stopped(): boolean {
    return Atomics.load(this.words, STOP) !== 0;
  }

  /** Every worker leaves its loop at the next slice boundary. */
  stop(): void {
    Atomics.store(this.words, STOP, 1);
    this.ringSleepers(-1);
  }

  get(worker: number, word: number): number {
    return Atomics.load(this.words, this.at(worker, word));
  }

  set(worker: number, word: number, value: number): void {
    Atomics.store(this.words, this.at(worker, word), value);
  }

  beat(worker: number): void {
    Atomics.add(this.words, this.at(worker, BEAT), 1);
  }

  /** Is there a worker whose CPUs have something to do? */
  get anyBusy(): boolean {
    for (let worker = 0; worker < this.workers; worker++) {
      if (this.get(worker, BUSY) !== 0) return true;
    }
    return false;
  }

  /** Wakes the workers that sleep, but `self`. */
  ringSleepers(self: number): void {
    for (let worker = 0; worker < this.workers; worker++) {
      if (worker === self || this.get(worker, ASLEEP) === 0) continue;
      Atomics.add(this.words, this.at(worker, BELL), 1);
      Atomics.notify(this.words, this.at(worker, BELL));
    }
  }

  /**
   * Sleeps until the bell rings, at most `sliceMs`. `recheck` looks for work once more after
   * everybody can see that this worker sleeps: work that arrives later rings the bell, work that
   * arrived before is found by it. Without it, a peer that looked at ASLEEP just before it was set
   * would leave its work unannounced.
   */
  sleep(worker: number, sliceMs: number, recheck: () => boolean): void {
    const bell = this.get(worker, BELL);
    this.set(worker, ASLEEP, 1);
    if (!recheck()) Atomics.wait(this.words, this.at(worker, BELL), bell, sliceMs);
    this.set(worker, ASLEEP, 0);
  }
}
