/** A device of a container, and what it has pinned by its own account. */
import type { PinStore } from "../pin-store.js";

/** Told of an unmap: the range in bytes. Expected to unpin what the device has pinned in it. */
export type DmaUnmap = (iova: bigint, size: bigint) => void;

/** An open device. Made by `VfioContainer.openDevice`. */
export class VfioDevice {
  /** @internal */
  isOpen = true;
  /** @internal What it was told by others about pins it still counts as its own: who let go. */
  readonly culprits = new Map<number, string>();

  /** @internal */
  constructor(
    readonly name: string,
    /** Name of its group. */
    readonly group: string,
    /** Told of unmaps while it is registered. */
    public dmaUnmap: DmaUnmap | undefined,
    /** @internal Called when it is closed, while it still listens. */
    readonly onClose: (() => void) | undefined,
    /**
     * @internal Its pins by page: the kernel keeps no such list. The frame of each page is the one
     * it was given first.
     */
    readonly ledger: PinStore | undefined,
  ) {}

  /** Pins it has not given back itself. */
  get pins(): number {
    return this.ledger?.pins ?? 0;
  }
}
