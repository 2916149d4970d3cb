/**
 * Entries that are not present but hold a page: what a fault does with them. A page that is being
 * migrated will be back soon; one that a device has to itself is taken back, in a bracket; one in a
 * device's memory is copied back; and of one whose rights were taken, to see who uses it (NUMA
 * hint, row 33), nobody else has to be told.
 */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when } from "../../program/notation.js";
import { allocFrame } from "../deferral.js";
import type { Kit } from "../kit.js";
import { COLLECT_SITE, EXCLUSIVE_SITE } from "../sites.js";

/** Marks of a page on its way. */
export const MIGRATING = abi.PTE_PROTNONE | abi.PTE_MIGRATION;

/**
 * A page with the flags in `mark` gets the frame in ctx.frame, which is filled from it, and is
 * present as `prot` says. If there is no such page any more, the frame is dropped.
 */
export function mapInstead(kit: Kit, vpn: Reg, prot: Reg, mark: number): Program {
  const gone: Program = [op("frame.drop", { note: "it is gone" }), op("pte.forget")];
  return [
    when(
      op("ptl.lock", { a: vpn }),
      [
        op("pte.get", { a: vpn, imm: 1 }),
        when(
          op("pte.bits", { imm: mark }),
          [
            op("frame.copy", { note: "copy contents" }),
            op("pte.set.vma", { a: vpn, b: prot, note: "map the copy" }),
          ],
          gone,
        ),
        op("ptl.unlock"),
      ],
      gone,
    ),
    when(op("pte.bits", { imm: mark }), [op("frame.put", { note: "free the old page" })]),
  ];
}

/** remove_device_exclusive_entry. */
function restoreExclusive(kit: Kit, vpn: Reg, next: Reg, prot: Reg): Program {
  return [
    kit.range(EXCLUSIVE_SITE, "EXCLUSIVE", vpn, next, [
      when(op("ptl.lock", { a: vpn }), [
        op("pte.get", { a: vpn, imm: 1 }),
        when(op("pte.bits", { imm: abi.PTE_EXCLUSIVE }), [
          op("pte.protect", {
            a: vpn,
            b: prot,
            imm: abi.PROTECT_RESTORE,
            note: "take it back from the device",
          }),
        ]),
        op("ptl.unlock"),
      ]),
    ]),
  ];
}

/** migrate_to_ram: the page is not present, so there is nothing to flush. */
function bringBack(kit: Kit, vpn: Reg, next: Reg, prot: Reg): Program {
  return [
    op("pte.forget"),
    allocFrame(kit, "allocate memory"),
    kit.range(COLLECT_SITE, "MIGRATE", vpn, next, []),
    mapInstead(kit, vpn, prot, abi.PTE_DEVICE),
  ];
}

/** A fault has found such an entry, in ctx.pte, its lock held; the lock is dropped. */
export function faultMarked(kit: Kit, vpn: Reg, prot: Reg): Program {
  return kit.regs.scope(["next"], (next) => [
    op("addi", { a: next, b: vpn, imm: 1 }),
    when(
      op("pte.bits", { imm: abi.PTE_MARKS }),
      [
        op("ptl.unlock"),
        when(op("pte.bits", { imm: abi.PTE_EXCLUSIVE }), restoreExclusive(kit, vpn, next, prot), [
          when(op("pte.bits", { imm: abi.PTE_DEVICE }), bringBack(kit, vpn, next, prot), [
            op("pte.await", { a: vpn, note: "wait for its migration" }),
          ]),
        ]),
      ],
      [op("pte.protect", { a: vpn, b: prot, note: "give rights back" }), op("ptl.unlock")],
    ),
    op("pte.forget"),
  ]);
}
