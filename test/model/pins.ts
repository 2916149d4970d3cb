/** Pinned pages as the model has them: mappings, nodes and ledgers by page, lists in order. */

/** A vfio_dma, an area or an entry of vhost-vdpa. */
export interface DmaMapping {
  readonly start: number;
  readonly end: number;
  readonly base: number;
  readonly mm: number;
  /** That mm's identity when it was mapped. */
  readonly owner: number;
  readonly inDomain: boolean;
  inTree: boolean;
  closed: boolean;
}

/** What a driver believes to have pinned, and what its device uses. */
export interface Own {
  count: number;
  frame: { readonly pfn: number; readonly gen: number } | null;
}

export interface DmaDevice {
  callback: number;
  readonly ledger: Map<number, Own>;
}

export interface Pins {
  readonly pages: number;
  readonly mappings: (DmaMapping | null)[];
  /** Mappings that were freed, by row. */
  readonly freed: number[];
  /** Context that holds it. */
  container: number | null;
  list: number | null;
  readers: number;
  writer: boolean;
  /** Who is told, the newest first. */
  listed: number[];
  /** By iova page. */
  readonly nodes: Map<number, { readonly pfn: number; count: number }>;
  readonly held: Map<number, number>;
  readonly domain: Map<number, { readonly pfn: number; readonly gen: number }>;
  readonly devices: DmaDevice[];
  /** By frame. */
  readonly leaks: Map<number, number>;
}

const MAPPINGS = 4;

export function newPins(pages: number, devices: number): Pins {
  return {
    pages: Math.min(64, pages),
    mappings: new Array<DmaMapping | null>(MAPPINGS).fill(null),
    freed: new Array<number>(MAPPINGS).fill(0),
    container: null,
    list: null,
    readers: 0,
    writer: false,
    listed: [],
    nodes: new Map(),
    held: new Map(),
    domain: new Map(),
    devices: Array.from({ length: devices }, () => ({ callback: 0, ledger: new Map() })),
    leaks: new Map(),
  };
}

/** The mapping in the tree that covers a page. */
export function covering(pins: Pins, page: number): DmaMapping | null {
  return pins.mappings.find((d) => d?.inTree === true && d.start <= page && page < d.end) ?? null;
}

export function leak({ leaks }: Pins, pfn: number): void {
  leaks.set(pfn, (leaks.get(pfn) ?? 0) + 1);
}

/** A driver's line for a page. */
export function ownOf(pins: Pins, device: number, page: number): Own {
  const { ledger } = pins.devices[device];
  let own = ledger.get(page);
  if (own === undefined) ledger.set(page, (own = { count: 0, frame: null }));
  return own;
}
