/** Step files of `system: iommufd` (docs/iommufd.md). */
import { anySystem } from "../../step-files/index.js";
import { IOMMUFD_ERAS } from "../era.js";
import { type SetupText, setupShape } from "./shapes.js";
import { callIn, VERBS } from "./verbs.js";
import { openWorld, stateOf, verdictOf, type World } from "./world.js";

/** See the file comment. */
export const iommufdSystem = anySystem<World, SetupText>({
  name: "iommufd",
  title: "iommufd: address spaces, pins by interval, page tables",
  axes: { era: IOMMUFD_ERAS },
  usual: { era: ["7.0"] },
  setup: setupShape,
  verbs: VERBS,
  verdicts: ["SAFE", "WARNED", "VIOLATION", "LEAK"],
  open: async (setup, { era }) => openWorld(setup, era, callIn),
  state: stateOf,
  verdict: verdictOf,
  close: () => {},
});
