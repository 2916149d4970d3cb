/**
 * What changed in VFIO's type1 over the years, each as a knob, and the trees of four years as
 * records of them. Where nothing else is said, `drivers/vfio/vfio_iommu_type1.c` is the source.
 */
import { checkWithin } from "../arguments.js";
import { ArgumentError } from "../errors.js";
import type { Errno } from "../uapi/errno.js";

/** How one container behaves. */
export interface VfioKnobs {
  /**
   * Who is told of an unmap: `chain`, notifiers, which any driver registers (4.10 to 5.19);
   * `devices`, the open devices that have a dma_unmap operation (6.0, ce4b4657ff18).
   */
  readonly listeners: "chain" | "devices";
  /**
   * Order within a round: a device is put at the head of the list (6.0); a notifier of equal
   * priority behind those that are there.
   */
  readonly notifyOrder: "newest-first" | "oldest-first";
  /** Told only of mappings with pins (every kernel), or once of each (wish of libvfio-user). */
  readonly notifyPolicy: "only-if-pinned" | "always";
  /**
   * What the callback is told: the whole mapping (every kernel), the caller's whole request, or from
   * the lowest to the highest page that is pinned.
   */
  readonly notifyRange: "mapping" | "request" | "pinned";
  /** Before removal, until the tree is empty (merged), or after it (v11 of the series). */
  readonly notifyWhen: "before-remove" | "after-remove";
  /** The container's lock while the callbacks run: dropped (every kernel), or kept. */
  readonly lockAroundCallback: "drop" | "keep";
  /** May pages of a mapping be pinned while its listeners are told? iommufd refuses. */
  readonly pinsInWindow: "allow" | "refuse";
  /** Range and size of the mapping are copied before the lock is dropped (until 5.19). */
  readonly notifyCopiesRange: boolean;
  /** How often one mapping is met again before the kernel gives up. */
  readonly retryBudget: number;
  /** Then: BUG, which takes the host down; or an error, as iommufd does it. */
  readonly onExhausted: "fatal" | "error";
  /** Which of several mappings is met first: ascending (5.12), or from the root of the tree. */
  readonly unmapOrder: "ascending" | "descending" | "from-root";
  /** Unmapping stops at a mapping of another process (4.10 to 5.15). */
  readonly stopAtOtherMm: boolean;
  /** What wrapping and truncation answer. */
  readonly overflowErrno: "EINVAL" | "EOVERFLOW";
  /** Mappings that may be there at once (dma_entry_limit, 5.1, 492855939bdb). */
  readonly dmaEntryLimit: number;
  /** MAP_DMA looks at the list of allowed iovas (5.4). */
  readonly allowedIova: boolean;
  /** UNMAP_DMA knows the flag ALL (5.12). */
  readonly unmapAll: boolean;
  /** Dirty tracking is there (5.8). */
  readonly dirtyTracking: boolean;
  /** dma_rw is there (5.7). */
  readonly dmaRw: boolean;
  /**
   * Updates of vaddr: `none`; `sleep`, who pins waits until it is valid again (5.12); `exclusive`,
   * refused with emulated groups, and who pins gets EBUSY (6.3, ef3a3f6a294b, da4f1c2e1c9c).
   */
  readonly vaddrUpdate: "none" | "sleep" | "exclusive";
  /** A new vaddr moves the charge to the caller's mm (6.3, 90fdd158a695). */
  readonly vaddrMovesCharge: boolean;
  /** Pages a call of pin or unpin, at most. iommufd has no limit: Infinity. */
  readonly pinMost: number;
  /** What unpin gives back: how many it processed (until 5.19), or nothing, but warnings. */
  readonly unpinAnswer: "count" | "none";
  /** Who pins must listen itself (6.0, the wrapper), or somebody must. */
  readonly pinnerListens: boolean;
  /** A frame without struct page cannot be pinned (6.0: the interface gives pages). */
  readonly pinsNeedStructPage: boolean;
  /** The node of a pin cannot be allocated: reference and charge leak (until 5.9, 2e6cfd496f5b). */
  readonly leakOnNodeFailure: boolean;
  /** RLIMIT_MEMLOCK is looked at though nothing will be charged (4.10). */
  readonly limitWhenNotCharging: boolean;
  /** Pinning a run ends early at the limit, and what is pinned by then is mapped first (4.10). */
  readonly shortRunAtLimit: boolean;
  /** A charge may be left to a work item, and is lost where that cannot be allocated (4.10). */
  readonly chargeByWork: boolean;
  /** Pins look for their mapping with an interval of no length (c086de818dd8 only). */
  readonly zeroLengthLookup: boolean;
  /** A replay that fails takes back what it did (5.9, fixes a54eb55045ae). */
  readonly replayUnwinds: boolean;
  /** A mapping that is freed with pins left: WARN (6.0), or nothing is said. */
  readonly freeWithPins: "warn" | "silent";
  /** The last group goes with pins left: leak, or tell the listeners first, then die. */
  readonly releasePolicy: "warn-leak" | "notify-then-fatal";
  /** The pin above the count that the packed form can keep. The kernel's own has no limit. */
  readonly saturationErrno: "EOVERFLOW" | "ENOSPC" | "ENOMEM";
}

