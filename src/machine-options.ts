/** What a machine is made from. */
import type { Geometry } from "./core/geometry.js";
import type { WasmSource } from "./core/loader.js";
import type { Catalogue } from "./kernel/catalogue.js";
import type { Consumer } from "./kernel/consumer.js";
import type { Era } from "./kernel/era.js";
import type { Script } from "./kernel/image.js";
import type { FlushPolicy } from "./kernel/policy.js";
import type { CostProfile } from "./kernel/profile.js";
import type { Faults } from "./kernel/subscribers.js";

/** What a machine is made from; everything has a default. */
export interface MachineOptions {
  readonly geometry?: Partial<Geometry>;
  /** Sizes that `geometry` changes; the timed ones by default. */
  readonly baseGeometry?: Geometry;
  /** Name or definition; `coupled` by default. */
  readonly era?: string | Era;
  /** Name or definition; `concurrent` by default. */
  readonly policy?: string | FlushPolicy;
  /** Consumers that may be attached; `sharing` and `mirroring` by default. */
  readonly consumers?: readonly (string | Consumer)[];
  /** Prices; `haswell-2019` by default. */
  readonly profile?: string | CostProfile;
  readonly catalogue?: Catalogue;
  /** Devices and threads may be the host's: see `Machine.attachDevice()`. */
  readonly hostDevices?: boolean;
  /** Scripts to assemble, for `Machine.startScript()`. */
  readonly scripts?: readonly Script[];
  /** Assemble the scripts only. */
  readonly scriptsOnly?: boolean;
  /** Where subscribers can refuse a bracket that may not sleep; `fixed` by default. */
  readonly faults?: Faults;
  /** OPT_* bits; lazy CPUs are skipped by default. */
  readonly options?: number;
  /** Kinds of events to record, as EV_* numbers; none by default. */
  readonly record?: readonly number[];
  /** Bytes wanted behind the machine, for a driver's own tables. */
  readonly extraBytes?: number;
  readonly wasm?: WasmSource;
}
