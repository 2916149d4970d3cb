import { sharingConsumer } from "./family.js";

/** OpenCAPI: a register write for each page, and no release. */
export const ocxl = sharingConsumer({
  name: "ocxl",
  title: "OpenCAPI: one register write for each page; no release",
  source: "notifiers.md 4.5; Linux drivers/misc/ocxl/link.c",
  releases: false,
  price: "mmio",
});

/** Its driver has a release, which lets go of the mm before anything is freed. */
export const ocxlReleased = sharingConsumer({
  name: "ocxl-released",
  title: "OpenCAPI with a release that lets go of the mm",
  source: "notifiers.md 4.5, with what 1.3 makes others do",
  price: "mmio",
});
