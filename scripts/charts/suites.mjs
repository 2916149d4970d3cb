// What charts have to know of a suite: the shapes that are drawn unless others are asked for, and
// the bytes that an entry of ours takes, one figure or one a shape: they say at which size a
// structure leaves a cache. A suite that is not here is drawn in the shape `random`, and has no
// cache sizes in its charts unless `--bytes` is given.

const SUITES = {
  "interval-tree": {
    shapes: ["random"],
    // 14 entries in a loaded node of 512 bytes, a node in 13 above those, and 8 bytes of handle.
    bytes: 512 / 13 + 8,
  },
  iotlb: {
    shapes: ["disjoint"],
    // 11 entries in a node of 512 bytes after insertions in random order, a node in 11 above
    // those, 8 bytes of handle, and a row of 24.
    bytes: 512 / 10 + 8 + 24,
  },
  "pinned-pages": {
    shapes: ["random", "clustered"],
    // As the suite measures them at 10^5 and 10^6 pages.
    bytes: { random: 25, lone: 35, clustered: 19, dense: 8 },
  },
};

/** Shapes that are drawn by default. */
export function shapesOf(suite) {
  return SUITES[suite]?.shapes ?? ["random"];
}

/** Bytes that an entry takes, or undefined. */
export function bytesPerEntry(suite, shape) {
  const bytes = SUITES[suite]?.bytes;
  return typeof bytes === "object" ? bytes[shape] : bytes;
}
