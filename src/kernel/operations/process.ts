/** Rows 8 and 1 for whole address spaces: fork, exec, exit; and the context switch. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, unless, when, whilst } from "../../program/notation.js";
import type { Site } from "../era.js";
import type { Kit, RangeEvent } from "../kit.js";
import { NEEDS_DATA, NEEDS_TABLES, operation } from "../operation.js";
import { COPY_SITE, UNMAP_SITE } from "../sites.js";
import { zapShared } from "./unmap.js";

/** What forks differ in. */
interface Copying {
  readonly site: Site;
  readonly event: RangeEvent;
  /** Only VMAs whose pages faults could not bring back: vma_needs_copy. */
  readonly needed?: boolean;
  /** Where entries are notified under their lock, each stands for its whole VMA. */
  readonly eachNotifies?: boolean;
}

/** dup_mmap; `child` holds the new mm. One bracket per private VMA, one flush at the very end. */
function duplicate(kit: Kit, child: Reg, how: Copying): Program {
  const needed = how.needed === true;
  return [
    op("vma.copy", { a: child }),
    kit.regs.scope(["from", "to"], (from, to) => [
      kit.set(from, 0),
      kit.regs.scope(["prot"], (prot) => [
        whilst(op("vma.next", { a: from, b: to, c: prot }), [
          when(
            op("bits", { a: prot, imm: abi.VMA_SHARED }),
            needed ? [] : [copyRangeAround(kit, from, to, child, prot)],
            needed
              ? [
                  unless(op("bits", { a: prot, imm: abi.VMA_UNWRITTEN }), [
                    copyPrivate(kit, from, to, child, prot, how),
                  ]),
                ]
              : [copyPrivate(kit, from, to, child, prot, how)],
          ),
          op("mov", { a: from, b: to }),
        ]),
      ]),
      kit.set(from, 0),
      kit.set(to, Infinity),
      // flush_tlb_mm asks for it as if page tables had been freed.
      kit.flush(from, to, abi.INFO_FREED),
    ]),
  ];
}

function copyPrivate(
  kit: Kit,
  from: Reg,
  to: Reg,
  child: Reg,
  prot: Reg,
  { site, event, eachNotifies }: Copying,
): Program {
  const each = eachNotifies === true ? kit.notifyLocked(site, from, to) : [];
  return kit.range(site, event, from, to, [copyRangeAround(kit, from, to, child, prot, each)]);
}

/** As copyRange, with `cursor` (whose value is no longer needed) for the table walk. */
function copyRangeAround(
  kit: Kit,
  from: Reg,
  to: Reg,
  child: Reg,
  cursor: Reg,
  each: Program = [],
): Program {
  return kit.regs.scope(["stop"], (stop) => [
    op("mov", { a: cursor, b: from }),
    whilst(op("table.next", { a: cursor, b: to, c: stop }), [
      when(op("ptl.lock", { a: cursor }), [
        kit.forEachKeptEntry(cursor, stop, (vpn) => [
          op("pte.copy", { a: vpn, b: child, note: "write-protect and share" }),
          each,
        ]),
        op("ptl.unlock"),
      ]),
      op("mov", { a: cursor, b: stop }),
    ]),
  ]);
}

const PLAIN: Copying = { site: COPY_SITE, event: "PROTECTION_PAGE" };

/** fork; `childTask` is used up. */
export function forking(kit: Kit, childTask: Reg, how: Copying): Program {
  return [
    op("mmap.write.lock"),
    kit.regs.scope(["child"], (child) => [
      op("mm.new", { a: child, note: "new mm" }),
      op("task.mm", { a: childTask, b: child }),
      op("mov", { a: childTask, b: child }),
    ]),
    duplicate(kit, childTask, how),
    op("mmap.write.unlock"),
  ];
}

export const fork = operation(
  "fork",
  ["childTask"],
  {
    summary: "the child task (index + 1) gets a copy-on-write copy of this mm",
    source: "notifiers.md 2.4 row 8",
    settles: "all",
    needs: NEEDS_DATA,
  },
  (kit, { childTask }) => forking(kit, childTask, PLAIN),
);

export const forkNeeded = operation(
  "fork.needed",
  ["childTask"],
  {
    summary: "as fork; pages of VMA_SHARED and VMA_UNWRITTEN VMAs are left to the child's faults",
    source: "Linux vma_needs_copy: a VMA without an anon_vma has nothing that faults cannot bring",
    settles: "all",
    needs: NEEDS_DATA,
  },
  (kit, { childTask }) => forking(kit, childTask, { ...PLAIN, needed: true }),
);

/**
 * exit_mmap of ctx.mm, which nobody uses any more: release, zap everything, free it.
 * @param shared - it has written pages of shared mappings
 */
