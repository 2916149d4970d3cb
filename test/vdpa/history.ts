/** One long random history of a device, with the plain model beside it. */
import { expect } from "vitest";
import {
  Allocations,
  HostFrames,
  ModelParent,
  Random,
  UserMm,
  VDPA_ERAS,
  VDPA_PARENTS,
  type Outcome,
  type ParentOp,
  type VdpaEraName,
  VhostVdpa,
} from "../../src/index.js";
import { type Answer, type Area, type Entry, VdpaModel } from "./model.js";

const ERAS = Object.keys(VDPA_ERAS) as VdpaEraName[];
const OPS: readonly ParentOp[] = [
  "setMap",
  "dmaMap",
  "dmaUnmap",
  "resetMap",
  "reset",
  "compatReset",
];
const ERRNOS = ["ENOMEM", "EIO", "EINVAL"] as const;
/** Pages of the process. */
const FROM = 0x1000;
const MEMORY = 160;
/** Kinds of steps of a device's trace that the model does not tell. */
const OWN = new Set(["pin", "unpin", "add", "remove"]);
const MASKS = [0n, 0x2n, 0xen, 0x1en, 0x10en, 0x11en, 0x100n, 0x80n, 0x88n, 0x200n, 0x7en];

/** What both said to one call. */
type Both = readonly [Outcome<unknown>, Answer];
const QUIET: Both = [{ ok: true, value: undefined }, {}];

export class VdpaHistory {
  operations = 0;
  /** What was seen, by word. */
  readonly seen = new Map<string, number>();
  private readonly frames: HostFrames;
  private told = 0;

  private constructor(
    readonly device: VhostVdpa,
    private readonly parent: ModelParent,
    readonly model: VdpaModel,
    private readonly mm: UserMm,
    private readonly other: UserMm,
    private readonly allocations: Allocations,
    private readonly random: Random,
  ) {
    this.frames = mm.frames;
  }

  static async create(seed: bigint, breaks?: (device: VhostVdpa) => void): Promise<VdpaHistory> {
    const random = new Random(seed);
    const presets = [...VDPA_PARENTS.values()];
    const options = {
      ...presets[random.below(presets.length)],
      failedSetMap: random.below(2) === 0 ? ("keeps" as const) : ("empties" as const),
    };
    const era = ERAS[random.below(ERAS.length)];
    const order = random.below(2) === 0 ? "unpin-first" : "unmap-first";
    const failedRun = random.below(4) === 0 ? "leaked" : "unpinned";
    const frames = new HostFrames();
    const mm = new UserMm(frames, { rlimitMemlock: random.below(3) === 0 ? 60 : 5_000 });
    const parent = await ModelParent.create(options);
    const allocations = new Allocations();
    const rest = { era, order, failedRun, trace: true } as const;
    const device = await VhostVdpa.create({ parent, frames, allocations, ...rest });
    breaks?.(device);
    const model = new VdpaModel(options, era, order, failedRun);
    model.rlimit = mm.rlimitMemlock;
    const other = new UserMm(frames);
    const made = new VdpaHistory(device, parent, model, mm, other, allocations, random);
    made.compareState("at first");
    return made;
  }

  dispose(): void {
    this.device.dispose();
    this.parent.dispose();
  }

  private mmap(): void {
    const { random, model, mm, frames } = this;
    const first = FROM + random.below(MEMORY);
    const pages = 1 + random.below(random.below(6) === 0 ? 1_200 : 40);
    const kind = (["file", "file", "file", "anon", "pfnmap"] as const)[random.below(5)];
    const shared = random.below(4) !== 0;
    const write = random.below(8) !== 0;
    const list: number[] = [];
    let next = frames.allocate(2 * pages);
    const gap = random.below(3) === 0 ? 2 : 40;
    for (let i = 0; i < pages; i++) {
      if (random.below(gap) === 0) next++;
      list.push(next++);
    }
    mm.map({ at: first, pages, kind, shared, write, frames: list });
    this.cut(first, first + pages - 1);
    model.areas.push({ first, last: first + pages - 1, kind, shared, write, frames: list });
  }

