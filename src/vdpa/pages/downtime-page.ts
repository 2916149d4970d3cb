/** Downtimes as text: heads and lines, for terminals and for docs/vdpa.md. */
import type { Downtime } from "../downtime.js";
import type { Cost } from "../profile.js";
import type { TextTable } from "./truth-page.js";

const count = (value: number): string => value.toLocaleString("en-US");
const time = (ms: number): string =>
  ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`;

function bytesText(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return Number.isInteger(gib) ? `${gib} GiB` : `${bytes / 2 ** 20} MiB`;
}

/** What was run, in a sentence. */
export function downtimeTitle({ guestBytes, devices, parent, pages, entries }: Downtime): string {
  const guest = `${bytesText(guestBytes)} (${pages} pages, ${count(entries)} runs of frames)`;
  return `A stop and start of ${devices} devices, ${parent}, of a guest of ${guest}`;
}

/** Operations and times by strategy. */
export function downtimeTables(result: Downtime): TextTable[] {
  const ops = result.rows.map(({ strategy, persists, counts }) => [
    strategy,
    persists ? "acked" : "not acked",
    ...[counts.unpins, counts.pins, counts.setMaps, counts.pushed].map(count),
    ...[counts.dmaMaps + counts.dmaUnmaps, counts.iommuMaps + counts.iommuUnmaps].map(count),
    count(counts.clears),
  ]);
  const times = result.rows.map(({ strategy, ms, firstStartMs }) => [
    strategy,
    ...[ms.unpin, ms.pin, ms.keys, ms.clear, ms.suspend, ms.total, firstStartMs].map(time),
  ]);
  return [
    {
      title: "Operations",
      head: [
        ...["strategy", "bit 8", "unpins", "pins", "set_map", "entries pushed"],
        ...["dma_map, dma_unmap", "iommu_map, iommu_unmap", "clears"],
      ],
      lines: ops,
    },
    {
      title: `Times by profile ${result.profile.name}`,
      head: ["strategy", "unpin", "pin", "keys", "clear", "suspend", "total", "first start"],
      lines: times,
    },
  ];
}

/** Published figures beside the model's. */
export function comparisonTable({ comparisons }: Downtime): TextTable {
  return {
    title: "Beside what was published",
    head: ["what", "published", "model", "off by", "source"],
    lines: comparisons.map(({ what, published: [least, most], predicted, ratio, source }) => [
      what,
      least === most ? `${least} s` : `${least} to ${most} s`,
      `${predicted.toFixed(2)} s`,
      ratio === 1 ? "within" : `x${ratio.toFixed(2)}`,
      source,
    ]),
  };
}

/** The constants that were used. */
export function profileTable({ profile, pages }: Downtime): TextTable {
  const rows: [string, Cost][] = [
    [`pin a page (${pages})`, profile.pin[pages]],
    [`unpin a page (${pages})`, profile.unpin[pages]],
    ["clear a page on first touch", profile.zero],
    ["key of a page made", profile.keyCreate],
    ["key of a page destroyed", profile.keyDestroy],
    ["back to the default", profile.clear],
    ["suspend", profile.suspend],
  ];
  return {
    title: "Costs",
    head: ["operation", "ns", "basis", "source"],
    lines: rows.map(([name, { ns, basis, source }]) => [
      name,
      ns >= 1000 ? count(Math.round(ns)) : ns.toFixed(2),
      basis,
      source,
    ]),
  };
}
