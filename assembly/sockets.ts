/**
 * Sockets: CPUs [k * n, (k + 1) * n) share one, n = H_SOCKET_CPUS; 0 is a machine without distance.
 * A cache line, or an interrupt, that crosses costs a surcharge. Only prices change: who is told
 * what, and in which order a CPU does it, is the same.
 */
import * as abi from "../src/core/abi";
import { cost, hdr } from "./machine";

/** What `costIndex` (COST_…_REMOTE) adds between CPUs `a` and `b`: 0 within a socket. */
// @ts-ignore: decorator
@inline
export function surcharge(m: usize, a: u32, b: u32, costIndex: i32): u32 {
  const size = hdr(m, abi.H_SOCKET_CPUS);
  return size == 0 || a / size == b / size ? 0 : cost(m, costIndex);
}