  private cut(first: number, last: number): void {
    const { model } = this;
    const part = (a: Area, from: number, to: number): Area[] =>
      from > to
        ? []
        : [
            {
              ...a,
              first: from,
              last: to,
              frames: a.frames.slice(from - a.first, to - a.first + 1),
            },
          ];
    model.areas = model.areas.flatMap((a) =>
      a.last < first || a.first > last
        ? [a]
        : [...part(a, a.first, first - 1), ...part(a, last + 1, a.last)],
    );
  }

  private munmap(): void {
    const first = FROM + this.random.below(MEMORY);
    const pages = 1 + this.random.below(20);
    this.mm.unmap(first, pages);
    this.cut(first, first + pages - 1);
  }

  private iova(): bigint {
    const { random } = this;
    const page = BigInt(random.below(90));
    const at = random.below(12);
    if (at === 0) return 2n ** 64n - 4096n * (1n + page);
    if (at === 1) return 0n;
    if (at === 2 && this.model.parent.useVa !== true) return page * 4096n + 0x123n;
    return page * 4096n;
  }

  private size(isUpdate: boolean): bigint {
    const { random } = this;
    const at = random.below(30);
    if (at === 0) return 0n;
    if (at === 1) return isUpdate ? 1_100n * 4096n : 2n ** 63n;
    if (at === 2 && !isUpdate) return 2n ** 64n - 1n;
    if (at === 3 && this.model.parent.useVa !== true) return 0x801n;
    return 4096n * BigInt(1 + random.below(isUpdate ? 24 : 40));
  }

  private write(): Both {
    const { random, device, model } = this;
    const type = [2, 2, 2, 2, 2, 3, 3, 5, 6, random.below(8)][random.below(10)];
    const version = random.below(40) === 0 ? 3 : random.below(6) === 0 ? 1 : 2;
    const asid = random.below(9) === 0 ? random.below(4) : random.below(3) === 0 ? 1 : 0;
    const perm = ([3, 3, 1, 2] as const)[random.below(4)];
    const uaddr = BigInt(FROM + random.below(MEMORY)) * 4096n;
    const message = { type, version, asid, perm, uaddr };
    const whole = { ...message, iova: this.iova(), size: this.size(type === 2) };
    const isOwner = random.below(40) !== 0;
    this.note(`type ${type}`);
    return [device.write(whole, isOwner ? undefined : this.other), model.write(whole, isOwner)];
  }

  private file(): Both {
    const { random, device, model, mm } = this;
    switch (random.below(9)) {
      case 0:
        return random.below(3) === 0 ? [device.close(), model.close()] : QUIET;
      case 1:
        return [device.setOwner(mm), model.setOwner()];
      case 2: {
        const mask = random.below(3) === 0 ? model.offered : MASKS[random.below(MASKS.length)];
        return [device.setBackendFeatures(mask), model.setFeatures(mask)];
      }
      case 3:
        return [device.setStatus(0), model.setStatus(0)];
      case 4: {
        const status = random.below(8);
        return [device.setStatus(status), model.setStatus(status)];
      }
      case 5: {
        const op = random.below(2) === 0 ? "suspend" : "resume";
        return [device[op](), model.halt(op)];
      }
      case 6: {
        const [group, asid] = [random.below(4), random.below(3)];
        return [device.setGroupAsid(group, asid), model.setGroupAsid(group, asid)];
      }
      default:
        return [device.open(), model.open()];
    }
  }

  /** Most calls are refused without an owner. */
  private begin(): Both {
    const { device, model, mm } = this;
    if (!model.isOpen) return [device.open(), model.open()];
    return [device.setOwner(mm), model.setOwner()];
  }

