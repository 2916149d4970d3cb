// T10: what a guest was measured to do, under guest-kvm.

import { callNs } from "./measure.mjs";
import { bounded, compared } from "./rows.mjs";

const PROFILE = "guest-kvm";

/** ns of mprotect of so many pages by the only thread. */
function mprotectNs(pages) {
  const args = { prot: 1 };
  return callNs({
    profile: PROFILE,
    policy: "concurrent",
    call: "mprotect",
    threads: 1,
    pages,
    args,
  });
}

export async function guestRows() {
  const call = (options) => callNs({ profile: PROFILE, policy: "concurrent", ...options });
  const alone = await call({ call: "madvise", pages: 1, threads: 1 });
  const taken = await call({ call: "madvise", pages: 1, threads: 2 });
  const below = await mprotectNs(33);
  const row = { table: "T10", unit: "ns", kind: "prediction" };
  return [
    compared({
      ...row,
      id: "T10-taken",
      what: "madvise of 1 page: a taken shootdown adds (p90 of 2 threads - p50 of 1)",
      published: 22592 - 1903,
      simulated: taken - alone,
      bar: 0.1,
    }),
    compared({
      ...row,
      id: "T10-slope",
      what: "mprotect, 1 to 33 pages: a page",
      kind: "fit",
      published: (7644 - 2885) / 32,
      simulated: (below - (await mprotectNs(1))) / 32,
      bar: 0.05,
    }),
    bounded({
      ...row,
      id: "T10-ceiling",
      what: "mprotect, 33 to 34 pages: crossing the ceiling",
      kind: "fit",
      published: "-1,800 to -1,200",
      least: -1800,
      most: -1200,
      simulated: (await mprotectNs(34)) - below,
    }),
  ];
}
