/** A random history of calls, each made on iommufd and on the model. */
import { expect } from "vitest";
import {
  Allocations,
  HostFrames,
  Iommufd,
  IommuDomain,
  type Ioas,
  type IommufdAccess,
  type Outcome,
  UserAccount,
  UserMm,
} from "../../src/index.js";
import type { Random } from "../../src/seed.js";
import { lastOf, Model, type ModelArea, type ModelIoas } from "./model.js";

const PAGE = 4096;
const BASE = 2 ** 24;
const SPACES = 2;
const PROCESSES = 2;
const MEMORY = 64;
const IOVA_PAGES = 40;

interface Pin {
  readonly access: number;
  readonly iova: number;
  readonly length: number;
}

export class History {
  readonly log: string[] = [];
  readonly seen = new Map<string, number>();
  private readonly frames = new HostFrames();
  private readonly allocations = new Allocations();
  private readonly processes: UserMm[] = [];
  private readonly user = new UserAccount();
  private readonly fd: Iommufd;
  private readonly spaces: Ioas[] = [];
  private readonly domains: IommuDomain[][] = [];
  private readonly accesses: IommufdAccess[] = [];
  private readonly model: Model;
  /** Pins of drivers that do not give back by themselves, by space and access. */
  private readonly pins: Pin[][] = [];

  constructor(private readonly random: Random) {
    for (let i = 0; i < PROCESSES; i++) {
      const mm = new UserMm(this.frames, { name: `p${i}`, rlimitMemlock: 6 + random.below(50) });
      mm.map({ at: 0x100, pages: MEMORY, shared: true, runs: [1 + random.below(5), 1, 3] });
      mm.unmap(0x100 + 50, 2);
      this.processes.push(mm);
    }
    const tempMemoryLimit = [16, 32, 65_536][random.below(3)];
    const task = { mm: this.processes[0], user: this.user };
    const { allocations } = this;
    this.fd = new Iommufd({ task, frames: this.frames, allocations, tempMemoryLimit });
    for (let i = 0; i < SPACES; i++) {
      const ioas = this.value(this.fd.ioasAlloc());
      this.spaces.push(ioas);
      this.domains.push([]);
      this.pins.push([]);
      for (const unmap of ["unpin", "ignore"] as const) {
        const access = this.value(this.fd.accessCreate({ unmap }));
        this.value(access.attach(ioas));
        this.accesses.push(access);
      }
    }
    this.model = new Model(SPACES, (process, vpn, write) => {
      const frame = this.processes[process].faultIn(vpn, write);
      return typeof frame === "number" ? frame : undefined;
    });
  }

  private value<T>(outcome: Outcome<T>): T {
    if (!outcome.ok) throw new Error(outcome.message);
    return outcome.value;
  }

