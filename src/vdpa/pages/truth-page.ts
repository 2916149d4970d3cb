/** The truth table as text: heads and lines, for terminals and for docs/vdpa.md. */
import type { VdpaCounts } from "../counts.js";
import type { CycleRow, FollowUpRow, TruthRow, TruthTable } from "../truth-table.js";

/** A table, the first columns of which are text. */
export interface TextTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly lines: readonly (readonly string[])[];
}

const SHOWN: readonly (readonly [key: keyof VdpaCounts, text: string])[] = [
  ["clears", "clear"],
  ["iommuUnmaps", "iommu_unmap"],
  ["dmaUnmaps", "dma_unmap"],
  ["iommuMaps", "iommu_map"],
  ["dmaMaps", "dma_map"],
  ["setMaps", "set_map"],
  ["pushed", "entries pushed"],
  ["resetMaps", "reset_map"],
  ["unpins", "unpin"],
  ["pins", "pin"],
];

/** `4 dma_unmap, 10 unpin`; `none`. */
export function opsText(ops: Partial<VdpaCounts>): string {
  const parts = SHOWN.flatMap(([key, text]) => {
    const count = ops[key] ?? 0;
    return count === 0 ? [] : [`${count} ${text}`];
  });
  return parts.join(", ") || "none";
}

const yes = (value: boolean): string => (value ? "yes" : "no");
const views = { kept: "kept", identity: "1:1", empty: "empty", other: "other" } as const;

function resetLine({ parent, persist, core, device, consistent, ops }: TruthRow): string[] {
  return [parent, persist, views[core], views[device], yes(consistent), opsText(ops)];
}

function followLine(row: FollowUpRow): string[] {
  const { parent, updateAgain, invalidateUpdate, all, updateOther, emptyBatch } = row;
  const rest = [invalidateUpdate, all, updateOther, emptyBatch].map(yes);
  return [parent, updateAgain ?? "ok", ...rest];
}

function closeLine({ parent, era, persist, device, consistent, ops }: TruthRow): string[] {
  const view = !consistent && device === "kept" ? "stale" : views[device];
  return [parent, era, persist, view, yes(consistent), opsText(ops)];
}

function cycleLine({ parent, strategy, persist, ops, consistent }: CycleRow): string[] {
  return [parent, strategy, persist, yes(consistent), opsText(ops)];
}

/** The four tables. */
export function truthTables(table: TruthTable): TextTable[] {
  return [
    {
      title: "Reset (SET_STATUS 0), and nothing else",
      head: ["parent", "bit 8", "core", "device", "consistent", "operations"],
      lines: table.reset.map(resetLine),
    },
    {
      title: "After a reset that left the views different: are they the same again?",
      head: [
        ...["parent", "UPDATE of a mapped range", "one INVALIDATE and UPDATE", "all of them"],
        ...["UPDATE of another range", "empty batch"],
      ],
      lines: table.followUps.map(followLine),
    },
    {
      title: "Close",
      head: ["parent", "kernel", "bit 8", "device", "consistent", "operations"],
      lines: table.close.map(closeLine),
    },
    {
      title: "Stop and start",
      head: ["parent", "strategy", "bit 8", "consistent", "operations"],
      lines: table.cycle.map(cycleLine),
    },
  ];
}