export function exitMmap(kit: Kit, shared = false): Program {
  return kit.regs.scope(["start", "end"], (start, end) => [
    kit.release(start, end),
    kit.set(start, 0),
    kit.set(end, Infinity),
    kit.gather(
      [
        kit.range(
          UNMAP_SITE,
          "UNMAP",
          start,
          end,
          shared ? zapShared(kit, start, end) : kit.zap(start, end),
        ),
        op("vma.clear", { a: start, b: end }),
        kit.unhookTables(start, end),
      ],
      true,
    ),
    op("mm.free", { note: "mm is gone" }),
  ]);
}

export const exit = operation(
  "exit",
  [],
  {
    summary: "the thread leaves its mm, lazily; the last one tears it down",
    source: "shootdown.md 1.7; notifiers.md 1.3 and 2.4 row 1",
    settles: "all",
    needs: NEEDS_TABLES,
  },
  (kit) => [
    op("sw.lazy", { note: "keep CR3, lazily" }),
    kit.regs.scope(["none"], (none) => [kit.set(none, 0), op("task.mm", { a: none, b: none })]),
    when(op("mm.put"), exitMmap(kit)),
  ],
);

export const exitShared = operation(
  "exit.shared",
  [],
  {
    summary: "as exit, of an mm with written pages of shared mappings: their tables are flushed",
    source: "Linux zap_pte_range, as for munmap.shared",
    settles: "all",
    needs: NEEDS_TABLES,
  },
  (kit) => [
    op("sw.lazy", { note: "keep CR3, lazily" }),
    kit.regs.scope(["none"], (none) => [kit.set(none, 0), op("task.mm", { a: none, b: none })]),
    when(op("mm.put"), exitMmap(kit, true)),
  ],
);

export const exec = operation(
  "exec",
  [],
  {
    summary: "the thread gets an empty mm; the old one is torn down if it was the last user",
    source: "shootdown.md 1.6 and 1.7",
    settles: "all",
    needs: NEEDS_TABLES,
  },
  (kit) =>
    kit.regs.scope(["old", "mm"], (old, mm) => [
      op("mm.current", { a: old }),
      op("mm.new", { a: mm, note: "new mm" }),
      kit.regs.scope(["self"], (self) => [
        kit.set(self, 0),
        op("irq.off"),
        op("task.mm", { a: self, b: mm }),
        kit.switchMm(mm),
        op("irq.on"),
      ]),
      op("ctx.mm", { a: old }),
      when(op("mm.put"), exitMmap(kit)),
      op("ctx.mm", { a: mm }),
    ]),
);

export const contextSwitch = operation(
  "switch",
  ["next"],
  {
    summary: "this CPU runs task `next` (index); a kernel thread leaves the mm loaded, lazily",
    source: "shootdown.md 1.6 F1 to F3",
    settles: "none",
    onCpu: true,
  },
  (kit, { next }) =>
    kit.regs.scope(["mm", "none"], (mm, none) => [
      kit.leaveIdle,
      kit.set(none, 0),
      op("task.get", { a: mm, b: next }),
      when(
        op("cmp.eq", { a: mm, b: none }),
        [op("sw.lazy", { note: "lazy TLB mode" })],
        [
          when(op("sw.begin", { a: mm }), kit.switchMm(mm), [
            op("sw.unlazy", { note: "back from lazy: flush if behind" }),
          ]),
        ],
      ),
      op("sw.task", { a: next }),
    ]),
);

export const idle = operation(
  "idle",
  [],
  {
    summary: "this CPU enters lazy TLB mode, as when an idle or kernel thread runs",
    source: "shootdown.md 1.6, enterLazy",
    settles: "none",
    mode: "idle",
  },
  (kit) => kit.enterIdle,
);

export const useMm = operation(
  "use.mm",
  ["mm"],
  {
    summary: "loads mm `mm` (index + 1) on this CPU, or comes back to it from lazy TLB mode",
    source: "shootdown.md 1.6 F1 to F3",
    settles: "none",
  },
  (kit, { mm }) => [
    kit.leaveIdle,
    op("irq.off", { note: "interrupts off" }),
    when(op("sw.begin", { a: mm }), kit.switchMm(mm), [
      op("sw.unlazy", { note: "back from lazy: flush if behind" }),
    ]),
    op("irq.on", { note: "interrupts on" }),
  ],
);

export const clone = operation(
  "clone",
  ["childTask"],
  {
    summary: "the child task (index + 1) becomes a thread of this mm",
    source: "Linux copy_mm with CLONE_VM",
    settles: "none",
  },
  (kit, { childTask }) =>
    kit.regs.scope(["mm"], (mm) => [
      op("mm.current", { a: mm }),
      op("task.mm", { a: childTask, b: mm }),
    ]),
);
