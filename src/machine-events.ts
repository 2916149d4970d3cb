/** The core's event log, decoded. */
import * as abi from "./core/abi.js";
import type { Core } from "./core/core.js";

/** One recorded deed. `a` and `b` are as listed with EV_* in the ABI; Infinity is "everything". */
export interface MachineEvent {
  /** EV_* */
  readonly kind: number;
  /** ns of simulated time when its step began. */
  readonly timeNs: number;
  readonly actor: number;
  readonly code: number;
  /** Task index on that CPU, -1 if none. */
  readonly task: number;
  /** EV_BRACKET: the call site that opens it, see `siteOfCode`; 0: none. */
  readonly site: number;
  readonly a: number;
  readonly b: number;
}

/** Reads and empties the log. */
export class EventReader {
  constructor(private readonly core: Core) {}

  /**
   * Hands every record to `onEvent`, oldest first, and empties the log. If it throws, the records
   * it was not given stay. True: there were some, and somebody was told.
   */
  drain(onEvent?: (event: MachineEvent) => void): boolean {
    const { core } = this;
    const n = core.header[abi.H_LOG_LEN];
    if (n === 0) return false;
    const base = core.at(abi.H_OFF_LOG);
    let given = onEvent ? 0 : n;
    try {
      while (onEvent && given < n) onEvent(this.record(base + given++ * abi.EV_BYTES));
    } finally {
      core.u8.copyWithin(base, base + given * abi.EV_BYTES, base + n * abi.EV_BYTES);
      core.header[abi.H_LOG_LEN] = n - given;
    }
    return onEvent !== undefined;
  }

  private record(p: number): MachineEvent {
    const { core } = this;
    return {
      timeNs: core.readU64(p),
      actor: core.u16[(p + 8) >> 1],
      kind: core.u8[p + 10],
      code: core.u8[p + 11],
      task: core.u16[(p + 12) >> 1] - 1,
      site: core.u16[(p + 14) >> 1],
      a: core.readU64(p + 16),
      b: core.readU64(p + 24),
    };
  }
}
