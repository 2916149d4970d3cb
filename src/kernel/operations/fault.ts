/**
 * Page faults: none to present, the zero page, and row 9, copy on write. A program accesses a page
 * with `touch`, which faults as often as it must.
 */
import * as abi from "../../core/abi.js";
import {
  again,
  leave,
  type Node,
  op,
  type Program,
  type Reg,
  repeat,
  unless,
  when,
} from "../../program/notation.js";
import { allocFrame, beforeWritable } from "../deferral.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation, operationId } from "../operation.js";
import { COW_SITE } from "../sites.js";
import { faultMarked } from "./marked.js";
import { splitForCopy } from "./split.js";

/** A fresh page where there was none: zero page for a read of private anonymous memory. */
function populate(kit: Kit, vpn: Reg, prot: Reg, write: boolean): Program {
  // Without a table a huge page was there until just now: the access faults again.
  const fresh: Program = [
    allocFrame(kit),
    when(
      op("ptl.lock", { a: vpn }),
      [
        when(
          op("pte.get", { a: vpn, imm: 1 }),
          [op("frame.drop", { note: "somebody was faster" })],
          [
            kit.settleSwappedPage(vpn),
            beforeWritable(kit, vpn, prot),
            op("pte.set.vma", { a: vpn, b: prot, note: "set PTE" }),
          ],
        ),
        op("ptl.unlock"),
      ],
      [op("frame.drop")],
    ),
  ];
  if (write) return fresh;
  const shared = abi.VMA_SHARED | abi.VMA_FILE;
  const zero: Program = [
    when(op("ptl.lock", { a: vpn }), [
      unless(op("pte.get", { a: vpn, imm: 1 }), [
        kit.settleSwappedPage(vpn),
        op("frame.zero"),
        op("pte.set", { a: vpn, note: "map zero page" }),
      ]),
      op("ptl.unlock"),
    ]),
  ];
  // A private file page belongs to the page cache: mapped read-only, and never the last reference.
  const dropCached: Program = [op("frame.drop"), op("frame.drop")];
  const cached: Program = [
    allocFrame(kit, "page-cache page"),
    op("frame.get"),
    when(
      op("ptl.lock", { a: vpn }),
      [
        when(op("pte.get", { a: vpn, imm: 1 }), dropCached, [
          kit.settleSwappedPage(vpn),
          op("pte.set", { a: vpn, note: "map page-cache page" }),
        ]),
        op("ptl.unlock"),
      ],
      dropCached,
    ),
  ];
  return [
    when(
      op("bits", { a: prot, imm: shared }),
      [when(op("bits", { a: prot, imm: abi.VMA_SHARED }), fresh, cached)],
      zero,
    ),
  ];
}

/** wp_page_copy. The page-table lock is not held; the entry may have changed meanwhile. */
function copyOnWrite(kit: Kit, vpn: Reg, prot: Reg, next: Reg): Program {
  return [
    allocFrame(kit, "allocate copy"),
    op("frame.copy", { note: "copy contents" }),
    kit.range(COW_SITE, "CLEAR", vpn, next, [
      op("ptl.lock", { a: vpn }),
      when(
        [op("pte.get", { a: vpn }), op("pte.bits", { imm: abi.PTE_W | abi.PTE_HUGE })] as Node,
        [op("frame.drop", { note: "already copied" }), op("pte.forget"), op("ptl.unlock")],
        [
          when(
            op("pte.bits", { imm: abi.PTE_P }),
            [
              kit.clearFlushCopied(COW_SITE, vpn, next),
              op("pte.set.vma", { a: vpn, b: prot, note: "set PTE to the copy" }),
              kit.displaced(vpn),
            ],
            [op("frame.drop", { note: "it is gone" }), op("pte.forget")],
          ),
          op("ptl.unlock"),
        ],
      ),
    ]),
    when(op("pte.bits", { imm: abi.PTE_P }), [op("frame.put", { note: "drop old page" })]),
  ];
}

/** A write to a present read-only page: reuse it if nobody else has it, else copy. */
function writeProtected(kit: Kit, vpn: Reg, prot: Reg): Program {
  return kit.regs.scope(["next"], (next) => [
    op("addi", { a: next, b: vpn, imm: 1 }),
    when(
      op("bits", { a: prot, imm: abi.VMA_SHARED }),
      [
        kit.flushDeferred(vpn, next, "writable"),
        op("pte.protect", { a: vpn, b: prot, note: "make writable" }),
        op("ptl.unlock"),
      ],
      [
        when(
          op("frame.only"),
          [
            kit.flushDeferred(vpn, next, "writable"),
            op("pte.protect", { a: vpn, b: prot, note: "reuse: make writable" }),
            op("ptl.unlock"),
          ],
          [
            op("ptl.unlock"),
            when(op("pte.bits", { imm: abi.PTE_HUGE }), splitForCopy(kit, vpn), [
              copyOnWrite(kit, vpn, prot, next),
            ]),
          ],
        ),
      ],
    ),
  ]);
}

