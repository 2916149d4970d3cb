/**
 * Kernel code as data: the letters of the site table's notation (notifiers.md 2.3) and a few more,
 * for races that are told in smaller steps than an operation. Blocks hold what they opened until
 * their end, so that no step list can leave a lock, a bracket or a gather behind.
 */
import * as abi from "../core/abi.js";
import { op, type Program, type Reg, when } from "../program/notation.js";
import type { Site } from "./era.js";
import type { Kit, RangeEvent } from "./kit.js";
import { operationId } from "./operation.js";
import * as sites from "./sites.js";

/** Half-open: the first page, and the one behind the last. */
export type Span = readonly [start: number, end: number];

/** One step, or one block of them. Pages are vpns, protections PROT_* and VMA_* bits. */
export type KernelStep =
  /** mmapLock, held until the block's end. */
  | { readonly mmapLock: "read" | "write"; readonly do: readonly KernelStep[] }
  /** S … E: a notifier bracket; the era decides whether its end notifies, by the site. */
  | {
      readonly bracket: RangeEvent;
      readonly pages: Span;
      readonly site?: {
        readonly row: number;
        readonly clearFlush?: boolean;
        readonly keepsLocked?: boolean;
        readonly notifiesAtEnd?: boolean;
      };
      readonly do: readonly KernelStep[];
    }
  /** L … U: the page-table lock of a page, and of a second; without a table, the block is void. */
  | { readonly lock: number; readonly second?: number; readonly do: readonly KernelStep[] }
  /** An mmu_gather; at its end GF and FR. */
  | { readonly gather: readonly KernelStep[] }
  /** What is done in the block is a promise about these pages: stale uses after it are STALE. */
  | { readonly promise: Span; readonly do: readonly KernelStep[] }
  /** C: clears an entry. */
  | { readonly clear: number }
  /** C F, and N if the era notifies under the lock at this site. */
  | { readonly clearFlush: number }
  /** F under a lock, and that N. */
  | { readonly flushLocked: Span }
  /** C G: clears an entry that is populated, into the gather. */
  | { readonly gatherPage: number }
  /** [L [C G]* U]* over a range, as zap_pte_range does it. */
  | { readonly zap: Span }
  /** Unhooks page tables of the range into the gather: those that no VMA needs, by default. */
  | { readonly unhook: Span; readonly mode?: UnhookMode }
  /** F: a CPU flush (FN where the era couples them). `freed`: page tables are going, too. */
  | { readonly flush: Span; readonly freed?: boolean }
  /** N: the secondary TLBs are told. */
  | { readonly notify: Span }
  /** W: a fresh frame. */
  | { readonly set: number; readonly prot: number }
  /** W: a fresh frame over all pages of the table entry above, as one large entry. */
  | { readonly setHuge: number }
  /** W: other rights. */
  | { readonly protect: number; readonly prot: number }
  /** W: read-only and clean. */
  | { readonly clean: number }
  /** The page's entry moves, frame and all; both page-table locks are held. */
  | { readonly move: number; readonly to: number }
  /** A large entry becomes a table of small ones. */
  | { readonly split: number }
  /** Page tables down to the page, where there are none. */
  | { readonly table: number }
  /** The VMA's pages get this protection; 0: there is none. */
  | { readonly vma: Span; readonly prot: number }
  /** Somebody acts on what the page holds: it is written out. */
  | { readonly collect: number }
  /** FR of one frame: what the last `clear` or `clearFlush` has taken out. */
  | { readonly put: true }
  /** FR: what is gathered by now, tables included. */
  | { readonly free: "gathered" | "tables" };

/** Which page tables go: see UNHOOK_* in abi.ts. */
export type UnhookMode = "by-vmas" | "inside" | "leaves-inside";

const MODES: Readonly<Record<UnhookMode, number>> = {
  "by-vmas": abi.UNHOOK_BY_VMAS,
  inside: abi.UNHOOK_INSIDE,
  "leaves-inside": abi.UNHOOK_LEAVES_INSIDE,
};

function isSite(value: unknown): value is Site {
  return typeof value === "object" && value !== null && "row" in value && "clearFlush" in value;
}

/** The first of each row. */
const KNOWN_SITES = new Map(
  (Object.values(sites) as unknown[])
    .filter(isSite)
    .reverse()
    .map((site) => [site.row, site]),
);

/** Where eras look up what a bracket of this row does; what is given goes before what is known. */
function siteOf(step: Extract<KernelStep, { bracket: RangeEvent }>): Site {
  const given = step.site ?? { row: sites.ZAP_SITE.row };
  const known = KNOWN_SITES.get(given.row);
  return { name: `row ${given.row}`, clearFlush: false, ...known, ...given };
}

function onPage(kit: Kit, page: number, body: (vpn: Reg) => Program): Program {
  return kit.regs.scope(["page"], (vpn) => [kit.set(vpn, page), body(vpn)]);
}

function onSpan(kit: Kit, [start, end]: Span, body: (a: Reg, b: Reg) => Program): Program {
  return kit.regs.scope(["start", "end"], (a, b) => [
    kit.set(a, start),
    kit.set(b, end),
    body(a, b),
  ]);
}

