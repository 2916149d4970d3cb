// The charts of docs/papers.md. The same points make the same text.

import { View, parse } from "vega";
import { compile } from "vega-lite";

const SIZE = { width: 480, height: 280 };
const COLOURS = ["#d62728", "#1f77b4", "#2ca02c", "#ff7f0e"];

function frame(title, subtitle) {
  return {
    background: "white",
    padding: 8,
    ...SIZE,
    title: { text: title, subtitle, anchor: "start", subtitlePadding: 4, offset: 14 },
    // Words about every point, for screen readers, would be most of the file.
    config: {
      aria: false,
      font: "sans-serif",
      view: { stroke: "#dddddd" },
      axis: { gridColor: "#eeeeee" },
    },
  };
}

function colour(domain) {
  return {
    field: "series",
    type: "nominal",
    sort: null,
    scale: { domain, range: COLOURS.slice(0, domain.length) },
    legend: { title: null, labelLimit: 240 },
  };
}

async function svg(spec) {
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

/** Gain of concurrency over the delivery time, with the published ends. */
export function deliveryChart(points) {
  const x = {
    field: "us",
    type: "quantitative",
    scale: { type: "log" },
    axis: { title: "delivery to ack, us", values: [0.3, 0.5, 1, 2, 5, 10, 20] },
  };
  const y = {
    field: "gain",
    type: "quantitative",
    axis: { title: "time saved against sequential, %" },
  };
  const values = points.map(({ us, gain }) => ({ us, gain: gain * 100, series: "simulated" }));
  values.push({ us: 0.302, gain: 14, series: "published (T1)" });
  const encoding = { x, y, color: colour(["simulated", "published (T1)"]) };
  return svg({
    ...frame("What concurrency saves, as interrupts get slower", "haswell-2019, 2 threads, 1 page"),
    data: { values },
    layer: [
      {
        transform: [{ filter: "datum.series === 'simulated'" }],
        mark: { type: "line", point: { filled: true, size: 30 }, strokeWidth: 1.5 },
        encoding,
      },
      {
        transform: [{ filter: "datum.series !== 'simulated'" }],
        mark: { type: "point", filled: true, size: 70, shape: "diamond" },
        encoding,
      },
    ],
  });
}

/** Cycles of a local flush over pages: published points, simulated lines. */
export function localFlushChart(variants) {
  const values = variants.flatMap(({ title, points }) =>
    points.flatMap(({ pages, published, simulated }) => [
      { pages, cycles: published, series: title, kind: "published" },
      { pages, cycles: simulated, series: title, kind: "simulated" },
    ]),
  );
  const encoding = {
    x: { field: "pages", type: "quantitative", axis: { title: "pages" } },
    y: { field: "cycles", type: "quantitative", axis: { title: "cycles", format: "~s" } },
    color: colour(variants.map(({ title }) => title)),
  };
  return svg({
    ...frame(
      "Local flush of a range",
      "points: published [K14]; lines: skylake-2017 and its PTI twin",
    ),
    data: { values },
    layer: [
      {
        transform: [{ filter: "datum.kind === 'simulated'" }],
        mark: { type: "line", strokeWidth: 1.5 },
        encoding,
      },
      {
        transform: [{ filter: "datum.kind === 'published'" }],
        mark: { type: "point", filled: true, size: 40 },
        encoding,
      },
    ],
  });
}

/** Published and simulated bars, side by side, of rows that share a unit. */
export function barChart(title, subtitle, unit, rows) {
  const values = rows.flatMap(({ what, published, simulated }) => [
    { what, value: published, series: "published" },
    { what, value: simulated, series: "simulated" },
  ]);
  return svg({
    ...frame(title, subtitle),
    data: { values },
    mark: { type: "bar" },
    encoding: {
      x: {
        field: "what",
        type: "nominal",
        sort: null,
        axis: { title: null, labelAngle: 0, labelExpr: "split(datum.label, ', ')" },
      },
      xOffset: { field: "series", sort: null },
      y: { field: "value", type: "quantitative", axis: { title: unit } },
      color: colour(["published", "simulated"]),
    },
  });
}
