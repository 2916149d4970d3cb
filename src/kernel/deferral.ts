/**
 * Unmappings whose flush is put off until the frame leaves the free list: which ones, and what has
 * to be flushed first. Written with micro-ops `defer.*`; without such a policy these are the plain
 * programs.
 */
import * as abi from "../core/abi.js";
import { op, type Program, type Reg, when } from "../program/notation.js";
import type { Kit } from "./kit.js";

/** Everybody who may hold what was put off flushes; `stamp` was read before. */
function flushFolded(kit: Kit, stamp: Reg, late: boolean): Program {
  return [
    when(op("batch.prep", { note: "flush before the frame is used" }), [
      kit.flushPrepared(),
      op("flush.done"),
      late ? op("defer.stamp", { a: stamp, note: "how far was that? (too late)" }) : [],
      op("defer.done", { a: stamp, imm: 1, note: "deferrals of those CPUs are flushed" }),
      op("batch.done"),
    ]),
  ];
}

/** ctx.frame = a fresh frame that nobody can reach through a stale entry. */
export function allocFrame(kit: Kit, note = "allocate frame"): Program {
  const { defers } = kit.policy;
  if (defers === undefined) return [op("frame.alloc", { note })];
  const recycle = defers.eligible === "recycled" ? abi.ALLOC_RECYCLE : 0;
  if (defers.takeoff === "never") return [op("frame.alloc", { imm: recycle, note })];
  return kit.regs.scope(["stamp"], (stamp) => [
    op("frame.alloc", { imm: abi.ALLOC_KEEP | recycle, note }),
    when(op("defer.take", { a: stamp, note: "is its flush put off?" }), [
      flushFolded(kit, stamp, defers.takeoff === "late-stamp"),
      op("defer.own"),
    ]),
  ]);
}

/** An entry of page `vpn` becomes writable if `prot` says so. Its page-table lock is held. */
export function beforeWritable(kit: Kit, vpn: Reg, prot: Reg): Program {
  if (kit.policy.defers === undefined) return [];
  return [
    when(op("bits", { a: prot, imm: abi.PROT_WRITE }), [
      kit.regs.scope(["behind"], (behind) => [
        op("addi", { a: behind, b: vpn, imm: 1 }),
        kit.flushDeferred(vpn, behind, "writable"),
      ]),
    ]),
  ];
}

/** The entry of `vpn` was cleared and is in ctx.pte: its flush is put off, or `flush` is done. */
export function deferOrFlush(kit: Kit, vpn: Reg, next: Reg, flush: Program): Program {
  const { defers } = kit.policy;
  if (defers === undefined || defers.eligible === "recycled") return flush;
  const imm = defers.eligible === "any" ? abi.DEFER_WRITABLE : 0;
  return [
    when(
      op("defer.may", { imm, note: "can its flush wait?" }),
      [
        op("defer.add", { a: vpn, note: "put the flush off" }),
        // Secondary TLBs are not told again when it is done (Linux arch_tlbbatch_add_pending).
        kit.era.flushNotifies ? kit.notifySecondary(vpn, next) : [],
      ],
      flush,
    ),
  ];
}

/** No more pages join; the frames are about to be freed. */
export function closeDeferral(kit: Kit): Program {
  const { defers } = kit.policy;
  if (defers === undefined || defers.eligible === "recycled") return [];
  return [
    op("defer.close"),
    defers.wipes === true ? op("defer.wipe", { note: "fill what is freed" }) : [],
  ];
}
