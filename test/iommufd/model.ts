/**
 * A slow model of iommufd, written without a look at the implementation's structures: lists of
 * areas and of pins, and everything else counted anew from them after every step.
 */

export interface ModelPages {
  readonly id: number;
  /** Virtual page its page 0 is. */
  readonly vpn: number;
  readonly write: boolean;
  readonly process: number;
  /** Pins: one item each, repeated where an interval is pinned again. */
  readonly pins: { readonly first: number; readonly last: number }[];
  /** Frames that are pinned. */
  frames: Map<number, number>;
}

export interface ModelArea {
  readonly iova: number;
  readonly length: number;
  readonly startByte: number;
  readonly pages: ModelPages;
  readonly write: boolean;
  readonly read: boolean;
  accesses: number;
  closed: boolean;
}

export interface ModelIoas {
  areas: ModelArea[];
  domains: number;
  /** Only areas below it are in the domains: a new one is filled in their order. */
  filled: number;
}

/** Where a frame comes from: undefined, there is none. */
export type ModelFault = (process: number, vpn: number, write: boolean) => number | undefined;

const PAGE = 4096;

export const lastOf = (area: ModelArea): number => area.iova + area.length - 1;
const first = (area: ModelArea): number => Math.floor(area.startByte / PAGE);
const last = (area: ModelArea): number => Math.floor((area.startByte + area.length - 1) / PAGE);

/** See the file comment. */
export class Model {
  readonly ioases: ModelIoas[];
  private nextId = 0;

  constructor(
    spaces: number,
    private readonly fault: ModelFault,
  ) {
    this.ioases = Array.from({ length: spaces }, () => ({
      areas: [],
      domains: 0,
      filled: Infinity,
    }));
  }

  newPages(va: number, write: boolean, process: number): ModelPages {
    const vpn = Math.floor(va / PAGE);
    return { id: this.nextId++, vpn, write, process, pins: [], frames: new Map() };
  }

  get pages(): Set<ModelPages> {
    return new Set(this.ioases.flatMap(({ areas }) => areas.map(({ pages }) => pages)));
  }

  overlap(space: number, iova: number, length: number): ModelArea[] {
    const hit = (area: ModelArea): boolean => area.iova < iova + length && lastOf(area) >= iova;
    return this.ioases[space].areas.filter(hit).sort((a, b) => a.iova - b.iova);
  }

  /** Parts of areas from `iova` on without a hole, or undefined. */
  parts(space: number, iova: number, length: number): [ModelArea, number, number][] | undefined {
    const parts: [ModelArea, number, number][] = [];
    for (let at = iova; at < iova + length;) {
      const [area] = this.overlap(space, at, 1);
      if (area === undefined) return undefined;
      const end = Math.min(lastOf(area) + 1, iova + length);
      parts.push([area, at, end]);
      at = end;
    }
    return parts;
  }

  /** Pages that must be pinned: by a driver, or by an area in a space that has a domain. */
  private wanted(pages: ModelPages): Set<number> {
    const wanted = new Set<number>();
    const add = (from: number, to: number): void => {
      for (let index = from; index <= to; index++) wanted.add(index);
    };
    for (const pin of pages.pins) add(pin.first, pin.last);
    for (const { areas, domains, filled } of this.ioases) {
      const inside = areas.filter((area) => domains > 0 && area.iova < filled);
      for (const area of inside) if (area.pages === pages) add(first(area), last(area));
    }
    return wanted;
  }

  /**
   * Pins what is wanted and unpins what is not. @returns could all of it be had? If not, nothing
   * has changed.
   */
  settle(): boolean {
    const next = new Map<ModelPages, Map<number, number>>();
    for (const pages of this.pages) {
      const frames = new Map<number, number>();
      for (const index of this.wanted(pages)) {
        const known = pages.frames.get(index);
        const frame = known ?? this.fault(pages.process, pages.vpn + index, pages.write);
        if (frame === undefined) return false;
        frames.set(index, frame);
      }
      next.set(pages, frames);
    }
    for (const [pages, frames] of next) pages.frames = frames;
    return true;
  }

  /** References to every frame. */
  get references(): Map<number, number> {
    const refs = new Map<number, number>();
    for (const { frames } of this.pages) {
      for (const frame of frames.values()) refs.set(frame, (refs.get(frame) ?? 0) + 1);
    }
    return refs;
  }

  /** Pages charged to a process. */
  charge(process: number): number {
    const own = [...this.pages].filter((pages) => pages.process === process);
    return own.reduce((sum, { frames }) => sum + frames.size, 0);
  }

  /** Where page `index` of an area's pages is, as addresses of its space. */
  translation(area: ModelArea): [iova: number, physical: number][] {
    const found: [number, number][] = [];
    for (let at = 0; at < area.length;) {
      const byte = area.startByte + at;
      const frame = area.pages.frames.get(Math.floor(byte / PAGE))!;
      found.push([area.iova + at, frame * PAGE + (byte % PAGE)]);
      at += PAGE - (byte % PAGE);
    }
    return found;
  }
}
