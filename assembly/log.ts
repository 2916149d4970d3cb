/**
 * The event log and the job rings: what the host reads and writes while a driver runs. Neither is
 * explored state. A record is 32 bytes: time u64, actor u16, kind u8, code u8, task u16, site u16,
 * a u64, b u64. The timed driver stops with ST_LOG_FULL before a step when fewer than LOG_SLACK
 * records are free, so no step can lose an event.
 */
import * as abi from "../src/core/abi";
import { clockAt, cpuAt, hdr, setHdr } from "./machine";

/** No single step logs more than this. */
export const LOG_SLACK: u32 = 64;

// @ts-ignore: decorator
@inline
export function logEvent(m: usize, actor: u32, kind: i32, code: u32, a: u64, b: u64): void {
  if (((hdr(m, abi.H_LOG_MASK) >> kind) & 1) != 0) append(m, actor, kind, code, a, b);
}

function append(m: usize, actor: u32, kind: i32, code: u32, a: u64, b: u64): void {
  const n = hdr(m, abi.H_LOG_LEN);
  if (n >= hdr(m, abi.H_LOG_CAP)) unreachable();
  const p = m + hdr(m, abi.H_OFF_LOG) + n * abi.EV_BYTES;
  const clock = clockAt(m, actor);
  store<u64>(p, clock.now);
  store<u16>(p, <u16>actor, 8);
  store<u8>(p, <u8>kind, 10);
  store<u8>(p, <u8>code, 11);
  const isCpu = actor < hdr(m, abi.H_CPUS);
  store<u32>(p, isCpu ? cpuAt(m, actor).task : 0, 12); // at most 4096 of them: site 0
  store<u64>(p, a, 16);
  store<u64>(p, b, 24);
  setHdr(m, abi.H_LOG_LEN, n + 1);
}

/** EV_BRACKET, with the call site that opens it: what `imm` of range.begin says. */
export function logBracket(m: usize, actor: u32, imm: u32, start: u64, end: u64): void {
  if (((hdr(m, abi.H_LOG_MASK) >> abi.EV_BRACKET) & 1) == 0) return;
  append(m, actor, abi.EV_BRACKET, imm & abi.RANGE_EVENT, start, end);
  const last = m + hdr(m, abi.H_OFF_LOG) + (hdr(m, abi.H_LOG_LEN) - 1) * abi.EV_BYTES;
  store<u16>(last, <u16>(imm >> abi.RANGE_SITE_SHIFT), 14);
}