/** handle_mm_fault for `vpn`, mmapLock held. Afterwards `prot` is 0 if it is not allowed at all. */
export function faultLocked(kit: Kit, vpn: Reg, prot: Reg, write: boolean): Program {
  const wanted = write ? abi.PROT_WRITE : abi.PROT_READ;
  const granted: Program = write
    ? [when(op("pte.bits", { imm: abi.PTE_W }), [op("ptl.unlock")], writeProtected(kit, vpn, prot))]
    : [op("ptl.unlock")];
  const present = when(op("pte.bits", { imm: abi.PTE_P }), granted, faultMarked(kit, vpn, prot));
  return [
    op("vma.find", { a: vpn, b: prot }),
    when(
      op("bits", { a: prot, imm: wanted }),
      [
        op("table.alloc", { a: vpn }),
        when(op("ptl.lock", { a: vpn }), [
          when(
            op("pte.get", { a: vpn, imm: 1 }),
            [present],
            [op("ptl.unlock"), populate(kit, vpn, prot, write)],
          ),
        ]),
        kit.copyTables(vpn),
      ],
      [kit.set(prot, 0)],
    ),
  ];
}

/** The same under mmapLock of its own. */
export function handleFault(kit: Kit, vpn: Reg, prot: Reg, write: boolean): Program {
  return [op("mmap.read.lock"), faultLocked(kit, vpn, prot, write), op("mmap.read.unlock")];
}

function faultOperation(name: string, write: boolean) {
  return operation(
    name,
    ["vpn"],
    {
      summary: `page fault of a ${write ? "write" : "read"} to \`vpn\``,
      source: "notifiers.md 2.4 rows 9 and 33; Linux handle_mm_fault",
      settles: "page",
      ...(write ? { needs: NEEDS_DATA } : {}),
    },
    (kit, { vpn }) => kit.regs.scope(["prot"], (prot) => handleFault(kit, vpn, prot, write)),
  );
}

/** One access, faulting until it succeeds or is refused; from user mode or within the kernel. */
export function touch(kit: Kit, vpn: Reg, write: boolean, mode = "user"): Program {
  const [enter, exit] = mode === "user" ? [kit.enter, kit.leave] : [[], []];
  const id = operationId(write ? "fault.write" : "fault.read");
  return kit.regs.scope(["prot", "next"], (prot, next) => [
    repeat([
      unless(op("cpu.access", { a: vpn, imm: write ? 1 : 0 }), [
        enter,
        op("addi", { a: next, b: vpn, imm: 1 }),
        op("mark", { a: vpn, b: next, imm: id, note: "page fault" }),
        handleFault(kit, vpn, prot, write),
        op("unmark", { note: "fault returns" }),
        exit,
        unless(op("bits", { a: prot, imm: abi.PROT_READ | abi.PROT_WRITE }), [leave]),
        again,
      ]),
    ]),
  ]);
}

export const faultRead = faultOperation("fault.read", false);
export const faultWrite = faultOperation("fault.write", true);

export const read = operation(
  "read",
  ["vpn"],
  {
    summary: "user-mode load from page `vpn`",
    source: "shootdown.md 4.3",
    settles: "none",
    mode: "user",
  },
  (kit, { vpn }) => touch(kit, vpn, false),
);

export const write = operation(
  "write",
  ["vpn"],
  {
    summary: "user-mode store to page `vpn`",
    source: "shootdown.md 4.3",
    settles: "none",
    mode: "user",
    needs: NEEDS_DATA,
  },
  (kit, { vpn }) => touch(kit, vpn, true),
);

function single(name: string, write: boolean) {
  return operation(
    name,
    ["vpn"],
    {
      summary: `one user-mode ${write ? "store" : "load"}, page \`vpn\`; a fault is not served`,
      source: "shootdown.md 4.3",
      settles: "none",
      mode: "user",
    },
    (_kit, { vpn }) => [op("cpu.access", { a: vpn, imm: write ? 1 : 0 })],
  );
}

export const load = single("load", false);
export const store = single("store", true);

/** The kernel's own access to user memory, with whatever half it runs in. */
function byKernel(name: string, write: boolean) {
  return operation(
    name,
    ["vpn"],
    {
      summary: `the kernel ${write ? "writes" : "reads"} user page \`vpn\` for a system call`,
      source: "Linux copy_to_user and copy_from_user; shootdown.md 1.1 G2",
      settles: "none",
      ...(write ? { needs: NEEDS_DATA } : {}),
    },
    (kit, { vpn }) => touch(kit, vpn, write, "kernel"),
  );
}

export const copyFromUser = byKernel("copy.from.user", false);
export const copyToUser = byKernel("copy.to.user", true);

export const faultHuge = operation(
  "fault.huge",
  ["vpn"],
  {
    summary: "a 2 MiB page appears at `vpn`, the first page of its span, writable",
    source: "Linux do_huge_pmd_anonymous_page",
    settles: "page",
  },
  (kit, { vpn }) => [
    op("mmap.read.lock"),
    allocFrame(kit, "allocate huge page"),
    op("pte.huge", { a: vpn, imm: abi.PTE_W, note: "set huge entry" }),
    op("mmap.read.unlock"),
  ],
);
