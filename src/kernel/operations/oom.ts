/** Row 4: the OOM reaper takes the memory of a process that is about to die. */
import { op } from "../../program/notation.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { OOM_SITE } from "../sites.js";

/** Its bracket may not sleep; where somebody refuses that, the pages stay. */
export const oomReap = operation(
  "oom.reap",
  ["start", "end"],
  {
    summary: "drops the pages of [start, end) of a process that is killed",
    source: "notifiers.md 2.4 row 4; Linux __oom_reap_task_mm",
    settles: "range",
    needs: NEEDS_DATA,
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    kit.splitEdges(start, end),
    kit.gather(kit.range(OOM_SITE, "CLEAR", start, end, kit.zap(start, end), { noSleep: true })),
    op("mmap.read.unlock"),
  ],
);
