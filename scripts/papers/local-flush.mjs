// 3.2: the local flush of a kernel build under skylake-2017, without and with page-table isolation.

import { SKYLAKE_GHZ } from "../../dist/kernel/profiles/skylake-2017.js";
import { leastSquares, localFlushNs } from "./measure.mjs";
import { compared } from "./rows.mjs";

/** Published cycles by pages; the intercepts and slopes are of the rows of 27 and 129 pages. */
export const VARIANTS = [
  {
    profile: "skylake-2017",
    title: "INVLPG",
    intercept: 317,
    slope: 196.5,
    rows: [
      [1, 692],
      [2, 883],
      [3, 1146],
      [4, 1276],
      [27, 5622],
      [33, 7069],
      [35, 7923],
      [64, 13092],
      [129, 25663],
    ],
  },
  {
    profile: "skylake-2017-pti",
    title: "INVLPG + INVPCID",
    intercept: 350,
    slope: 544,
    rows: [
      [27, 15043],
      [33, 18481],
      [35, 20303],
      [64, 35670],
      [129, 70550],
    ],
  },
];

/** Simulated cycles beside the published ones. */
export async function localFlushes() {
  const all = [];
  for (const variant of VARIANTS) {
    const points = [];
    for (const [pages, published] of variant.rows) {
      const cycles = [];
      for (const call of ["madvise", "munmap"]) {
        cycles.push(SKYLAKE_GHZ * (await localFlushNs({ profile: variant.profile, pages, call })));
      }
      if (cycles[0] !== cycles[1]) throw new Error("papers: madvise and munmap flush differently");
      points.push({ pages, published, simulated: cycles[0] });
    }
    const fit = leastSquares(points.map(({ pages, simulated }) => [pages, simulated]));
    const measured = leastSquares(variant.rows);
    all.push({ ...variant, points, fit, measured });
  }
  return all;
}

export function flushRows(variants) {
  return variants.flatMap(({ profile, title, intercept, slope, fit }) => {
    const row = { table: "3.2", bar: 0.05, kind: "fit" };
    return [
      compared({
        ...row,
        id: `3.2-${profile}-intercept`,
        what: `${title}: intercept`,
        unit: "cycles",
        published: intercept,
        simulated: fit.intercept,
      }),
      compared({
        ...row,
        id: `3.2-${profile}-slope`,
        what: `${title}: slope`,
        unit: "cycles a page",
        published: slope,
        simulated: fit.slope,
      }),
    ];
  });
}
