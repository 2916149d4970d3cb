/**
 * VFIO_IOMMU_UNMAP_DMA of what drivers have pinned (vfio-vdpa.md 1.5, 1.6, 1.11 (d)): each way of
 * telling them is a program. They are told before the mapping is removed, with the container lock
 * dropped, again and again until nothing is pinned, at most `budget` + 1 times; then the kernel
 * gives up. Linux has a budget of 10.
 */
import * as abi from "../../core/abi.js";
import { again, leave, op, type Program, type Reg, repeat, when } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { operation } from "../operation.js";
import { CONTAINER, eachPage, locked, unmapThenUnpin } from "./pins.js";

const { PINS_CHAIN, PINS_CONTAINER, PINS_LIST } = abi;
const lock = op("pins.lock", { imm: PINS_CONTAINER, note: CONTAINER });
const unlock = op("pins.unlock", { imm: PINS_CONTAINER, note: "container unlock" });
const tellList = op("dma.tell", { imm: abi.TELL_LIST, note: "the first device" });

const copyRange = (a: Reg): Program => [
  op("dma.tell", { a, imm: abi.TELL_RANGE, note: "copy iova and size" }),
];

/** Every device that is listed, about a range that was copied. */
const tellAll: Program = [tellList, op("dma.next", { note: "dma_unmap of the next device" })];
const chained = locked(PINS_CHAIN, "notifier chain", tellAll);

/** Until 5.19: the range is copied, the lock dropped, the chain called. */
const byChain = (a: Reg): Program => [copyRange(a), unlock, chained, lock];

/** Its translations, if a domain has any. */
function endDomain(handle: Reg, steps = unmapThenUnpin(handle)): Program {
  return [when(op("dma.test", { a: handle, imm: abi.TEST_DOMAIN, note: "in a domain?" }), steps)];
}

/** Nothing is pinned any more. */
function removed(handle: Reg): Program {
  return [
    endDomain(handle),
    op("dma.remove", { a: handle, imm: abi.REMOVE_EMPTY, note: "remove mapping" }),
  ];
}

/** What sets one way of unmapping apart. */
interface Way {
  /** With the container lock held, before and after. */
  readonly told: (handle: Reg) => Program;
  /** It has removed the mapping as well. */
  readonly isGone?: boolean;
  readonly removed?: (handle: Reg) => Program;
}

/** The loop of vfio_dma_do_unmap. */
function unmapped(
  kit: Kit,
  start: Reg,
  end: Reg,
  budget: Reg,
  { told, isGone = false, removed: gone = removed }: Way,
): Program {
  return kit.regs.scope(["handle", "last", "left", "one"], (handle, last, left, one) => {
    const retried: Program = [
      when(op("bits", { a: left, imm: 0xffff_ffff }), [
        op("sub", { a: left, b: left, c: one }),
        told(handle),
        again,
      ]),
      op("dma.fatal", { a: start, note: "BUG: drivers do not unpin" }),
      leave,
    ];
    const first: Program = [
      op("mov", { a: last, b: handle }),
      op("mov", { a: left, b: budget }),
      told(handle),
      again,
    ];
    const isPinned = op("dma.test", { a: handle, imm: abi.TEST_PINNED, note: "pinned?" });
    return [
      kit.set(one, 1),
      kit.set(last, 0),
      lock,
      repeat([
        when(
          op("dma.find", {
            a: handle,
            b: start,
            c: end,
            imm: abi.FIND_WHOLE,
            note: "next mapping",
          }),
          [
            isGone
              ? when(isPinned, [told(handle), again])
              : when(isPinned, [when(op("cmp.eq", { a: handle, b: last }), retried, first)]),
            gone(handle),
            again,
          ],
        ),
      ]),
      unlock,
    ];
  });
}

function unmapping(name: string, summary: string, source: string, way: Way, mutant = true) {
  return operation(
    name,
    ["start", "end", "budget"],
    { summary, source, settles: "none", pins: true, mutant },
    (kit, { start, end, budget }) => unmapped(kit, start, end, budget, way),
  );
}

const CHAIN_SOURCE = "vfio-vdpa.md 1.6, 1.11; Linux 4.10 to 5.19 vfio_dma_do_unmap";
const LIST_SOURCE = "vfio-vdpa.md 1.6 H1, H2; Linux 6.0 and newer vfio_notify_dma_unmap";

export const dmaUnmap = unmapping(
  "dma.unmap",
  "unmaps [start, end): the range is copied, the lock dropped, the notifier chain called",
  CHAIN_SOURCE,
  { told: byChain },
  false,
);

export const dmaUnmapListed = unmapping(
  "dma.unmap.listed",
  "mutant: as Linux 6.0 and newer: list lock taken first, and the mapping read for each device",
  LIST_SOURCE,
  {
    told: (a) => [
      op("pins.lock", { imm: PINS_LIST, note: "list lock" }),
      unlock,
      tellList,
      op("dma.next", {
        a,
        imm: abi.NEXT_REREAD,
        note: "read mapping, dma_unmap of the next device",
      }),
      op("pins.unlock", { imm: PINS_LIST, note: "list unlock" }),
      lock,
    ],
  },
);

