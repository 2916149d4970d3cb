/** What a container remembers of what went on. */
/** How it stands with the simulated host. */
export type VfioVerdict = "OK" | "DEADLOCK" | "FATAL";

/** A listener was told of an unmap. */
export interface VfioNotification {
  /** Counts up with each time that all listeners are told. */
  readonly round: number;
  readonly device: string;
  /** What it was told, bytes. */
  readonly iova: bigint;
  readonly size: bigint;
}

/** Words of {@link VfioWarning}. */
export type VfioWarningWord =
  /** Unpin: no pages, too many, a closed device, or a v1 container. */
  | "unpin-refused"
  /** Unpin: the range wraps. */
  | "unpin-overflow"
  /** Unpin ended at a page without mapping. */
  | "unpin-short"
  /** A mapping was freed with pins left. */
  | "pins-left"
  /** The last emulated group left, and somebody still listens. */
  | "listener-registered"
  /** A new domain found no translation to copy. */
  | "no-translation"
  /** dma_rw while a vaddr is invalid. */
  | "vaddr-invalid"
  /** The retry budget was used up, and that was an error only. */
  | "retries-exhausted";

/** The kernel warns (WARN). */
export interface VfioWarning {
  readonly word: VfioWarningWord;
  readonly message: string;
}

/** What nobody can give back any more. */
export interface VfioLeak {
  /** `pin`: a node; `reference`: a frame and its charge without node; `mapping`: a replay's. */
  readonly kind: "pin" | "reference" | "mapping";
  readonly iova: bigint;
  readonly pages: number;
  readonly pfn: number;
  /** Pins that were left; 0 without node. */
  readonly count: number;
  /** Pages that stay charged. */
  readonly charged: number;
  /** Devices that had not given it back, by their ledgers. */
  readonly devices: readonly string[];
}

/** A device gave back what it had not pinned itself. */
export interface VfioMisuse {
  readonly kind: "foreign-unpin" | "unpinned";
  readonly device: string;
  readonly iova: bigint;
  /** Who had pinned it. */
  readonly owners: readonly string[];
}

/** A device reached memory that it must not reach any more. */
export interface VfioViolation {
  readonly kind:
    "released-page" | "removed-mapping" | "never-pinned" | "no-permission" | "no-translation";
  readonly device: string;
  readonly iova: bigint;
  readonly pfn: number | null;
  readonly write: boolean;
  /** Who let go of it: a device, or `type1`. */
  readonly culprit: string;
  readonly message: string;
}

/** Something that threads could run into. */
export interface VfioHazard {
  readonly kind: "lock-inversion" | "mapping-freed-during-round" | "charge-lost";
  readonly message: string;
}

/** Counted, never reset. */
export interface VfioCounters {
  /** Pages pinned through the interface, and given back; those rolled back are in both. */
  pins: number;
  unpins: number;
  /** Runs mapped in domains, and unmapped. */
  domainMaps: number;
  domainUnmaps: number;
  /** Pages pinned for domains. */
  domainPages: number;
  rounds: number;
  notifications: number;
  /** Visits of a mapping beyond its first, in one unmap. */
  retries: number;
  mappings: number;
}

/** In their order. */
export class Records {
  readonly notifications: VfioNotification[] = [];
  readonly warnings: VfioWarning[] = [];
  readonly leaks: VfioLeak[] = [];
  readonly misuses: VfioMisuse[] = [];
  readonly violations: VfioViolation[] = [];
  readonly hazards: VfioHazard[] = [];
  readonly counters: VfioCounters = {
    pins: 0,
    unpins: 0,
    domainMaps: 0,
    domainUnmaps: 0,
    domainPages: 0,
    rounds: 0,
    notifications: 0,
    retries: 0,
    mappings: 0,
  };

  warn(word: VfioWarningWord, message: string): void {
    this.warnings.push({ word, message });
  }

  hazard(kind: VfioHazard["kind"], message: string): void {
    if (!this.hazards.some((each) => each.kind === kind && each.message === message)) {
      this.hazards.push({ kind, message });
    }
  }
}
