/** Step files of `system: vdpa` (docs/vdpa.md). */
import { anySystem } from "../../step-files/system.js";
import { VDPA_ERA_NAMES } from "../eras.js";
import { PARENT_NAMES, setupShape } from "./setup.js";
import { VDPA_VERBS } from "./verbs.js";
import { openWorld, stateOf, VDPA_VERDICTS, verdictOf } from "./world.js";

/** Axes: the kernel, what is first at an unmapping, and the parent, `setup` being the setup's. */
export const vdpaSystem = anySystem({
  name: "vdpa",
  title: "a vhost-vdpa device: its mappings, its parent, and the programs that use it",
  axes: {
    era: VDPA_ERA_NAMES,
    order: ["unpin-first", "unmap-first"],
    parent: ["setup", ...PARENT_NAMES],
  },
  usual: { era: ["7.0"], order: ["unpin-first"], parent: ["setup"] },
  setup: setupShape,
  verbs: VDPA_VERBS,
  verdicts: VDPA_VERDICTS,
  open: openWorld,
  state: stateOf,
  verdict: verdictOf,
  close: ({ device, parent }) => {
    device.dispose();
    parent.dispose();
  },
});