/** In a batch that is full there is no room: it is flushed and freed, under the lock. */
function gatherPage(kit: Kit, vpn: Reg): Program {
  return [
    op("pte.get", { a: vpn }),
    when(
      op("pte.bits", { imm: abi.PTE_P | abi.PTE_PROTNONE }),
      [
        when(op("gather.full"), [
          kit.gatherFlush(),
          op("gather.free", { note: "batch full: free it" }),
        ]),
        op("pte.clear", { a: vpn, note: "clear PTE" }),
        op("gather.add", { a: vpn, note: "gather page" }),
      ],
      [op("pte.forget")],
    ),
  ];
}

function lockBlock(
  kit: Kit,
  step: Extract<KernelStep, { lock: number }>,
  site: Site | undefined,
): Program {
  const { lock, second } = step;
  const body = kernelProgram(kit, step.do, site);
  const other = second ?? lock;
  const hasTwo = second !== undefined;
  return [
    hasTwo ? onPage(kit, other, (vpn) => [op("table.alloc", { a: vpn })]) : [],
    when(
      onPage(kit, lock, (vpn) => [op("ptl.lock", { a: vpn, note: "lock page table" })]),
      [
        hasTwo
          ? onPage(kit, other, (vpn) => [
              op("ptl.lock", { a: vpn, slot: 1, note: "lock second page table" }),
            ])
          : [],
        body,
        hasTwo ? op("ptl.unlock", { slot: 1, note: "unlock second page table" }) : [],
        op("ptl.unlock", { note: "unlock page table" }),
      ],
    ),
  ];
}

function block(kit: Kit, step: KernelStep, site: Site | undefined): Program | null {
  if ("mmapLock" in step) {
    const { mmapLock } = step;
    return [
      op(`mmap.${mmapLock}.lock`),
      kernelProgram(kit, step.do, site),
      op(`mmap.${mmapLock}.unlock`),
    ];
  }
  if ("bracket" in step) {
    const own = siteOf(step);
    return onSpan(kit, step.pages, (a, b) =>
      kit.range(own, step.bracket, a, b, kernelProgram(kit, step.do, own)),
    );
  }
  if ("lock" in step) return lockBlock(kit, step, site);
  if ("gather" in step) return kit.gather(kernelProgram(kit, step.gather, site));
  if ("promise" in step) {
    return [
      onSpan(kit, step.promise, (a, b) => [
        op("mark", { a, b, imm: operationId("kernel"), note: "kernel code begins" }),
      ]),
      kernelProgram(kit, step.do, site),
      op("unmark", { imm: 1, note: "kernel code returns" }),
    ];
  }
  return null;
}

/** Steps that write entries. */
function entryStep(kit: Kit, step: KernelStep, site: Site | undefined): Program | null {
  if ("clear" in step) {
    return onPage(kit, step.clear, (a) => [op("pte.clear", { a, note: "clear PTE" })]);
  }
  if ("clearFlush" in step) {
    return onSpan(kit, [step.clearFlush, step.clearFlush + 1], (a, b) =>
      kit.clearFlush(site ?? sites.ZAP_SITE, a, b),
    );
  }
  if ("flushLocked" in step) {
    return onSpan(kit, step.flushLocked, (a, b) => [
      kit.flush(a, b),
      kit.era.lockedNotifies(site ?? sites.ZAP_SITE) ? kit.notifySecondary(a, b) : [],
    ]);
  }
  if ("gatherPage" in step) return onPage(kit, step.gatherPage, (a) => gatherPage(kit, a));
  if ("setHuge" in step) {
    return onPage(kit, step.setHuge, (a) => [
      op("frame.alloc", { note: "allocate huge page" }),
      op("pte.huge", { a, imm: abi.PTE_W, note: "set huge entry" }),
    ]);
  }
  if ("clean" in step) {
    return onPage(kit, step.clean, (a) => [
      op("pte.clean", { a, imm: 1, note: "clean and write-protect PTE" }),
      op("pte.forget"),
    ]);
  }
  if ("move" in step) {
    return [
      onPage(kit, step.move, (a) => [op("pte.clear", { a, imm: 1, note: "clear old PTE" })]),
      when(
        op("pte.bits", { imm: abi.PTE_P | abi.PTE_PROTNONE }),
        onPage(kit, step.to, (a) => [op("pte.put", { a, note: "set new PTE" })]),
      ),
    ];
  }
  if ("set" in step || "protect" in step) return rightsStep(kit, step);
  if ("put" in step) {
    return [
      when(
        op("pte.bits", { imm: abi.PTE_P }),
        [op("frame.put", { note: "drop page" })],
        [op("pte.forget")],
      ),
    ];
  }
  return null;
}

function rightsStep(
  kit: Kit,
  step: Extract<KernelStep, { set: number } | { protect: number }>,
): Program {
  const page = "set" in step ? step.set : step.protect;
  return onPage(kit, page, (a) =>
    kit.regs.scope(["prot"], (b) => [
      kit.set(b, step.prot),
      "set" in step
        ? [
            op("frame.alloc", { note: "allocate frame" }),
            op("pte.set.vma", { a, b, note: "set PTE" }),
          ]
        : [
            op("pte.protect", { a, b, imm: abi.PROTECT_CHANGED, note: "change PTE" }),
            op("pte.forget"),
          ],
    ]),
  );
}

