/** Parents by name: those of the kernel's tree, and those of the truth table. */
import type { VdpaEraName } from "./eras.js";
import { featureMask } from "./feature-bits.js";
import type { ModelParentOptions } from "./model-parent.js";

/** A named parent. */
export interface ParentPreset extends ModelParentOptions {
  readonly name: string;
  /** Letter and digit in the truth table of docs/vdpa.md, for those that are in it. */
  readonly symbol?: string;
  /** The kernel it belongs to. */
  readonly era: VdpaEraName;
  /** What it stands for. */
  readonly title: string;
}

const LATE_ENABLE = featureMask(["ENABLE_AFTER_DRIVER_OK"]);
/** What the simulator of 6.x has in common. */
const SIM = {
  ...({ identity: "all", failedSetMap: "empties", useVa: true } as const),
  ...{ groups: 2, addressSpaces: 2, virtqueues: 3, suspend: true, resume: true },
  backendFeatures: LATE_ENABLE,
} as const;
const MLX5 = {
  ...({ mapping: "set-map", identity: "first", suspend: true } as const),
  ...{ addressSpaces: 2, virtqueues: 3, backendFeatures: LATE_ENABLE },
} as const;
const CLEAN_IF_TOLD = { resetMap: true, resetClears: "if-told" } as const;

const LIST: readonly ParentPreset[] = [
  {
    ...({ name: "platform", symbol: "P", era: "7.0", mapping: "platform" } as const),
    title: "ifcvf, vp_vdpa, alibaba eni, pds, octeon_ep, solidrun: behind the platform's IOMMU",
  },
  {
    ...({ name: "set-map-old", symbol: "S0", era: "7.0", mapping: "set-map" } as const),
    ...({ identity: "all", resetClears: "always", addressSpaces: 2, groups: 2 } as const),
    title: "set_map, a reset clears",
  },
  {
    ...({ name: "set-map", symbol: "S1", era: "7.0", mapping: "set-map" } as const),
    ...({ identity: "all", ...CLEAN_IF_TOLD, addressSpaces: 2, groups: 2 } as const),
    title: "set_map, reset_map, compat_reset",
  },
  {
    ...({ name: "dma-map-old", symbol: "D0", era: "7.0", mapping: "dma-map" } as const),
    ...({ identity: "all", resetClears: "always", addressSpaces: 2, groups: 2 } as const),
    title: "dma_map, a reset clears",
  },
  {
    ...({ name: "dma-map", symbol: "D1", era: "7.0", mapping: "dma-map" } as const),
    ...({ identity: "all", ...CLEAN_IF_TOLD, addressSpaces: 2, groups: 2 } as const),
    title: "dma_map, reset_map, compat_reset",
  },
  {
    ...({ name: "vduse", symbol: "V", era: "7.0", mapping: "set-map", useVa: true } as const),
    title: "VDUSE: set_map in VA mode; a reset clears its bounce buffers only",
  },
  {
    ...({ name: "module-on", symbol: "M1", era: "7.0", mapping: "set-map" } as const),
    ...({ identity: "all", resetMap: true, addressSpaces: 2, groups: 2 } as const),
    title: "the series' version 3 with persist_mapping=1",
  },
  {
    ...({ name: "module-off", symbol: "M0", era: "7.0", mapping: "set-map" } as const),
    ...({ identity: "all", resetClears: "always", addressSpaces: 2, groups: 2 } as const),
    title: "the series' version 3 with persist_mapping=0",
  },
  {
    ...({ name: "compliant-set-map", era: "7.0", mapping: "set-map", resetMap: true } as const),
    identity: "all",
    title: "a new parent with set_map and reset_map, which never cleared in a reset",
  },
  {
    ...({ name: "compliant-dma-map", era: "7.0", mapping: "dma-map", resetMap: true } as const),
    identity: "all",
    title: "a new parent with dma_map and reset_map, which never cleared in a reset",
  },
  {
    ...({ ...MLX5, name: "mlx5-6.6", era: "6.6", resetClears: "always", groups: 2 } as const),
    title: "mlx5_vdpa up to 6.6: a reset destroys its keys and makes the 1:1 key again",
  },
  {
    ...({ ...MLX5, ...CLEAN_IF_TOLD, name: "mlx5-6.7", era: "6.7", groups: 3 } as const),
    hasDescriptorGroup: true,
    title: "mlx5_vdpa since 6.7 (2eacf4b5e3eb)",
  },
  {
    ...({ name: "vdpa_sim-5.15", era: "5.15", mapping: "set-map" } as const),
    ...({ resetClears: "always", failedSetMap: "empties" } as const),
    title: "the simulator of 5.15 with batch_mapping=1: a reset empties its table",
  },
  {
    ...({ name: "vdpa_sim-5.15-dma", era: "5.15", mapping: "dma-map" } as const),
    resetClears: "always",
    title: "the simulator of 5.15 with batch_mapping=0",
  },
  {
    ...({ ...SIM, name: "vdpa_sim-6.6", era: "6.6", mapping: "set-map" } as const),
    resetClears: "always",
    title: "the simulator before 6.7: a reset goes back to 1:1",
  },
  {
    ...({ ...SIM, name: "vdpa_sim-6.6-dma", era: "6.6", mapping: "dma-map" } as const),
    resetClears: "always",
    title: "the simulator before 6.7 with batch_mapping=0",
  },
  {
    ...({ ...SIM, ...CLEAN_IF_TOLD, name: "vdpa_sim-6.7", era: "6.7" } as const),
    mapping: "set-map",
    title: "the simulator since 6.7 (86f6c224c971)",
  },
  {
    ...({ ...SIM, ...CLEAN_IF_TOLD, name: "vdpa_sim-6.7-dma", era: "6.7" } as const),
    mapping: "dma-map",
    title: "the simulator since 6.7 with batch_mapping=0",
  },
];

/** Parents by name. `vdpa_sim` of 6.x is in VA mode, as by its default (use_va=1). */
export const VDPA_PARENTS: ReadonlyMap<string, ParentPreset> = new Map(
  LIST.map((preset) => [preset.name, preset]),
);

/** A preset by name, or by its symbol in the truth table. */
export function parentPreset(name: string): ParentPreset | undefined {
  return VDPA_PARENTS.get(name) ?? LIST.find(({ symbol }) => symbol === name);
}