  private note(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  step(): void {
    const { random } = this;
    if (random.below(12) === 0) this.allocations.failNth(1 + random.below(6));
    const what = random.below(100);
    if (what < 24) this.map();
    else if (what < 34) this.copy();
    else if (what < 50) this.unmap();
    else if (what < 70) this.pin();
    else if (what < 84) this.unpin();
    else if (what < 90) this.domain();
    else if (what < 95) this.rw();
    else if (what < 99) this.processes[random.below(PROCESSES)].replace(0x100 + random.below(50));
    else if (random.below(6) === 0) this.processes[1].exit();
    this.allocations.failNth(0);
    this.check();
  }

  /** Did an allocation fail in this call? Then nothing has changed, and the model is not asked. */
  private injected(outcome: Outcome<unknown>): boolean {
    if (outcome.ok || !this.allocations.hasFailed) return false;
    if (outcome.cause !== "no-memory" && outcome.cause !== "injected") return false;
    this.note("injected");
    return true;
  }

  private compare(what: string, outcome: Outcome<unknown>, expected: string): void {
    const got = outcome.ok ? "ok" : outcome.errno;
    this.note(`${what} ${got}`);
    expect(`${what} ${got}`).toBe(`${what} ${expected}`);
  }

  private size(most: number): number {
    const pages = 1 + this.random.below(most);
    return pages * PAGE + (this.random.below(25) === 0 ? 100 : 0);
  }

  /** Where something is mapped, mostly. */
  private mapped(space: number): number {
    const { areas } = this.model.ioases[space];
    if (areas.length === 0 || this.random.below(4) === 0) return this.iova();
    const area = areas[this.random.below(areas.length)];
    return area.iova + this.random.below(Math.ceil(area.length / PAGE)) * PAGE;
  }

  private iova(): number {
    return BASE + this.random.below(IOVA_PAGES) * PAGE + (this.random.below(25) === 0 ? 512 : 0);
  }

  private map(): void {
    const { random } = this;
    const space = random.below(SPACES);
    const process = random.below(PROCESSES);
    const va = (0x100 + random.below(MEMORY - 8)) * PAGE;
    const [length, iova, write] = [this.size(8), this.iova(), random.below(4) > 0];
    this.log.push(`map ${space} ${iova}+${length} of ${process} ${va} ${write}`);
    const task = { mm: this.processes[process], user: this.user };
    const outcome = this.spaces[space].map({ va, length, iova, write, task });
    if (this.injected(outcome)) return;
    const pages = this.model.newPages(va, write, process);
    const area = { iova, length, startByte: 0, pages, write, read: true };
    this.compare("map", outcome, this.place(space, [area], iova, length));
  }

  /** What mapping areas gives; they are there if that is "ok". */
  private place(
    space: number,
    areas: readonly Omit<ModelArea, "accesses" | "closed">[],
    iova: number,
    length: number,
  ): string {
    // Drivers that pin are attached.
    const alignment = PAGE;
    if (length % alignment !== 0 || iova % alignment !== 0) return "EINVAL";
    if (this.model.overlap(space, iova, length).length > 0) return "EEXIST";
    for (const { write, pages, startByte } of areas) {
      if (write && !pages.write) return "EPERM";
      if (startByte % alignment !== 0) return "EINVAL";
    }
    const ioas = this.model.ioases[space];
    const before = ioas.areas;
    for (const area of areas) {
      ioas.areas = [...ioas.areas, { ...area, accesses: 0, closed: false }];
      const verdict = this.limits();
      if (verdict === "ok") continue;
      ioas.areas = before;
      this.model.settle();
      return verdict;
    }
    return "ok";
  }

  /** Pins what the model wants: "ok", or why that cannot be, and frames are as before. */
  private limits(): string {
    const before = new Map([...this.model.pages].map((pages) => [pages, pages.frames]));
    const charged = this.charges();
    if (!this.model.settle()) return "EFAULT";
    const after = this.charges();
    const over = this.processes.some(
      (mm, i) => after[i] > charged[i] && sum(after) > mm.rlimitMemlock,
    );
    if (!over) return "ok";
    for (const [pages, frames] of before) pages.frames = frames;
    return "ENOMEM";
  }

  private charges(): number[] {
    return this.processes.map((_, i) => this.model.charge(i));
  }

  private copy(): void {
    const { random } = this;
    const [from, to] = [random.below(SPACES), random.below(SPACES)];
    const [source, iova, length] = [this.mapped(from), this.iova(), this.size(4)];
    const write = random.below(3) > 0;
    this.log.push(`copy ${from} ${source} to ${to} ${iova}+${length} ${write}`);
    const options = { from: this.spaces[from], srcIova: source, length, iova, write };
    const outcome = this.spaces[to].copy(options);
    if (this.injected(outcome)) return;
    const parts = this.model.parts(from, source, length);
    if (parts === undefined) return this.compare("copy", outcome, "ENOENT");
    const areas = parts.map(([area, at, end]) => ({
      iova: iova + (at - source),
      length: end - at,
      startByte: area.startByte + (at - area.iova),
      pages: area.pages,
      write,
      read: true,
    }));
    this.compare("copy", outcome, this.place(to, areas, iova, length));
  }

  private unmap(): void {
    const space = this.random.below(SPACES);
    const ioas = this.model.ioases[space];
    const one = ioas.areas[this.random.below(Math.max(1, ioas.areas.length))] as
      ModelArea | undefined;
    const whole = this.random.below(3) > 0 && one !== undefined;
    const [iova, length] = whole ? [one.iova, one.length] : [this.iova(), this.size(20)];
    this.log.push(`unmap ${space} ${iova}+${length}`);
    const outcome = this.spaces[space].unmap(iova, length);
    const hit = this.model.overlap(space, iova, length);
    let verdict = hit.length === 0 ? "ENOENT" : "ok";
    for (const area of hit) {
      verdict = this.unmapOne(space, area, iova, iova + length - 1);
      if (verdict !== "ok") break;
    }
    this.model.settle();
    this.compare("unmap", outcome, verdict);
  }

  private unmapOne(space: number, area: ModelArea, from: number, to: number): string {
    if (area.iova < from || lastOf(area) > to) return "ENOENT";
    if (area.accesses > 0) {
      area.closed = true;
      this.unpinAll(space, area);
      if (area.accesses > 0) return "EDEADLOCK";
    }
    const ioas = this.model.ioases[space];
    ioas.areas = ioas.areas.filter((each) => each !== area);
    return "ok";
  }

  /** What the driver that gives back does when it is told of an area. */
  private unpinAll(space: number, area: ModelArea): void {
    const own = this.pins[space].filter(
      ({ access, iova, length }) =>
        access === 2 * space && iova <= lastOf(area) && iova + length > area.iova,
    );
    for (const pin of own) this.forget(space, pin);
  }

  /** Takes a pin out of the model. */
  private forget(space: number, pin: Pin): void {
    this.pins[space].splice(this.pins[space].indexOf(pin), 1);
    for (const [area, at, end] of this.model.parts(space, pin.iova, pin.length)!) {
      const [from, to] = indexes(area, at, end);
      const { pins } = area.pages;
      const place = pins.findIndex((each) => each.first === from && each.last === to);
      pins.splice(place, 1);
      area.accesses--;
    }
    this.model.settle();
  }

  private pin(): void {
    const { random } = this;
    const access = random.below(this.accesses.length);
    const space = access >> 1;
    const [iova, length] = [this.mapped(space), this.size(4)];
    const write = random.below(2) === 0;
    this.log.push(`pin ${access} ${iova}+${length} ${write}`);
    const outcome = this.accesses[access].pin(iova, length, { write });
    if (this.injected(outcome)) return;
    const { verdict, frames } = this.modelPin(space, iova, length, write);
    this.compare("pin", outcome, verdict);
    if (!outcome.ok) return;
    this.pins[space].push({ access, iova, length });
    expect([...outcome.value]).toEqual(frames);
  }

  private modelPin(
    space: number,
    iova: number,
    length: number,
    write: boolean,
  ): { verdict: string; frames: number[] } {
    const done: (() => void)[] = [];
    const frames: number[] = [];
    let verdict = "ok";
    for (let at = iova; at < iova + length && verdict === "ok";) {
      const [area] = this.model.overlap(space, at, 1) as [ModelArea | undefined];
      if (area === undefined) verdict = "ENOENT";
      else {
        const end = Math.min(lastOf(area) + 1, iova + length);
        verdict = this.modelPinPart(area, at, end, write, done, frames);
        at = end;
      }
    }
    if (verdict !== "ok") {
      for (const undo of done) undo();
      this.model.settle();
    }
    return { verdict, frames };
  }

  private modelPinPart(
    area: ModelArea,
    at: number,
    end: number,
    write: boolean,
    done: (() => void)[],
    frames: number[],
  ): string {
    if (area.closed || (area.startByte + at - area.iova) % PAGE !== 0) return "EINVAL";
    if (write && !area.write) return "EPERM";
    const [first, last] = indexes(area, at, end);
    const pin = { first, last };
    area.pages.pins.push(pin);
    const verdict = this.limits();
    if (verdict !== "ok") {
      area.pages.pins.splice(area.pages.pins.indexOf(pin), 1);
      return verdict;
    }
    area.accesses++;
    done.push(() => {
      area.pages.pins.splice(area.pages.pins.indexOf(pin), 1);
      area.accesses--;
    });
    for (let index = first; index <= last; index++) frames.push(area.pages.frames.get(index)!);
    return "ok";
  }

  private unpin(): void {
    const access = this.random.below(this.accesses.length);
    const space = access >> 1;
    const mine = this.pins[space].filter((pin) => pin.access === access);
    if (mine.length > 0) {
      const pin = mine[this.random.below(mine.length)];
      this.log.push(`unpin ${access} ${pin.iova}+${pin.length}`);
      const { warnings } = this.accesses[access].unpin(pin.iova, pin.length);
      expect(warnings).toEqual([]);
      this.note("unpin ok");
      this.forget(space, pin);
      return;
    }
    // Behind all areas: a part of the range might be just what somebody else has pinned.
    this.log.push(`unpin ${access} of nothing`);
    const before = JSON.stringify([...this.frames]);
    const { parts, warnings } = this.accesses[access].unpin(BASE + 4 * IOVA_PAGES * PAGE, PAGE);
    expect(parts).toBe(0);
    expect(warnings.length).toBeGreaterThan(0);
    expect(JSON.stringify([...this.frames])).toBe(before);
    this.note("unpin warned");
  }

  private domain(): void {
    const space = this.random.below(SPACES);
    const [ioas, domains] = [this.model.ioases[space], this.domains[space]];
    if (domains.length > 0 && (domains.length > 1 || this.random.below(2) === 0)) {
      this.log.push(`remove a domain of ${space}`);
      const [domain] = domains.splice(this.random.below(domains.length), 1);
      this.spaces[space].removeDomain(domain);
      expect(domain.mapped).toEqual([]);
      ioas.domains--;
      this.model.settle();
      return;
    }
    this.log.push(`a domain for ${space}`);
    const domain = new IommuDomain();
    const outcome = this.spaces[space].addDomain(domain);
    if (this.injected(outcome)) return;
    ioas.domains++;
    const verdict = ioas.domains > 1 ? "ok" : this.fill(ioas);
    this.compare("domain", outcome, verdict);
    if (outcome.ok) domains.push(domain);
    else {
      ioas.domains--;
      this.model.settle();
      expect(domain.mapped).toEqual([]);
    }
  }

  /** Areas are pinned one after the other, each charged to its process. */
  private fill(ioas: ModelIoas): string {
    let verdict = "ok";
    for (const { iova } of [...ioas.areas].sort((a, b) => a.iova - b.iova)) {
      ioas.filled = iova + 1;
      if (verdict === "ok") verdict = this.limits();
    }
    ioas.filled = Infinity;
    return verdict;
  }

  private rw(): void {
    const access = this.random.below(this.accesses.length);
    const space = access >> 1;
    const [iova, length] = [this.mapped(space), this.size(3)];
    const write = this.random.below(3) === 0;
    this.log.push(`rw ${access} ${iova}+${length} ${write}`);
    const data = new Uint8Array(length).fill(access + 1);
    const options = { write, slowPath: true };
    const outcome = this.accesses[access].rw(iova, data, options);
    if (this.injected(outcome)) return;
    this.compare("rw", outcome, this.modelRw(space, iova, length, write));
  }

  private modelRw(space: number, iova: number, length: number, write: boolean): string {
    for (let at = iova; at < iova + length;) {
      const [area] = this.model.overlap(space, at, 1) as [ModelArea | undefined];
      if (area === undefined) return "ENOENT";
      if (area.closed) return "EINVAL";
      if (write && !area.write) return "EPERM";
      const end = Math.min(lastOf(area) + 1, iova + length);
      const [first, last] = indexes(area, at, end);
      const mm = this.processes[area.pages.process];
      for (let index = first; index <= last; index++) {
        // One page of a process that lives is read past what is pinned.
        const known = (mm.alive && first === last) || !area.pages.frames.has(index);
        const asks = first === last && mm.alive ? write : area.pages.write;
        if (known && typeof mm.faultIn(area.pages.vpn + index, asks) !== "number") return "EFAULT";
      }
      at = end;
    }
    return "ok";
  }

  private check(): void {
    const { model } = this;
    expect(new Map(this.frames)).toEqual(new Map([...model.references].sort(([a], [b]) => a - b)));
    expect([this.frames.underflows, this.fd.frames.held]).toEqual([
      [],
      sum(model.references.values()),
    ]);
    const charges = this.charges();
    expect(this.processes.map(({ pinnedVm }) => pinnedVm)).toEqual(charges);
    expect(this.user.lockedVm).toBe(sum(charges));
    for (const [space, ioas] of this.spaces.entries()) {
      const areas = [...model.ioases[space].areas].sort((a, b) => a.iova - b.iova);
      const got = [...ioas.areas].map(({ iova, accesses, preventAccess }) => [
        Number(iova),
        accesses,
        preventAccess,
      ]);
      expect(got).toEqual(areas.map(({ iova, accesses, closed }) => [iova, accesses, closed]));
      for (const domain of this.domains[space]) {
        expect(domain.bytes).toBe(BigInt(sum(areas.map(({ length }) => length))));
        for (const area of areas) {
          for (const [iova, physical] of model.translation(area)) {
            expect(domain.translate(iova)).toBe(BigInt(physical));
          }
        }
      }
    }
  }

  /** Everything is given back, whatever is left. */
  end(): void {
    for (const [space, pins] of this.pins.entries()) {
      for (const pin of [...pins]) {
        this.accesses[pin.access].unpin(pin.iova, pin.length);
        this.forget(space, pin);
      }
    }
    for (const [space, domains] of this.domains.entries()) {
      for (const domain of domains) this.spaces[space].removeDomain(domain);
    }
    this.fd.close();
    expect([...this.frames]).toEqual([]);
    expect([this.user.lockedVm, ...this.processes.map(({ pinnedVm }) => pinnedVm)]).toEqual([
      0, 0, 0,
    ]);
  }
}

function indexes(area: ModelArea, at: number, end: number): [first: number, last: number] {
  const byte = (iova: number): number => area.startByte + (iova - area.iova);
  return [Math.floor(byte(at) / PAGE), Math.floor(byte(end - 1) / PAGE)];
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const each of numbers) total += each;
  return total;
}
