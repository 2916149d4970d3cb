/** Whole states: where the machine's is, and how one is copied. */
import * as abi from "../src/core/abi";
import { hdr } from "./machine";

// @ts-ignore: decorator
@inline
export function stateAt(m: usize): usize {
  return m + hdr(m, abi.H_STATE_START);
}

/** By hand, in 64-byte strides: regions are multiples of 64. */
// @ts-ignore: decorator
@inline
export function copyState(to: usize, from: usize, bytes: u32): void {
  const end = from + bytes;
  for (; from < end; from += 64, to += 64) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
  }
}
