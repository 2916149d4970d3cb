/**
 * One random history of interval subscribers, run on whatever has their interface. What it sees is
 * written to a log: two subjects that are the same to their callers write the same one. Callbacks
 * take part: they insert, take out, move and refuse.
 */
import {
  type Bracket,
  type IntervalOps,
  type MmuNotifiers,
  NOTIFIER_EVENTS,
  type PostedCalls,
  Random,
} from "../../src/index.js";

type Calls = "insert" | "has" | "remove" | "removeDeferred" | "update" | "replace" | "find";
type Reads = "tryReadBegin" | "setSeq" | "readRetry" | "rangeStart" | "rangeStartNonblock";

/** What both the product and its model have. */
export type Subject = Pick<MmuNotifiers, Calls | Reads | "rangeEnd" | "seq"> & {
  readonly posted: Pick<PostedCalls, "put" | "update" | "find">;
};

const OPEN_MOST = 4;

/** See the file comment. */
export class History {
  readonly log: string[] = [];
  private readonly random: Random;
  private readonly kinds: IntervalOps[];
  /** Number of each handle, in the order they were given out. */
  private readonly names = new Map<number, number>();
  private live: number[] = [];
  private open: Bracket[] = [];
  private depth = 0;
  private readonly span: number;

  constructor(
    private readonly subject: Subject,
    seed: bigint,
  ) {
    this.random = new Random(seed);
    this.span = [12, 60, 400][Number(seed % 3n)];
    this.kinds = [this.kind("a", false), this.kind("b", false), this.kind("c", true)];
  }

  private kind(name: string, twoPass: boolean): IntervalOps {
    const release = (handle: number) => this.note(`release ${name}${this.name(handle)}`);
    if (!twoPass) {
      const invalidate = (handle: number, range: Bracket, seq: number) => {
        this.note(`invalidate ${name}${this.name(handle)} ${range.event} ${seq}`);
        return this.inCallback(handle, seq);
      };
      return { invalidate, release };
    }
    const invalidateStart = (handle: number, range: Bracket, seq: number) => {
      this.note(`first ${name}${this.name(handle)} ${range.event} ${seq}`);
      if (!this.inCallback(handle, seq)) return false;
      if (this.random.below(3) === 0) return true;
      return () => this.note(`second ${name}${this.name(handle)}`);
    };
    return { invalidateStart, release };
  }

  private note(what: string): void {
    this.log.push(what);
  }

  private name(handle: number | undefined): string {
    return handle === undefined ? "none" : `#${this.names.get(handle) ?? "?"}`;
  }

  private inCallback(handle: number, seq: number): boolean {
    if (this.random.below(8) !== 0) this.subject.setSeq(handle, seq);
    this.depth++;
    if (this.depth === 1 && this.random.below(3) === 0) this.change();
    this.depth--;
    return this.random.below(10) !== 0;
  }

  private interval(): [number, number] {
    const start = this.random.below(this.span);
    return [start, start + this.random.below(1 + (this.span >> 2))];
  }

  private pick(): number | undefined {
    this.live = this.live.filter((handle) => this.subject.has(handle));
    return this.live[this.random.below(Math.max(1, this.live.length))];
  }

  private add(handle: number): void {
    this.names.set(handle, this.names.size);
    this.live.push(handle);
    this.note(`insert ${this.name(handle)} seq ${this.subject.seq}`);
  }

  /** What may be done anywhere, callbacks included. */
  private change(): void {
    const { subject, random } = this;
    const handle = this.pick();
    const what = random.below(10);
    if (handle === undefined || what < 4) {
      if (this.live.length > 40) return;
      this.add(subject.insert(...this.interval(), this.kinds[random.below(3)]));
    } else if (what < 6) {
      this.note(`removeDeferred ${this.name(handle)} ${subject.removeDeferred(handle)}`);
    } else if (what < 7) {
      const [start, last] = this.interval();
      this.note(`update ${this.name(handle)} ${subject.update(handle, start, last)}`);
    } else if (what < 8) {
      const parts = Array.from({ length: random.below(3) }, () => {
        const [start, last] = this.interval();
        return { start, last };
      });
      this.note(`replace ${this.name(handle)} by ${parts.length}`);
      for (const part of subject.replace(handle, parts)) this.add(part);
    } else if (what < 9) {
      const [start, last] = this.interval();
      this.note(`posted update ${subject.posted.update(handle, start, last)}`);
    } else {
      this.note(`posted put ${subject.posted.put(handle)}`);
    }
  }

  private look(): void {
    const { subject, random } = this;
    const [start, last] = this.interval();
    const ops = this.kinds[random.below(3)];
    this.note(`find ${this.name(subject.find(ops, start, last))}`);
    this.note(`posted find ${this.name(subject.posted.find(ops, start, last))}`);
    const handle = this.pick();
    if (handle === undefined) return;
    const stamp = subject.tryReadBegin(handle);
    this.note(`read ${this.name(handle)} ${stamp} ${subject.readRetry(handle, stamp ?? 0)}`);
  }

  private bracket(): void {
    const { subject, random } = this;
    if (this.open.length > 0 && (this.open.length === OPEN_MOST || random.below(2) === 0)) {
      const [bracket] = this.open.splice(random.below(this.open.length), 1);
      this.note(`end ${bracket.start}`);
      subject.rangeEnd(bracket);
      this.note(`seq ${subject.seq}`);
      return;
    }
    const [start, last] = this.interval();
    const options = { event: NOTIFIER_EVENTS[random.below(NOTIFIER_EVENTS.length)] };
    const sleeps = random.below(3) !== 0;
    this.note(`start ${start} to ${last}, ${sleeps ? "blockable" : "not"}`);
    const bracket = sleeps
      ? subject.rangeStart(start, last + 1, options)
      : subject.rangeStartNonblock(start, last + 1, options);
    this.note(bracket === undefined ? "refused" : "open");
    if (bracket !== undefined) this.open.push(bracket);
  }

  /** `n` steps, and then the end of every bracket. */
  run(n: number): void {
    for (let i = 0; i < n; i++) {
      const what = this.random.below(10);
      if (what < 4) this.bracket();
      else if (what < 7) this.change();
      else if (what < 9) this.look();
      else this.removeOne();
    }
    for (const bracket of this.open) this.subject.rangeEnd(bracket);
    this.open = [];
    this.note(
      `seq ${this.subject.seq}, ${this.live.filter((h) => this.subject.has(h)).length} left`,
    );
  }

  private removeOne(): void {
    const handle = this.pick();
    if (handle === undefined) return;
    this.note(`remove ${this.name(handle)} ${this.subject.remove(handle)}`);
  }
}
