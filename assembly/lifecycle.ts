/** Birth and death of address spaces: rows, root tables, tasks, subscriptions. */
import * as abi from "../src/core/abi";
import { releaseAsid } from "./asid";
import { add32, cas32, isShared, put32 } from "./atomics";
import { deferForget } from "./deferral";
import { devRelease } from "./device";
import { releaseGlobal } from "./global-asid";
import { latrForget } from "./latr";
import { cpuAt, deviceAt, hdr, maskAt, mmAt, sysAt, tableAt, taskAt } from "./machine";
import { lockPools, putTable, takeTable, unlockPools } from "./pools";
import { bornInUser } from "./pti";
import { Cpu, Mm, Task } from "./rows";
import { forgetMm, hasSubscribers, keepsMm } from "./subscribers/rows";
import { vmaReset } from "./vma";

/** A fresh mm (index + 1) with an empty root table, or a negative status and nothing changed. */
export function newMm<F>(m: usize, nowMs: u32): i32 {
  if (!lockPools<F>(m)) return -100;
  const n = hdr(m, abi.H_MMS);
  for (let i: u32 = 0; i < n; i++) {
    const row = mmAt(m, i);
    if (row.ctxId != 0 || keepsMm(m, i)) continue;
    const root = takeTable(m, hdr(m, abi.H_LEVELS) - 1);
    if (root < 0) {
      unlockPools<F>(m);
      return abi.ST_NO_TABLES;
    }
    const sys = sysAt(m);
    row.ctxId = sys.nextCtxId++;
    row.tlbGen = 1;
    row.root = <u32>root + 1;
    if ((hdr(m, abi.H_OPTIONS) & abi.OPT_TRIM) != 0) row.trimAtMs = nowMs + 1000;
    unlockPools<F>(m);
    return <i32>i + 1;
  }
  unlockPools<F>(m);
  return abi.ST_NO_MMS;
}

/** The row is free afterwards. Its tables but the root must be gone. */
export function freeMm<F>(m: usize, cpu: u32, mm: u32): i32 {
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  const gone = mmAt(m, mm);
  if (gone.root == 0 || tableAt(m, gone.root - 1).live != 0) {
    unlockPools<F>(m);
    return abi.ST_BAD_PROGRAM;
  }
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_LATR) != 0) latrForget<F>(m, cpu, mm);
  deferForget<F>(m, mm);
  // A CPU that still holds it lazily runs on no mm from now on; its slots never match again,
  // because context ids are unique. Shared form: `lazy` stays as it is. That CPU may have switched
  // to another mm, and gone lazy there, between these two writes; clearing its mark then would
  // let it come back without the flush it was spared.
  for (let i: u32 = 0; i < hdr(m, abi.H_CPUS); i++) {
    const row = cpuAt(m, i);
    if (cas32<F>(changetype<usize>(row) + offsetof<Cpu>("loadedMm"), mm + 1, abi.LOADED_INIT) &&
        !isShared<F>()) {
      put32<F>(changetype<usize>(row) + offsetof<Cpu>("lazy"), 0);
    }
  }
  forgetMm(m, mm);
  if (!hasSubscribers(m)) forgetSubscribers(m, mm);
  releaseGlobal(m, mm);
  releaseAsid(m, mm);
  putTable<F>(m, gone.root - 1);
  vmaReset(m, mm);
  memory.fill(maskAt(m, mm), 0, hdr(m, abi.H_MASK_WORDS) << 2);
  memory.fill(changetype<usize>(gone), 0, offsetof<Mm>());
  unlockPools<F>(m);
  return abi.ST_OK;
}

/** TASK_MM: moves a task to another mm (index + 1, 0: none). Returns nothing is ever freed here. */
export function setTaskMm<F>(m: usize, task: u32, mm: u32): void {
  put32<F>(changetype<usize>(taskAt(m, task)) + offsetof<Task>("mm"), mm);
  if (mm != 0) bornInUser(m, task);
  if (mm != 0) add32<F>(changetype<usize>(mmAt(m, mm - 1)) + offsetof<Mm>("users"), 1);
}

/** Links a device into an mm's subscriber list, newest first. */
export function subscribe(m: usize, dev: u32, mm: u32): void {
  const row = deviceAt(m, dev);
  row.mm = mm;
  row.next = mmAt(m, mm - 1).subscribers;
  mmAt(m, mm - 1).subscribers = dev + 1;
}

/**
 * MM_RELEASE: every subscriber lets go, newest first. The host's devices stay until the mm is gone:
 * interval notifiers are told what its teardown unmaps.
 */
export function releaseSubscribers(m: usize, mm: u32): void {
  const row = mmAt(m, mm);
  let id = row.subscribers;
  let kept: u32 = 0;
  row.subscribers = 0;
  while (id != 0) {
    const dev = deviceAt(m, id - 1);
    const next = dev.next;
    if (dev.kind == abi.DEV_HOST) {
      dev.next = 0;
      if (kept == 0) row.subscribers = id;
      else deviceAt(m, kept - 1).next = id;
      kept = id;
    } else {
      devRelease(m, id - 1);
    }
    id = next;
  }
}

/** Those that have stayed. */
function forgetSubscribers(m: usize, mm: u32): void {
  let id = mmAt(m, mm).subscribers;
  while (id != 0) {
    const dev = id - 1;
    id = deviceAt(m, dev).next;
    devRelease(m, dev);
  }
}
