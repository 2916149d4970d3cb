/** What the model of a container is made of, and what its calls give. Counted in pages. */

export interface Answer {
  readonly ok: boolean;
  readonly value?: number;
  readonly errno?: string;
  readonly cause?: string;
  readonly index?: number;
  /** What the caller's array holds afterwards; -1 where nothing was written. */
  readonly out?: readonly number[];
  readonly rounds?: number;
  readonly retries?: number;
  readonly dirty?: readonly number[];
}

/** The kernel stopped: nothing returns. */
export class Stopped extends Error {
  constructor(readonly verdict: "FATAL" | "DEADLOCK") {
    super(verdict);
  }
}

/** A process. */
export interface ModelProcess {
  readonly name: string;
  /** Frame of page 0, and of the others behind it. */
  readonly base: number;
  readonly replaced: Map<number, number>;
  /** Pages that may not be written. */
  readonly isReadOnly: (page: number) => boolean;
  readonly isMapped: (page: number) => boolean;
  readonly isMmio: (page: number) => boolean;
  readonly failing: Map<number, string>;
  locked: number;
  limit: number;
  cap: boolean;
  alive: boolean;
  interrupt: boolean;
}

export interface Pin {
  readonly pfn: number;
  count: number;
}

export interface ModelDma {
  readonly first: number;
  readonly last: number;
  vpn: number;
  readonly prot: number;
  mm: ModelProcess;
  cap: boolean;
  /** Frames by page, if real domains map it. */
  mapped: Map<number, number> | undefined;
  readonly pins: Map<number, Pin>;
  dirty: Set<number> | undefined;
  charged: number;
  invalid: boolean;
  gone: boolean;
}

export interface ModelDevice {
  readonly name: string;
  readonly group: string;
  told: (first: number, pages: number) => void;
}

export interface ModelGroup {
  readonly name: string;
  readonly real: boolean;
  readonly iommu: string;
  pinnedOnly: boolean;
}

export const fail = (errno: string, cause: string, index?: number): Answer =>
  index === undefined ? { ok: false, errno, cause } : { ok: false, errno, cause, index };
