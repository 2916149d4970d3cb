/**
 * Traffic of a device that shares the address space of a recorded process: seeded picks among the
 * pages the process touched lately. Pages leave that list as they age, not when they are unmapped,
 * so a device now and then uses a buffer whose owner has just given it up: what is left of its
 * translation then shows.
 */
import type { Machine } from "../machine.js";
import type { Random } from "../seed.js";
import type { Space } from "./spaces.js";

/** Pages a device picks from. */
const RECENT = 64;
/** Accesses fall into so many ns after the event they belong to: into the middle of its work. */
const SPREAD_NS = 30_000;
const PERCENT = 100;

/** See the file comment. */
export class DeviceTraffic {
  private readonly recent: number[] = [];
  private at = 0;
  private space: Space | null = null;
  private device = -1;
  /** Accesses so far. */
  accesses = 0;

  constructor(
    private readonly machine: Machine,
    private readonly consumer: string,
    private readonly random: Random,
    /** Accesses per event of the process. */
    private readonly rate: number,
    /** Of a hundred accesses, so many write. */
    private readonly writePercent: number,
  ) {}

  /** Puts the device behind `space`. */
  attach(space: Space): void {
    this.space = space;
    this.device = this.machine.attach(this.consumer, space.row);
  }

  /** `space` is used at simulated time `atNs`; `vpn` is -1 if no page is known. */
  touched(space: Space, vpn: number, atNs: number): void {
    if (space !== this.space || space.dead) return;
    for (let i = 0; i < this.rate && this.recent.length > 0; i++) {
      const page = this.recent[this.random.below(this.recent.length)];
      const write = this.random.below(PERCENT) < this.writePercent;
      const later = this.random.below(SPREAD_NS);
      if (!this.machine.hasRoom(this.machine.geometry.cpus + this.device)) break;
      this.machine.submitAccess(this.device, this.consumer, page, write, atNs + later);
      this.accesses++;
    }
    if (vpn < 0) return;
    this.recent[this.at] = vpn;
    this.at = (this.at + 1) % RECENT;
  }
}
