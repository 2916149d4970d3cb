/** Building a tree from ascending entries, level by level, and copying one densely. */
import { fromF64 } from "../f64";
import { adopt, copySlot, newHandle, setChild } from "./insert";
import {
  countOf, find32, H_BYTES, H_COUNT, H_FREE_HANDLE, H_FREE_NODE, H_FREE_NODES, H_HANDLE_CAP,
  H_HANDLES, H_LEVELS, H_LIMIT, H_NODE_CAP, H_NODES, H_OFF_HANDLES, H_ROOT, H_VERSION, handleAt,
  HANDLE_BYTES, handleOfSlot, idOf, LASTS, newNode, NODE_BYTES, nodeAt, O_COUNT, O_GENERATION,
  O_HANDLE, O_LEVEL, O_REF, O_START, parentOf, refOf, setWord, slot32, slot64, word,
} from "./node";

/** Entries a node is filled with: two slots are left for insertions before the first split. */
const FILL: u32 = 14;

/** An empty tree with room for `nodes` nodes and `handles` handles. */
export function init(t: usize, nodes: u32, handles: u32, limit: u32): void {
  memory.fill(t, 0, H_BYTES);
  setWord(t, H_LIMIT, limit);
  setWord(t, H_NODE_CAP, nodes);
  setWord(t, H_HANDLE_CAP, handles);
  setWord(t, H_OFF_HANDLES, <u32>(H_BYTES + (<usize>nodes) * NODE_BYTES));
  setWord(t, H_ROOT, idOf(t, newNode(t, 0)));
  setWord(t, H_LEVELS, 1);
}

/** More room, behind which there must be memory for it. */
export function widen(t: usize, nodes: u32, handles: u32): void {
  const from = t + word(t, H_OFF_HANDLES);
  setWord(t, H_NODE_CAP, nodes);
  setWord(t, H_HANDLE_CAP, handles);
  setWord(t, H_OFF_HANDLES, <u32>(H_BYTES + (<usize>nodes) * NODE_BYTES));
  const to = t + word(t, H_OFF_HANDLES);
  memory.copy(to, from, (<usize>word(t, H_HANDLES)) * HANDLE_BYTES);
}

/** Bytes of a tree with that much room. */
export function bytesFor(nodes: u32, handles: u32): f64 {
  return <f64>H_BYTES + <f64>nodes * <f64>NODE_BYTES + <f64>handles * <f64>HANDLE_BYTES;
}

/** Nodes that `n` entries are built into. */
export function nodesFor(n: u32): u32 {
  let nodes: u32 = 0;
  let level = n;
  do {
    level = (level + FILL - 1) / FILL;
    nodes += max<u32>(level, 1);
  } while (level > 1);
  return nodes;
}

/** Puts inner levels over `leaves` leaves with ids from `first` on. */
function raise(t: usize, first: u32, leaves: u32): void {
  let from = first;
  let n = leaves;
  let level: u32 = 0;
  while (n > 1) {
    level++;
    const above = (n + FILL - 1) / FILL;
    const base = word(t, H_NODES) + 1;
    for (let k: u32 = 0; k < above; k++) {
      const p = newNode(t, level);
      const start = k * FILL;
      const end = min<u32>(start + FILL, n);
      for (let i = start; i < end; i++) setChild(t, p, i - start, nodeAt(t, from + i));
      store<u32>(p, end - start, O_COUNT);
    }
    from = base;
    n = above;
  }
  setWord(t, H_ROOT, from);
  setWord(t, H_LEVELS, level + 1);
}

/** Removes everything; every handle becomes stale. */
export function clear(t: usize): void {
  const handles = word(t, H_HANDLES);
  setWord(t, H_FREE_HANDLE, 0);
  for (let slot = handles; slot > 0; slot--) {
    const row = handleAt(t, slot - 1);
    const generation = load<u32>(row, 4);
    store<u32>(row, generation + (generation & 1), 4);
    store<u32>(row, word(t, H_FREE_HANDLE));
    setWord(t, H_FREE_HANDLE, slot);
  }
  setWord(t, H_COUNT, 0);
  setWord(t, H_NODES, 0);
  setWord(t, H_FREE_NODE, 0);
  setWord(t, H_FREE_NODES, 0);
  setWord(t, H_ROOT, idOf(t, newNode(t, 0)));
  setWord(t, H_LEVELS, 1);
  setWord(t, H_VERSION, word(t, H_VERSION) + 1);
}