const V7_0: VfioKnobs = {
  listeners: "devices",
  notifyOrder: "newest-first",
  notifyPolicy: "only-if-pinned",
  notifyRange: "mapping",
  notifyWhen: "before-remove",
  lockAroundCallback: "drop",
  pinsInWindow: "allow",
  notifyCopiesRange: false,
  retryBudget: 10,
  onExhausted: "fatal",
  unmapOrder: "ascending",
  stopAtOtherMm: false,
  overflowErrno: "EOVERFLOW",
  dmaEntryLimit: 65_535,
  allowedIova: true,
  unmapAll: true,
  dirtyTracking: true,
  dmaRw: true,
  vaddrUpdate: "exclusive",
  vaddrMovesCharge: true,
  pinMost: 512,
  unpinAnswer: "none",
  pinnerListens: true,
  pinsNeedStructPage: true,
  leakOnNodeFailure: false,
  limitWhenNotCharging: false,
  shortRunAtLimit: false,
  chargeByWork: false,
  zeroLengthLookup: false,
  replayUnwinds: true,
  freeWithPins: "warn",
  releasePolicy: "warn-leak",
  saturationErrno: "EOVERFLOW",
};

const V5_15: VfioKnobs = {
  ...V7_0,
  listeners: "chain",
  notifyOrder: "oldest-first",
  notifyCopiesRange: true,
  stopAtOtherMm: true,
  vaddrUpdate: "sleep",
  vaddrMovesCharge: false,
  unpinAnswer: "count",
  pinnerListens: false,
  pinsNeedStructPage: false,
};

const V4_19: VfioKnobs = {
  ...V5_15,
  unmapOrder: "from-root",
  overflowErrno: "EINVAL",
  dmaEntryLimit: Infinity,
  allowedIova: false,
  unmapAll: false,
  dirtyTracking: false,
  dmaRw: false,
  vaddrUpdate: "none",
  leakOnNodeFailure: true,
  replayUnwinds: false,
  freeWithPins: "silent",
};

/** The trees that were read, by their version; `4.10` is the merged form, c086de818dd8. */
export const VFIO_ERAS = {
  "4.10": {
    ...V4_19,
    limitWhenNotCharging: true,
    shortRunAtLimit: true,
    chargeByWork: true,
    zeroLengthLookup: true,
  },
  "4.19": V4_19,
  "5.15": V5_15,
  "7.0": V7_0,
} as const satisfies Record<string, VfioKnobs>;

/** Name of an era. */
export type VfioEra = keyof typeof VFIO_ERAS;

/** What the words of a knob may be; the others are of the type of {@link VFIO_ERAS}' values. */
const WORDS: Partial<Record<keyof VfioKnobs, readonly string[]>> = {
  listeners: ["chain", "devices"],
  notifyOrder: ["newest-first", "oldest-first"],
  notifyPolicy: ["only-if-pinned", "always"],
  notifyRange: ["mapping", "request", "pinned"],
  notifyWhen: ["before-remove", "after-remove"],
  lockAroundCallback: ["drop", "keep"],
  pinsInWindow: ["allow", "refuse"],
  onExhausted: ["fatal", "error"],
  unmapOrder: ["ascending", "descending", "from-root"],
  overflowErrno: ["EINVAL", "EOVERFLOW"] satisfies Errno[],
  vaddrUpdate: ["none", "sleep", "exclusive"],
  unpinAnswer: ["count", "none"],
  freeWithPins: ["warn", "silent"],
  releasePolicy: ["warn-leak", "notify-then-fatal"],
  saturationErrno: ["EOVERFLOW", "ENOSPC", "ENOMEM"] satisfies Errno[],
};

const COUNTS: Partial<Record<keyof VfioKnobs, readonly [least: number, most: number]>> = {
  retryBudget: [0, 1_000_000],
  dmaEntryLimit: [0, 2 ** 32 - 1],
  pinMost: [1, 2 ** 32],
};

/** What each knob may be, for files and documentation. */
export function vfioKnobValues(): Record<string, readonly unknown[]> {
  const names = Object.keys(V7_0) as (keyof VfioKnobs)[];
  return Object.fromEntries(
    names.map((name) => [name, WORDS[name] ?? COUNTS[name] ?? [false, true]]),
  );
}

function checkKnob(name: keyof VfioKnobs, value: unknown): void {
  const words = WORDS[name];
  const range = COUNTS[name];
  if (range !== undefined) {
    if (value !== Infinity) checkWithin(name, value, ...range);
    return;
  }
  if (words === undefined ? typeof value === "boolean" : words.includes(value as string)) return;
  const may = words === undefined ? "true or false" : `one of ${words.join(", ")}`;
  throw new ArgumentError("E_TYPE", `${name} must be ${may}, got ${String(value)}`, {
    argument: name,
  });
}

/** An era with some of its knobs turned. @throws ArgumentError E_NOENT, E_TYPE, E_LIMIT */
export function vfioKnobs(era: string = "7.0", knobs: Partial<VfioKnobs> = {}): VfioKnobs {
  if (!Object.hasOwn(VFIO_ERAS, era)) {
    const message = `era must be one of ${Object.keys(VFIO_ERAS).join(", ")}, got ${era}`;
    throw new ArgumentError("E_NOENT", message, { argument: "era" });
  }
  for (const [name, value] of Object.entries(knobs)) {
    if (!Object.hasOwn(V7_0, name)) {
      throw new ArgumentError("E_TYPE", `there is no knob ${name}`, { argument: name });
    }
    checkKnob(name as keyof VfioKnobs, value);
  }
  return { ...VFIO_ERAS[era as VfioEra], ...knobs };
}
