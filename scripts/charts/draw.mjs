// One chart as SVG text. Drawn without a browser; the same points make the same text.

import { View, parse } from "vega";
import { compile } from "vega-lite";
import { sizeText } from "./caches.mjs";

const COLOURS = [
  "#d62728",
  "#ff7f0e",
  "#1f77b4",
  "#2ca02c",
  "#17becf",
  "#9467bd",
  "#8c564b",
  "#e377c2",
  "#7f7f7f",
  "#bcbd22",
];

const WIDTH = 560;
const HEIGHT = 340;

const many = (n) => Math.round(n).toLocaleString("en-US");

/** Where entries fill a cache, as far as the chart goes. */
function rulesOf({ points, caches, bytes }) {
  if (bytes === undefined) return [];
  const sizes = points.map(({ entries }) => entries);
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  return caches
    .map((cache) => ({ name: cache.name, entries: cache.bytes / bytes }))
    .filter(({ entries }) => entries >= low && entries <= high);
}

function captionOf({ caches, bytes }) {
  if (bytes === undefined || caches.length === 0) return [];
  const each = caches.map(({ name, bytes: size }) => {
    return `${name} ${sizeText(size)} = ${many(size / bytes)} entries`;
  });
  return [each.join(" · "), `at ${Math.round(bytes)} bytes an entry (shootdown)`];
}

/** Powers of ten, times `steps`, from just below the smallest to just above the largest. */
function ticksOf(points, field, steps) {
  const values = points.map((point) => point[field]);
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.ceil(Math.log10(Math.max(...values)));
  return Array.from({ length: high - low + 1 }, (_, i) =>
    steps.map((step) => step * 10 ** (low + i)),
  )
    .flat()
    .filter((value) => value <= 10 ** high);
}

function specOf(chart) {
  const { suite, what, shape, points, contenders } = chart;
  const here = contenders.filter((name) => points.some(({ contender }) => contender === name));
  const colours = here.map((name) => COLOURS[contenders.indexOf(name) % COLOURS.length]);
  const x = {
    field: "entries",
    type: "quantitative",
    scale: { type: "log" },
    axis: { title: "entries", format: "~s", values: ticksOf(points, "entries", [1]) },
  };
  return {
    background: "white",
    padding: 8,
    width: WIDTH,
    height: HEIGHT,
    title: {
      text: `${suite}: ${what}, ${shape}`,
      subtitle: captionOf(chart),
      anchor: "start",
      subtitlePadding: 4,
      offset: 18,
    },
    layer: [
      {
        data: { values: rulesOf(chart) },
        layer: [
          {
            mark: { type: "rule", strokeDash: [4, 4], color: "#888888" },
            encoding: { x },
          },
          {
            mark: { type: "text", dy: -6, color: "#555555", baseline: "bottom" },
            encoding: { x, y: { value: 0 }, text: { field: "name" } },
          },
        ],
      },
      {
        data: { values: points },
        mark: { type: "line", point: { size: 28, filled: true }, strokeWidth: 1.5 },
        encoding: {
          x,
          y: {
            field: "ns",
            type: "quantitative",
            scale: { type: "log" },
            axis: {
              title: "nanoseconds an operation",
              format: "~s",
              values: ticksOf(points, "ns", [1, 2, 5]),
            },
          },
          color: {
            field: "contender",
            type: "nominal",
            sort: null,
            scale: { domain: here, range: colours },
            legend: { title: null, labelLimit: 240 },
          },
        },
      },
    ],
    // Words about every point, for screen readers, would be most of the file.
    config: {
      aria: false,
      font: "sans-serif",
      view: { stroke: "#dddddd" },
      axis: { gridColor: "#eeeeee" },
    },
  };
}

/**
 * @param chart suite, what and shape for the title; points of {contender, entries, ns}; all
 *   contenders of the suite; caches; bytes that an entry takes, if known
 */
export async function draw(chart) {
  const view = new View(parse(compile(specOf(chart)).spec), { renderer: "none" });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}
