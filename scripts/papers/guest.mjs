// T10: what a guest was measured to do, under guest-kvm.

import { callNs, repriced } from "./measure.mjs";
import { bounded, compared } from "./rows.mjs";

const PROFILE = "guest-kvm";
/** Between 50 and 62 ns, what `calibrate` finds in two of the bundled recordings. */
const CALIBRATED_PAGE_NS = 56;

export async function guestRows() {
  const call = (options) => callNs({ profile: PROFILE, policy: "concurrent", ...options });
  const alone = await call({ call: "madvise", pages: 1, threads: 1 });
  const taken = await call({ call: "madvise", pages: 1, threads: 2 });
  const crossing = async (profile) => {
    const options = { profile, call: "mprotect", threads: 1, args: { prot: 1 } };
    return (await call({ ...options, pages: 34 })) - (await call({ ...options, pages: 33 }));
  };
  const calibrated = repriced(PROFILE, { flushPage: CALIBRATED_PAGE_NS });
  const what = "mprotect, 33 to 34 pages: crossing the ceiling";
  const fall = { published: "-1,800 to -1,200", least: -1800, most: -1200 };
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
      ...fall,
      id: "T10-ceiling",
      what,
      simulated: await crossing(PROFILE),
    }),
    bounded({
      ...row,
      ...fall,
      id: "T10-ceiling-calibrated",
      what: `${what}, at ${CALIBRATED_PAGE_NS} ns a page`,
      simulated: await crossing(calibrated),
    }),
  ];
}
