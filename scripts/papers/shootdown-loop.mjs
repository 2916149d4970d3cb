// T1: the madvise loop under haswell-2019, and the sweep of the delivery time.

import { Catalogue } from "../../dist/index.js";
import { hasPolicy, madviseLoop, repriced } from "./measure.mjs";
import { bounded, compared, notModelled } from "./rows.mjs";

const TABLE = "T1";
const UNIT = "ns an iteration";
const PROFILE = "haswell-2019";

/** Published ns: three of the two-thread cells gave S, D and F (3.4). */
const CELLS = [
  { policy: "sync", threads: 1, published: 661, kind: "fit" },
  { policy: "concurrent", threads: 1, published: 663, kind: "fit" },
  { policy: "sync", threads: 2, published: 1436, kind: "fit" },
  { policy: "concurrent", threads: 2, published: 1225, kind: "fit" },
  { policy: "no-wait", threads: 2, published: 923, kind: "fit" },
];
const EARLY = "early-ack";

/** Time against sequential, published as percentages; the price of a csd is from such a row. */
const FOUR_THREADS = [
  { policy: "concurrent", published: 0.9, bar: 0.05, kind: "prediction" },
  { policy: "no-wait", published: 0.68, bar: 0.05, kind: "check" },
];

async function earlyRows() {
  const row = { table: TABLE, unit: UNIT, kind: "prediction" };
  const what = `${EARLY}, 2 threads`;
  if (!hasPolicy(EARLY)) {
    const note = `there is no policy ${EARLY}; the row is computed once there is`;
    return [
      notModelled({ ...row, id: "T1-early-2", what, published: 1115, note }),
      notModelled({
        ...row,
        id: "T1-early-4",
        what: `${EARLY} / sync, 4 threads`,
        unit: "ratio",
        published: 0.82,
        note,
      }),
    ];
  }
  const two = await madviseLoop({ policy: EARLY, threads: 2, profile: PROFILE });
  const four = await madviseLoop({ policy: EARLY, threads: 4, profile: PROFILE });
  const sync = await madviseLoop({ policy: "sync", threads: 4, profile: PROFILE });
  return [
    compared({ ...row, id: "T1-early-2", what, published: 1115, simulated: two, bar: 0.1 }),
    compared({
      ...row,
      id: "T1-early-4",
      what: `${EARLY} / sync, 4 threads`,
      unit: "ratio",
      published: 0.82,
      simulated: four / sync,
      bar: 0.1,
    }),
  ];
}

export async function loopRows() {
  const rows = [];
  for (const { policy, threads, published, kind } of CELLS) {
    const simulated = await madviseLoop({ policy, threads, profile: PROFILE });
    rows.push(
      compared({
        id: `T1-${policy}-${threads}`,
        table: TABLE,
        what: `${policy}, ${threads} thread${threads === 1 ? "" : "s"}`,
        unit: UNIT,
        published,
        simulated,
        bar: 0.03,
        kind,
      }),
    );
  }
  const sync = await madviseLoop({ policy: "sync", threads: 4, profile: PROFILE });
  for (const { policy, published, bar, kind } of FOUR_THREADS) {
    const simulated = (await madviseLoop({ policy, threads: 4, profile: PROFILE })) / sync;
    rows.push(
      compared({
        id: `T1-${policy}-4`,
        table: TABLE,
        what: `${policy} / sync, 4 threads`,
        unit: "ratio",
        published,
        simulated,
        bar,
        kind,
      }),
    );
  }
  return [...rows, ...(await earlyRows())];
}

/** D of the sweep, us: bare metal to a guest. */
const DELIVERIES_US = [0.302, 0.5, 1, 2, 3, 5, 8, 12, 19];

/** D = deliver + csq.take + csd.unlock + ack: all but `deliver` stay as they are. */
export async function deliverySweep() {
  const { prices } = Catalogue.standard.profile(PROFILE);
  const rest = prices["csq.take"].ns + prices["csd.unlock"].ns + prices.ack.ns;
  const points = [];
  for (const us of DELIVERIES_US) {
    const profile = repriced(PROFILE, { deliver: Math.round(us * 1000) - rest });
    const sync = await madviseLoop({ policy: "sync", threads: 2, profile });
    const concurrent = await madviseLoop({ policy: "concurrent", threads: 2, profile });
    points.push({ us, sync, concurrent, gain: 1 - concurrent / sync });
  }
  return points;
}

export function sweepRows(points) {
  const row = { table: "3.4", kind: "prediction", unit: "gain of concurrent" };
  const gainAt = (us) => points.find((point) => point.us === us).gain;
  return [
    bounded({
      ...row,
      id: "3.4-bare",
      what: "D = 0.302 us, bare metal",
      published: "0.14 to 0.15",
      simulated: gainAt(0.302),
      least: 0.135,
      most: 0.155,
      kind: "fit",
    }),
    bounded({
      ...row,
      id: "3.4-guest",
      what: "D = 19 us, guest",
      published: "below 0.02",
      simulated: gainAt(19),
      least: 0,
      most: 0.02,
    }),
  ];
}
