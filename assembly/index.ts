/** The version of the exports and of the memory layout; the loader refuses any other. */
export function abiVersion(): i32 {
  return 1;
}