/** Begins to fill an empty tree with ascending entries: see append and raise. */
export function begin(t: usize): void {
  setWord(t, H_NODES, 0);
  setWord(t, H_FREE_NODE, 0);
  setWord(t, H_FREE_NODES, 0);
}

/** Appends an entry that starts no earlier than those before. Its handle as the host sees it. */
// @ts-ignore: decorator
@inline
export function appendEntry(t: usize, start: i64, last: i64, value: u32): f64 {
  const count = word(t, H_COUNT);
  const k = count % FILL;
  const leaf = k == 0 ? newNode(t, 0) : nodeAt(t, word(t, H_NODES));
  const handle = newHandle(t);
  store<i64>(slot64(leaf, k), last);
  store<i64>(slot64(leaf, k), start, O_START);
  store<u32>(slot32(leaf, k), value, O_REF);
  store<u32>(slot32(leaf, k), handle, O_HANDLE);
  store<u32>(leaf, k + 1, O_COUNT);
  const row = handleAt(t, handle);
  const generation = load<u32>(row, 4);
  store<u32>(slot32(leaf, k), generation, O_GENERATION);
  store<u32>(row, idOf(t, leaf));
  setWord(t, H_COUNT, count + 1);
  return handleOfSlot(generation, handle);
}

/**
 * Appends `n` entries that start no earlier than those before: f64 starts at `at`, lasts LASTS
 * behind, u32 values at `values`; handles, f64 each, to `out`. Nothing may be asked before finish.
 */
export function append(t: usize, at: usize, n: u32, values: usize, out: usize): void {
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 3);
    const handle = appendEntry(t, fromF64(load<f64>(p)), fromF64(load<f64>(p, LASTS)),
      load<u32>(values + ((<usize>i) << 2)));
    store<f64>(out + ((<usize>i) << 3), handle);
  }
}

/** Puts the inner levels over what was appended. */
export function finish(t: usize): void {
  if (word(t, H_NODES) == 0) newNode(t, 0);
  raise(t, 1, word(t, H_NODES));
  setWord(t, H_VERSION, word(t, H_VERSION) + 1);
}

/** The leaf that follows `leaf` in order, or 0. */
function nextLeaf(t: usize, leaf: usize): usize {
  let n = leaf;
  for (;;) {
    const parent = parentOf(n);
    if (parent == 0) return 0;
    const p = nodeAt(t, parent);
    const i = find32(p + O_REF, idOf(t, n)) + 1;
    n = p;
    if (i < countOf(p)) {
      n = nodeAt(t, refOf(p, i));
      while (load<u32>(n, O_LEVEL) != 0) n = nodeAt(t, refOf(n, 0));
      return n;
    }
  }
  return 0;
}

/** Copies the tree at `t` to `to` with dense nodes and the same handles. `to` has `nodes` nodes. */
export function compact(t: usize, to: usize, nodes: u32): void {
  init(to, nodes, word(t, H_HANDLE_CAP), word(t, H_LIMIT));
  const handles = word(t, H_HANDLES);
  memory.copy(to + word(to, H_OFF_HANDLES), t + word(t, H_OFF_HANDLES),
    (<usize>handles) * HANDLE_BYTES);
  setWord(to, H_HANDLES, handles);
  setWord(to, H_FREE_HANDLE, word(t, H_FREE_HANDLE));
  setWord(to, H_VERSION, word(t, H_VERSION) + 1);
  const n = word(t, H_COUNT);
  if (n == 0) return;
  setWord(to, H_COUNT, n);
  setWord(to, H_NODES, 0);
  let from = nodeAt(t, word(t, H_ROOT));
  while (load<u32>(from, O_LEVEL) != 0) from = nodeAt(t, refOf(from, 0));
  let leaf: usize = 0;
  let i: u32 = 0;
  for (; from != 0; from = nextLeaf(t, from)) {
    const count = countOf(from);
    for (let k: u32 = 0; k < count; k++) {
      const at = i % FILL;
      if (at == 0) leaf = newNode(to, 0);
      copySlot(from, k, leaf, at);
      store<u32>(leaf, at + 1, O_COUNT);
      adopt(to, leaf, at, at + 1);
      i++;
    }
  }
  raise(to, 1, word(to, H_NODES));
}