export const dmaUnmapReread = unmapping(
  "dma.unmap.reread",
  "mutant: the container lock is dropped before the list lock is taken; the mapping is still read",
  "vfio-vdpa.md 1.6 H2",
  {
    told: (a) => [
      unlock,
      locked(PINS_LIST, "list lock", [
        tellList,
        op("dma.next", {
          a,
          imm: abi.NEXT_REREAD,
          note: "read mapping, dma_unmap of the next device",
        }),
      ]),
      lock,
    ],
  },
);

export const dmaUnmapOrdered = unmapping(
  "dma.unmap.ordered",
  "unmaps [start, end): the range is copied, the lock dropped, then the listed devices are told",
  "vfio-vdpa.md 1.6 H1, H2, repaired",
  { told: (a) => [copyRange(a), unlock, locked(PINS_LIST, "list lock", tellAll), lock] },
  false,
);

export const dmaUnmapKeepLock = unmapping(
  "dma.unmap.keep-lock",
  "mutant: drivers are told with the container lock held (S1)",
  "vfio-vdpa.md 1.11, S1",
  { told: (a) => [copyRange(a), chained] },
);

export const dmaUnmapRemoveFirst = unmapping(
  "dma.unmap.remove-first",
  "mutant: the mapping and its pins go, then drivers are told (S2, version 11 of the series)",
  "vfio-vdpa.md 1.11, S2",
  {
    isGone: true,
    told: (a) => [
      copyRange(a),
      endDomain(a),
      op("dma.remove", { a, imm: abi.REMOVE_RELEASE, note: "remove mapping, its pins go" }),
      unlock,
      chained,
      lock,
    ],
  },
);

export const dmaUnmapDetachFirst = unmapping(
  "dma.unmap.detach-first",
  "mutant: the mapping leaves the tree with its pins, drivers are told, then it is freed (S2)",
  "vfio-vdpa.md S2",
  {
    isGone: true,
    told: (a) => [
      copyRange(a),
      endDomain(a),
      op("dma.remove", { a, imm: abi.REMOVE_DETACH, note: "mapping leaves the tree" }),
      unlock,
      chained,
      lock,
      op("dma.remove", { a, imm: abi.REMOVE_EMPTY, note: "free mapping" }),
    ],
  },
);

export const dmaUnmapUnpinFirst = unmapping(
  "dma.unmap.unpin-first",
  "mutant: pages of a domain are unpinned before they are unmapped, as vhost-vdpa does (V1)",
  "vfio-vdpa.md V1",
  {
    told: byChain,
    removed: (a) => [
      endDomain(a, [eachPage(a, abi.DOMAIN_UNPIN, "unpin page"), unmapThenUnpin(a)]),
      op("dma.remove", { a, imm: abi.REMOVE_EMPTY, note: "remove mapping" }),
    ],
  },
);

export const dmaUnmapUnflushed = unmapping(
  "dma.unmap.unflushed",
  "mutant: pages of a domain are unpinned before IOTLBs are flushed",
  "vfio-vdpa.md V1; type1 unmaps, flushes, then unpins",
  {
    told: byChain,
    removed: (a) => [
      endDomain(a, [
        eachPage(a, abi.DOMAIN_UNMAP, "iommu_unmap page"),
        eachPage(a, abi.DOMAIN_UNPIN, "unpin page"),
        op("domain", { a, imm: abi.DOMAIN_FLUSH, note: "flush IOTLBs" }),
      ]),
      op("dma.remove", { a, imm: abi.REMOVE_EMPTY, note: "remove mapping" }),
    ],
  },
);

/** iommufd: the area takes no new pins; who does not unpin costs an error, not the host. */
export const iommufdUnmap = operation(
  "iommufd.unmap",
  ["start", "end", "budget"],
  {
    summary:
      "IOMMU_IOAS_UNMAP of [start, end): closed to pins first; EDEADLOCK after budget + 1 rounds",
    source: "vfio-vdpa.md 4.2; Linux iopt_unmap_iova_range",
    settles: "none",
    pins: true,
  },
  (kit, { start, end, budget }) =>
    kit.regs.scope(["handle", "left", "one"], (handle, left, one) => [
      kit.set(one, 1),
      op("mov", { a: left, b: budget }),
      lock,
      repeat([
        when(
          op("dma.find", { a: handle, b: start, c: end, imm: abi.FIND_WHOLE, note: "next area" }),
          [
            when(op("dma.test", { a: handle, imm: abi.TEST_PINNED, note: "accesses?" }), [
              op("dma.close", { a: handle, note: "prevent_access" }),
              byChain(handle),
              when(op("bits", { a: left, imm: 0xffff_ffff }), [
                op("sub", { a: left, b: left, c: one }),
                again,
              ]),
              leave,
            ]),
            removed(handle),
            again,
          ],
        ),
      ]),
      unlock,
    ]),
);

export const UNMAP_DMA_OPERATIONS = [
  dmaUnmap,
  dmaUnmapListed,
  dmaUnmapReread,
  dmaUnmapOrdered,
  dmaUnmapKeepLock,
  dmaUnmapRemoveFirst,
  dmaUnmapDetachFirst,
  dmaUnmapUnpinFirst,
  dmaUnmapUnflushed,
  iommufdUnmap,
];
