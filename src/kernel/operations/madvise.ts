/** Row 2: madvise(MADV_DONTNEED), under mmapLock for reading, so several can run at once. */
import { op } from "../../program/notation.js";
import { operation } from "../operation.js";
import { ZAP_SITE } from "../sites.js";

export const madvise = operation(
  "madvise",
  ["start", "end"],
  {
    summary: "MADV_DONTNEED: drops the pages of [start, end), the mapping stays",
    source: "notifiers.md 2.4 row 2",
    settles: "range",
  },
  (kit, { start, end }) => [
    op("mmap.read.lock"),
    kit.splitEdges(start, end),
    kit.gather([kit.range(ZAP_SITE, "CLEAR", start, end, kit.zap(start, end))]),
    op("mmap.read.unlock"),
  ],
);
