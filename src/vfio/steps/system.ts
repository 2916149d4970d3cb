/** Step files of `system: vfio` (docs/vfio.md). */
import { VFIO_ERAS } from "../eras.js";
import { anySystem } from "../../step-files/index.js";
import { type SetupText, setupShape } from "./shapes.js";
import { callIn, VERBS } from "./verbs.js";
import { openWorld, stateOf, verdictOf, type World } from "./world.js";

/** See the file comment. */
export const vfioSystem = anySystem<World, SetupText>({
  name: "vfio",
  title: "VFIO type1: pins, mappings, and unmap notifications",
  axes: { era: Object.keys(VFIO_ERAS), storage: ["packed", "tree"] },
  setup: setupShape,
  verbs: VERBS,
  verdicts: ["SAFE", "VIOLATION", "LEAK", "DEADLOCK", "FATAL"],
  open: (setup, cell) => openWorld(setup, cell, callIn),
  state: stateOf,
  verdict: verdictOf,
  close: ({ container }) => {
    container.dispose();
  },
});