  private fault(): void {
    const { random, model, parent, device } = this;
    const errno = ERRNOS[random.below(ERRNOS.length)];
    const nth = 1 + random.below(4);
    const what = random.below(8);
    if (what === 0) {
      const after = 1 + random.below(6);
      this.allocations.failNth(after);
      model.failAlloc = after;
    } else if (what === 1) {
      const vpn = FROM + random.below(MEMORY);
      this.mm.failNextFault(vpn, "EINTR");
      model.faults.set(vpn, "EINTR");
    } else if (model.kind === "platform") {
      device.failNextIommuMap(errno, nth);
      model.fails.push({ op: "iommuMap", after: nth, errno });
    } else {
      const op = OPS[random.below(what < 5 ? 2 : OPS.length)];
      parent.failNext(op, errno, nth);
      model.fails.push({ op, after: nth, errno });
    }
  }

  private note(word: string): void {
    this.seen.set(word, (this.seen.get(word) ?? 0) + 1);
  }

  private step(): void {
    const what = this.random.below(100);
    let answers = QUIET;
    if (this.random.below(2) === 0 && !this.model.hasOwner) answers = this.begin();
    else if (what < 62) answers = this.write();
    else if (what < 80) answers = this.file();
    else if (what < 88) this.fault();
    else if (what < 97) this.mmap();
    else this.munmap();
    const [got, wanted] = answers;
    expect(errnos(got), "answer").toEqual([wanted.errno, wanted.inner]);
    if (wanted.inner !== undefined) this.note(wanted.inner);
    this.compareState(`operation ${this.operations}`);
    this.operations++;
  }

  private compareState(where: string): void {
    const { device, model } = this;
    const plain = (e: Entry): unknown => [e.start, e.last, e.addr, e.perm];
    const sorted = (list: readonly Entry[]): unknown[] =>
      [...list].sort((a, b) => a.start - b.start).map(plain);
    for (let asid = 0; asid < model.asids; asid++) {
      expect(
        device.table(asid).map((e) => plain({ asid, ...e })),
        where,
      ).toEqual(sorted(model.of(asid)));
      const found = device.translations(asid);
      const view = model.viewOf(asid);
      const shown = found === "identity" ? found : found!.map((e) => plain({ asid, ...e }));
      expect(shown, where).toEqual(view === "identity" ? view : sorted(view));
    }
    const { pins, unpins, clears } = device.counts();
    expect(
      [device.isOpen, device.inBatch, device.ackedFeatures, device.status, device.suspended],
      where,
    ).toEqual([model.isOpen, model.inBatch, model.acked, model.status, model.suspended]);
    expect(device.addressSpaces(), where).toEqual([...model.spaces].sort((a, b) => a - b));
    expect([pins, unpins, clears], where).toEqual([model.pins, model.unpins, model.clears]);
    expect(this.mm.pinnedVm, where).toBe(model.pinnedVm);
    expect(this.frames.underflows, where).toEqual([]);
    const held = [...model.refs].filter(([, refs]) => refs > 0).sort((a, b) => a[0] - b[0]);
    expect([...this.frames], where).toEqual(held);
    expect(model.groups.map((_, group) => device.groupAsid(group))).toEqual(model.groups);
    const exposed = model.exposed();
    if (exposed > 0) this.note("exposed");
    expect(device.exposedPages(), where).toBe(exposed);
    this.compareCalls(where);
  }

  private compareCalls(where: string): void {
    const { device, model } = this;
    const calls = device.events.slice(this.told).flatMap((e) => {
      if (OWN.has(e.step)) return [];
      const { step, asid, start, pages, entries, errno } = e;
      const words = [step, asid, step === "set-map" ? entries : start, pages, errno];
      return [words.filter((word) => word !== undefined).join(" ")];
    });
    this.told = device.events.length;
    expect(calls, where).toEqual(model.calls);
    model.calls = [];
  }

  run(operations: number): void {
    for (let i = 0; i < 6; i++) this.mmap();
    expect([this.device.open().ok, this.device.setOwner(this.mm).ok]).toEqual([true, true]);
    expect([this.model.open(), this.model.setOwner()]).toEqual([{}, {}]);
    for (let i = 0; i < operations; i++) this.step();
  }
}

function errnos(outcome: Outcome<unknown>): (string | undefined)[] {
  return outcome.ok ? [undefined, undefined] : [outcome.errno, outcome.inner];
}
