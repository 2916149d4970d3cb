/** What programs do with a vhost-vdpa device when the guest's driver stops it and starts it. */
import { checkBytes } from "./addresses.js";
import { ArgumentError } from "../errors.js";
import type { UserMm } from "../mm/user-mm.js";
import type { Failed } from "../uapi/outcome.js";
import { type Bytes, SPACE } from "./addresses.js";
import { featureMask, hasBit, type VdpaFeature, VDPA_FEATURES } from "./feature-bits.js";
import type { VdpaMessage } from "./messages.js";
import { DRIVER_OK, type VhostVdpa } from "./vhost-vdpa.js";

/** Memory of the guest that is mapped at once: one UPDATE. Bytes. */
export interface VdpaRegion {
  readonly iova: Bytes;
  readonly size: Bytes;
  readonly uaddr: Bytes;
  readonly perm?: VdpaMessage["perm"];
  readonly asid?: number;
}

/** A program. */
export interface VdpaStrategy {
  readonly name: string;
  readonly title: string;
  /** Features it acknowledges where they are offered. */
  readonly acks: readonly VdpaFeature[];
  /** Does it wrap its messages in batches, if it acknowledged them? */
  readonly batches: boolean;
  /** Does it leave its mappings alone over a stop, if it acknowledged IOTLB_PERSIST? */
  readonly keepsMaps: boolean;
  /** What comes first in a stop: the reset, as in QEMU, or its unmaps. */
  readonly stop: "reset-first" | "unmap-first";
}

const QEMU: readonly VdpaFeature[] = ["IOTLB_MSG_V2", "IOTLB_BATCH", "IOTLB_ASID", "SUSPEND"];
const PERSIST: readonly VdpaFeature[] = [...QEMU, "IOTLB_PERSIST"];
const RESET_FIRST = { batches: true, stop: "reset-first" } as const;

const LIST: readonly VdpaStrategy[] = [
  {
    ...{ name: "none", acks: [], batches: false, keepsMaps: false, stop: "reset-first" },
    title: "acknowledges nothing, no batches",
  },
  {
    ...{ name: "old", acks: QEMU.slice(0, 2), keepsMaps: false, ...RESET_FIRST },
    title: "QEMU at first (0021c4765a6b): bits 1 and 2; reset, unmap all, map all",
  },
  {
    ...{ name: "unmap-map", acks: QEMU, keepsMaps: false, ...RESET_FIRST },
    title: "QEMU up to 10.2.50: bits 1 to 4; reset, unmap all, map all",
  },
  {
    ...{ name: "unbatched", acks: QEMU, keepsMaps: false, ...RESET_FIRST, batches: false },
    title: "as unmap-map, without batches",
  },
  {
    ...{ name: "acked-unmap-map", acks: PERSIST, keepsMaps: false, ...RESET_FIRST },
    title: "acknowledges IOTLB_PERSIST, and unmaps and maps all the same",
  },
  {
    ...{ name: "persist", acks: PERSIST, keepsMaps: true, ...RESET_FIRST },
    title: "acknowledges IOTLB_PERSIST and leaves its mappings alone",
  },
];

/** Programs by name. */
export const VDPA_STRATEGIES: ReadonlyMap<string, VdpaStrategy> = new Map(
  LIST.map((strategy) => [strategy.name, strategy]),
);

/** See {@link VDPA_STRATEGIES}. @throws ArgumentError E_NOENT */
export function vdpaStrategy(name: string): VdpaStrategy {
  const found = VDPA_STRATEGIES.get(name);
  if (found !== undefined) return found;
  const known = [...VDPA_STRATEGIES.keys()].join(", ");
  throw new ArgumentError("E_NOENT", `no strategy "${name}"; there are ${known}`, {
    argument: "strategy",
  });
}

/** A program that has a device: its strategy and the regions it has mapped or would map. */
export class VdpaUserspace {
  /** What it was refused, in order. */
  readonly failures: Failed[] = [];
  private isMapped = false;

  constructor(
    readonly device: VhostVdpa,
    readonly strategy: VdpaStrategy,
    readonly regions: readonly VdpaRegion[],
  ) {
    for (const { iova, size, uaddr } of regions) {
      checkBytes("iova", iova);
      checkBytes("size", size);
      checkBytes("uaddr", uaddr);
    }
  }

  /** Opens the device for `mm` and acknowledges what the strategy wants and the device offers. */
  open(mm: UserMm): boolean {
    const { device, strategy } = this;
    if (!this.note(device.open()) || !this.note(device.setOwner(mm))) return false;
    const offered = device.getBackendFeatures();
    if (!offered.ok) return this.note(offered);
    const wanted = strategy.acks.filter((name) => hasBit(offered.value, VDPA_FEATURES[name]));
    return this.note(device.setBackendFeatures(featureMask(wanted)));
  }

  private note(outcome: { readonly ok: true } | Failed): boolean {
    if (!outcome.ok) this.failures.push(outcome);
    return outcome.ok;
  }

  /** Are mappings left alone over a stop? */
  get keepsMaps(): boolean {
    return this.strategy.keepsMaps && this.acked("IOTLB_PERSIST");
  }

  private acked(name: VdpaFeature): boolean {
    return hasBit(this.device.ackedFeatures, VDPA_FEATURES[name]);
  }

  /** The driver starts: maps everything that is not mapped, then DRIVER_OK. */
  start(): void {
    if (!this.isMapped) this.mapAll();
    this.note(this.device.setStatus(this.device.status | DRIVER_OK));
  }

  /** The driver stops: suspends if it can, then resets and unmaps in the strategy's order. */
  stop(): void {
    if (this.acked("SUSPEND")) this.note(this.device.suspend());
    const unmaps = !this.keepsMaps;
    if (unmaps && this.strategy.stop === "unmap-first") this.unmapAll();
    this.note(this.device.setStatus(0));
    if (unmaps && this.strategy.stop === "reset-first") this.unmapAll();
  }

  mapAll(): void {
    this.send("update");
    this.isMapped = true;
  }

  unmapAll(): void {
    this.send("invalidate");
    this.isMapped = false;
  }

  private send(type: "update" | "invalidate"): void {
    const asids = [...new Set(this.regions.map(({ asid = 0 }) => asid))];
    const version = this.acked("IOTLB_MSG_V2") ? 2 : 1;
    const batches = this.strategy.batches && this.acked("IOTLB_BATCH");
    for (const asid of asids) {
      const write = (message: VdpaMessage): boolean =>
        this.note(this.device.write({ ...message, version, asid }));
      if (batches) write({ type: "batch-begin" });
      for (const region of this.regions) {
        if ((region.asid ?? 0) !== asid) continue;
        for (const part of halves(type, region)) write(part);
      }
      if (batches) write({ type: "batch-end" });
    }
  }
}

/** An unmapping of the whole space, whose size does not fit 64 bits, is sent as two halves. */
function halves(type: "update" | "invalidate", region: VdpaRegion): VdpaMessage[] {
  const { iova, size, uaddr, perm } = region;
  if (type === "update") {
    return [{ type, iova, size, uaddr, ...(perm === undefined ? {} : { perm }) }];
  }
  if (BigInt(size) < SPACE - 1n) return [{ type, iova, size }];
  return [
    { type, iova: 0n, size: SPACE / 2n },
    { type, iova: SPACE / 2n, size: SPACE / 2n },
  ];
}
