/** A device whose model is the host's, as the embedder sees it. */
import type { DeviceCounters, DeviceOps } from "./types.js";

/** What a device can do to memory through a translation of its own. */
export interface DeviceAccess {
  /** The frame, as the translation has it. */
  readonly frame: number;
  /** The frame's generation when the translation was made. */
  readonly generation: number;
  /**
   * The device has the page to itself (its own memory, or exclusively): the page table does not
   * grant it, and only the frame's generation tells whether it may be used.
   */
  readonly alone?: boolean;
}

/** See the file comment. Made by {@link Machine.attachDevice}. */
export class HostDevice {
  /** How often it was asked. */
  readonly counters: DeviceCounters = {
    starts: 0,
    ends: 0,
    secondaries: 0,
    releases: 0,
    refused: 0,
    ignored: 0,
    ns: 0,
  };

  constructor(
    /** Device index of the machine. */
    readonly index: number,
    readonly mm: number,
    readonly ops: DeviceOps,
    private readonly access: (
      index: number,
      page: number,
      through: DeviceAccess,
      write: boolean,
    ) => boolean,
    private readonly detaching: (index: number) => void,
  ) {}

  /**
   * The device reads or writes page `page` through what it has cached. False: it must not have any
   * more, which is a hazard of the machine (UAF, STALE, LOSTW), as for any device.
   * @throws ArgumentError E_TYPE, E_LIMIT, E_ADDR_RANGE
   */
  use(page: number, through: DeviceAccess, write: boolean): boolean {
    return this.access(this.index, page, through, write);
  }

  /** It is not told of anything any more. @throws ShootdownError E_BUSY from inside a callback */
  detach(): void {
    this.detaching(this.index);
  }
}
