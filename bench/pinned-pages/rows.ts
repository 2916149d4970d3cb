/** `npm run bench -- pinned-pages`: every contender on the same inputs, and what a page takes. */
import { PIN_NODE_BYTES, PinnedPages } from "shootdown";
import { type Extent, rowsOf } from "../contest.js";
import type { Row } from "../harness.js";
import { contenders } from "./contenders.js";
import { cutOf, type Input, inputOf, POOL, SHAPE_NAMES, SMALL_POOL } from "./inputs.js";
import { modelOf } from "./model.js";
import { type What, WHATS } from "./whats.js";

const SEED = 1;
const LARGEST = 1e7;
const LARGEST_WHATS: readonly What[] = ["pin", "lookup"];
/** What an allocator of powers of two gives for {@link PIN_NODE_BYTES}. */
const ROUNDED_BYTES = 64;

export function pinnedPagesRows({ quick, full, largest }: Extent): Row[] {
  if (largest) return rowsFor(inputOf("random", LARGEST, SEED), LARGEST_WHATS);
  const sizes = full ? [100, 1e3, 1e4, 1e5, 1e6] : quick ? [100] : [100, 1e4, 1e5];
  const least = quick ? SMALL_POOL : POOL;
  const shapes = quick && !full ? ["random", "clustered"] : SHAPE_NAMES;
  return shapes.flatMap((shape) =>
    sizes.flatMap((n) => rowsFor(inputOf(shape, n, SEED, least), WHATS)),
  );
}

function rowsFor(input: Input, whats: readonly What[]): Row[] {
  const rows = rowsOf({
    contenders: contenders(),
    whats,
    input,
    seed: SEED,
    model: () => modelOf(input),
    operations: (what) => operations(what, input),
    callsApart: (what) => (what === "lookup" || what === "repin" ? 1 : input.cuts),
  });
  return [...rows, ...bytesRows(input)];
}

/** Operations in all calls of a sample. */
function operations(what: What, { n, cuts, queries }: Input): number {
  return what === "lookup" || what === "repin" ? queries().pages.length : n * cuts;
}

/** Bytes in use a pinned page; the kernel has a node for each. */
function bytesRows(input: Input): Row[] {
  const used = async (): Promise<{ checksum: number; amount: number }> => {
    const { pages, frames } = cutOf(input, 0);
    const store = await PinnedPages.create();
    store.pinMany(pages, frames);
    return { checksum: store.size, amount: store.bytesUsed / input.n };
  };
  const node = (bytes: number) => async () => ({ checksum: input.n, amount: bytes });
  const rows = [
    { name: "shootdown", counted: used },
    { name: "a node a page", counted: node(PIN_NODE_BYTES) },
    { name: "a node a page, rounded up", counted: node(ROUNDED_BYTES) },
  ];
  return rows.map(({ name, counted }) => ({
    name: `bytes, ${input.shape}, ${input.n}: ${name}`,
    unit: "bytes a page",
    seed: SEED,
    perCall: 1,
    work: async () => (await counted()).checksum,
    counted,
    model: () => input.n,
  }));
}
