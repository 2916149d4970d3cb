/**
 * Notices what no event tells: a worker that hangs, and workers that all wait for each other.
 *
 * Time is counted in polls, not read from a clock: when the whole process was suspended, or the
 * polling thread itself starved, no worker is accused for it.
 */
import { BEAT, BUSY, type Control, STEPS } from "./control.js";

const POLL_MS = 40;

/** What it noticed. */
export type Stuck =
  | { readonly kind: "frozen"; readonly worker: number }
  | { readonly kind: "deadlock"; readonly workers: readonly number[] };

/** Watches one run. */
export class Watchdog {
  private readonly beats: number[];
  private readonly still: number[];
  private progress = "";
  private idlePolls = 0;
  private timer: ReturnType<typeof setInterval> | undefined;
  /** Settles only when something is wrong. */
  readonly verdict: Promise<Stuck>;
  private resolve: (stuck: Stuck) => void = () => undefined;

  /**
   * @param finished - has this worker's run returned?
   * @param stuckMs - silence that counts as stuck
   */
  constructor(
    private readonly control: Control,
    private readonly workers: number,
    private readonly finished: (worker: number) => boolean,
    stuckMs: number,
  ) {
    this.beats = new Array<number>(workers).fill(-1);
    this.still = new Array<number>(workers).fill(0);
    this.verdict = new Promise((resolve) => (this.resolve = resolve));
    const polls = Math.ceil(stuckMs / POLL_MS);
    this.timer = setInterval(() => this.poll(polls), POLL_MS);
  }

  private poll(polls: number): void {
    let progress = "";
    const busy: number[] = [];
    for (let worker = 0; worker < this.workers; worker++) {
      const beat = this.control.get(worker, BEAT);
      const silent = beat === this.beats[worker] && !this.finished(worker);
      this.still[worker] = silent ? this.still[worker] + 1 : 0;
      this.beats[worker] = beat;
      if (this.still[worker] >= polls) this.report({ kind: "frozen", worker });
      progress += `${this.control.get(worker, STEPS)} `;
      if (this.control.get(worker, BUSY) !== 0) busy.push(worker);
    }
    this.idlePolls = progress === this.progress ? this.idlePolls + 1 : 0;
    this.progress = progress;
    if (this.idlePolls >= polls) this.report({ kind: "deadlock", workers: busy });
  }

  private report(stuck: Stuck): void {
    this.end();
    this.resolve(stuck);
  }

  /** Stops watching. Idempotent. */
  end(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
