// What an entry of ours takes, by suite: it says at which size a structure leaves a cache. A suite
// that is not here has no cache sizes in its charts, unless `--bytes` is given.

export const BYTES_PER_ENTRY = {
  // 14 entries in a loaded node of 512 bytes, a node in 13 above those, and 8 bytes of handle.
  "interval-tree": 512 / 13 + 8,
};
