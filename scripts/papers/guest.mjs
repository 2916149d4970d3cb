// T10: what a guest was measured to do, under guest-kvm.

import { callNs } from "./measure.mjs";
import { bounded, compared } from "./rows.mjs";

const PROFILE = "guest-kvm";

export async function guestRows() {
  const call = (options) => callNs({ profile: PROFILE, policy: "concurrent", ...options });
  const alone = await call({ call: "madvise", pages: 1, threads: 1 });
  const taken = await call({ call: "madvise", pages: 1, threads: 2 });
  const protect = (pages) => call({ call: "mprotect", pages, threads: 1, args: { prot: 1 } });
  const crossing = (await protect(34)) - (await protect(33));
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
    bounded({
      ...row,
      id: "T10-ceiling",
      what: "mprotect, 33 to 34 pages: crossing the ceiling",
      published: "-1,800 to -1,200",
      simulated: crossing,
      least: -1800,
      most: -1200,
    }),
  ];
}