function otherStep(kit: Kit, step: KernelStep): Program {
  if ("zap" in step) return onSpan(kit, step.zap, (a, b) => kit.zap(a, b));
  if ("unhook" in step) {
    return onSpan(kit, step.unhook, (a, b) =>
      kit.unhookTables(a, b, MODES[step.mode ?? "by-vmas"]),
    );
  }
  if ("flush" in step) {
    const info = step.freed === true ? abi.INFO_FREED : 0;
    return onSpan(kit, step.flush, (a, b) => kit.flush(a, b, info));
  }
  if ("notify" in step) return onSpan(kit, step.notify, (a, b) => kit.notifySecondary(a, b));
  if ("split" in step) return onPage(kit, step.split, (a) => [op("pte.split", { a })]);
  if ("table" in step) return onPage(kit, step.table, (a) => [op("table.alloc", { a })]);
  if ("collect" in step) {
    return onPage(kit, step.collect, (a) => [
      op("pte.get", { a }),
      op("pte.collect", { a, note: "write page out" }),
      op("pte.forget"),
    ]);
  }
  if ("vma" in step) {
    return onSpan(kit, step.vma, (a, b) =>
      step.prot === 0
        ? [op("vma.clear", { a, b })]
        : kit.regs.scope(["prot"], (c) => [kit.set(c, step.prot), op("vma.set", { a, b, c })]),
    );
  }
  const isTables = "free" in step && step.free === "tables";
  return [
    isTables
      ? op("table.free", { note: "free page tables" })
      : op("gather.free", { note: "free pages" }),
  ];
}

/** The program of such a list; `site` is that of the bracket around it. */
export function kernelProgram(kit: Kit, steps: readonly KernelStep[], site?: Site): Program {
  return steps.map(
    (step) => block(kit, step, site) ?? entryStep(kit, step, site) ?? otherStep(kit, step),
  );
}

function promises(steps: readonly KernelStep[]): boolean {
  return steps.some((step) => {
    if ("promise" in step) return true;
    return promises("gather" in step ? step.gather : "do" in step ? step.do : []);
  });
}

/**
 * One script step of kernel code. Stale uses of what it changes are tolerated while it runs, as
 * with any operation; what its return means only a `promise` says.
 */
export function kernelScript(kit: Kit, steps: readonly KernelStep[]): Program {
  const program = kernelProgram(kit, steps);
  if (promises(steps)) return [kit.enter, program, kit.leave];
  return [
    kit.enter,
    kit.regs.scope(["zero", "all"], (a, b) => [
      kit.set(a, 0),
      kit.set(b, Infinity),
      op("mark", { a, b, imm: operationId("kernel"), note: "kernel code begins" }),
    ]),
    program,
    op("unmark", { note: "kernel code ends" }),
    kit.leave,
  ];
}

/** What a step needs around it. */
type Around = "lock" | "gather" | "bracket" | "mmapLock";

const NEEDS: Readonly<Record<string, readonly Around[]>> = {
  clear: ["lock"],
  clearFlush: ["lock", "bracket"],
  flushLocked: ["bracket"],
  gatherPage: ["lock", "gather"],
  zap: ["gather"],
  unhook: ["gather"],
  set: ["lock"],
  protect: ["lock"],
  clean: ["lock"],
  move: ["lock"],
  vma: ["mmapLock"],
  free: ["gather"],
};

/** Blocks that may not stand within their like, or within a lock. */
const ONCE = ["mmapLock", "bracket", "lock", "gather", "promise"];
const BEFORE_LOCK = ["mmapLock", "bracket", "gather", "zap", "unhook", "setHuge", "split", "table"];

/**
 * What is wrong with the way steps are nested: the path of the step, and why; null: nothing.
 * @param around - the blocks the list stands in
 */
export function nestingFault(
  steps: readonly KernelStep[],
  around: readonly string[] = [],
): { readonly path: (string | number)[]; readonly says: string } | null {
  for (const [i, step] of steps.entries()) {
    const verb = Object.keys(step)[0];
    const missing = (NEEDS[verb] ?? []).find((needed) => !around.includes(needed));
    if (missing !== undefined) {
      return { path: [i, verb], says: `${verb} stands outside of ${missing}` };
    }
    if (ONCE.includes(verb) && around.includes(verb)) {
      return { path: [i, verb], says: `${verb} stands inside of ${verb}` };
    }
    if (around.includes("lock") && BEFORE_LOCK.includes(verb)) {
      return { path: [i, verb], says: `${verb} stands inside of lock` };
    }
    const inner = "gather" in step ? step.gather : "do" in step ? step.do : [];
    const fault = nestingFault(inner, [...around, verb]);
    if (fault !== null) {
      return { ...fault, path: [i, "gather" in step ? "gather" : "do", ...fault.path] };
    }
  }
  return null;
}
