/** What a device is made of, and the checks of it. */
import { checkWord } from "../arguments.js";
import type { WasmSource } from "../core/loader.js";
import { ArgumentError } from "../errors.js";
import type { HostFrames } from "../mm/frames.js";
import type { Allocations } from "../uapi/allocations.js";
import { checkBytes } from "./addresses.js";
import type { UnmapOrder } from "./core.js";
import { VDPA_ERA_NAMES, type VdpaEraName } from "./eras.js";
import type { FailedRun } from "./map-pages.js";
import { has, type VdpaParent } from "./parent.js";

/** What a `VhostVdpa` is made of. */
export interface VhostVdpaOptions {
  readonly parent: VdpaParent;
  /** Frames of the host: those of its owners. Its own by default. */
  readonly frames?: HostFrames;
  /** The kernel; 7.0 by default. */
  readonly era?: VdpaEraName;
  /**
   * What goes first when a mapping is removed. The kernel unpins first, which is the default.
   * `unmap-first` is what type1 does; within a batch of a set_map parent pages then stay pinned
   * until the table was pushed.
   */
  readonly order?: UnmapOrder;
  /** Keep the steps and check them; false by default. */
  readonly trace?: boolean;
  /**
   * What becomes of the pages of a run that could not be mapped: `unpinned` (default), or `leaked`
   * where the kernel's clean-up counts on a chunk that it forgot: see docs/vdpa.md.
   */
  readonly failedRun?: FailedRun;
  /** Is the platform's IOMMU cache coherent? True by default. */
  readonly coherentIommu?: boolean;
  /** The aperture of its domain, bytes, both included; everything by default. */
  readonly aperture?: readonly [first: bigint, last: bigint];
  /** The kernel's allocations; its own, of which none fails, by default. */
  readonly allocations?: Allocations;
  readonly wasm?: WasmSource;
}

const ORDERS = ["unpin-first", "unmap-first"];
const FAILED_RUNS = ["unpinned", "leaked"];

/** @throws ArgumentError E_TYPE, E_LIMIT, E_INVERTED */
export function checkOptions(options: VhostVdpaOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new ArgumentError("E_TYPE", "options must be an object", { argument: "options" });
  }
  const { parent } = options;
  if (typeof parent !== "object" || parent === null || typeof parent.reset !== "function") {
    throw new ArgumentError("E_TYPE", "parent must have a reset", { argument: "parent" });
  }
  if (has(parent, "setMap") && has(parent, "dmaMap")) {
    throw new ArgumentError("E_TYPE", "parent has set_map or dma_map, not both", {
      argument: "parent",
    });
  }
  checkWord("era", options.era ?? "7.0", VDPA_ERA_NAMES);
  checkWord("order", options.order ?? "unpin-first", ORDERS);
  checkWord("failedRun", options.failedRun ?? "unpinned", FAILED_RUNS);
  for (const [name, range] of Object.entries({ range: parent.range, aperture: options.aperture })) {
    if (range === undefined) continue;
    if (checkBytes(name, range[0]) > checkBytes(name, range[1])) {
      throw new ArgumentError("E_INVERTED", `${name} ends before it begins`, { argument: name });
    }
  }
}
