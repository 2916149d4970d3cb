// The two charts of docs/pinned-sets.md as SVG text; the same figures make the same text.

import { View, parse } from "vega";
import { compile } from "vega-lite";

const COLOURS = ["#d62728", "#1f77b4", "#2ca02c"];
const CONFIG = { aria: false, font: "sans-serif", view: { stroke: "#dddddd" } };

async function svg(spec) {
  const whole = { background: "white", padding: 8, config: CONFIG, ...spec };
  return `${await new View(parse(compile(whole).spec), { renderer: "none" }).toSVG()}\n`;
}

/** Pinned pages against the share of the trace that is done, a line a profile. */
export function sizeChart(found) {
  const values = [...found].flatMap(([profile, { curve }]) =>
    curve.map((pages, i) => ({ profile, done: (100 * (i + 1)) / curve.length, pages })),
  );
  return svg({
    width: 560,
    height: 300,
    title: { text: "pinned pages over the trace", anchor: "start" },
    data: { values: values.filter(({ pages }) => pages > 0) },
    mark: { type: "line", strokeWidth: 1.5 },
    encoding: {
      x: { field: "done", type: "quantitative", axis: { title: "requests done, %" } },
      y: {
        field: "pages",
        type: "quantitative",
        scale: { type: "log" },
        axis: { title: "pages", format: "~s", values: [1, 10, 100, 1e3, 1e4, 1e5] },
      },
      color: {
        field: "profile",
        type: "nominal",
        sort: null,
        scale: { range: COLOURS },
        legend: { title: null },
      },
    },
  });
}

/** Bytes a pinned page at the peak, packed and in the kernel's nodes, by profile. */
export function bytesChart(found) {
  const values = [...found].flatMap(([profile, figures]) => [
    { profile, kept: "packed", bytes: figures.packedBytes / figures.peak },
    { profile, kept: "node, 48 bytes", bytes: figures.treeBytes / figures.peak },
    { profile, kept: "node in a slab, 64", bytes: figures.slabBytes / figures.peak },
  ]);
  return svg({
    width: { step: 36 },
    height: 260,
    title: { text: "bytes a pinned page, at the peak", anchor: "start" },
    data: { values },
    mark: "bar",
    encoding: {
      x: { field: "profile", type: "nominal", sort: null, axis: { title: null, labelAngle: 0 } },
      xOffset: { field: "kept", sort: null },
      y: { field: "bytes", type: "quantitative", axis: { title: "bytes" } },
      color: {
        field: "kept",
        type: "nominal",
        sort: null,
        scale: { range: COLOURS },
        legend: { title: null },
      },
    },
  });
}
