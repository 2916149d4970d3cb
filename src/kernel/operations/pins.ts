/** Mapping pages for DMA, pinning them, and who is told when they go (vfio-vdpa.md 1.4 to 1.8). */
import * as abi from "../../core/abi.js";
import {
  again,
  leave,
  op,
  type Program,
  type Reg,
  repeat,
  when,
  whilst,
} from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { handleFault } from "./fault.js";

/** Under one of the locks of pinned pages. */
export function locked(lock: number, note: string, body: Program): Program {
  const unlock = op("pins.unlock", { imm: lock, note: note.replace(/ lock$|,.*$|$/, " unlock") });
  return [op("pins.lock", { imm: lock, note }), body, unlock];
}

const { PINS_CONTAINER, PINS_LIST, PINS_CHAIN_WRITE } = abi;
/** What nobody else's note says: whose lock it is. */
export const CONTAINER = "container lock";

/** Steps of OP_DOMAIN over all pages of a mapping. */
export function eachPage(handle: Reg, how: number, note: string): Program {
  return [whilst(op("domain", { a: handle, imm: how, note }), [])];
}

/** What ends the life of a translation, in the order of type1: nobody reaches what is unpinned. */
export function unmapThenUnpin(handle: Reg): Program {
  return [
    eachPage(handle, abi.DOMAIN_UNMAP, "iommu_unmap page"),
    op("domain", { a: handle, imm: abi.DOMAIN_FLUSH, note: "flush IOTLBs" }),
    eachPage(handle, abi.DOMAIN_UNPIN, "unpin page"),
  ];
}

/**
 * Faults in what pinning lacks, if anything: pin_user_pages takes mmap_lock under the container
 * lock. Starts the loop that it is in again if the page may be written now.
 */
function faultIn(kit: Kit, a: Reg, imm: number, after: Program = []): Program {
  return kit.regs.scope(["page", "prot"], (page, prot) => [
    when(op("pin.absent", { a, b: page, imm, note: "fault in?" }), [
      handleFault(kit, page, prot, true),
      after,
      when(op("bits", { a: prot, imm: abi.PROT_WRITE }), [again]),
    ]),
  ]);
}

/** Pins and maps every page of a new mapping, or removes it again. */
function fill(kit: Kit, handle: Reg): Program {
  return [
    repeat([
      eachPage(handle, abi.DOMAIN_PIN, "pin page"),
      faultIn(kit, handle, abi.ABSENT_MAPPING),
    ]),
    when(
      op("dma.test", { a: handle, imm: abi.TEST_HELD, note: "all pinned?" }),
      eachPage(handle, abi.DOMAIN_MAP, "iommu_map page"),
      [
        eachPage(handle, abi.DOMAIN_UNPIN, "undo: unpin page"),
        op("dma.remove", { a: handle, imm: abi.REMOVE_EMPTY, note: "undo: remove mapping" }),
      ],
    ),
  ];
}

function mapping(name: string, summary: string, source: string, isDomain: boolean) {
  return operation(
    name,
    ["start", "end"],
    {
      ...{ summary, source, settles: "none", pins: true },
      ...(isDomain ? { needs: NEEDS_DATA } : {}),
    },
    (kit, { start, end }) =>
      locked(PINS_CONTAINER, CONTAINER, [
        isDomain
          ? kit.regs.scope(["handle"], (handle) => [
              when(
                op("dma.add", {
                  a: start,
                  b: end,
                  c: start,
                  imm: abi.MAP_DOMAIN,
                  note: "add mapping",
                }),
                [op("dma.find", { a: handle, b: start, c: end }), fill(kit, handle)],
              ),
            ])
          : op("dma.add", { a: start, b: end, c: start, note: "add mapping" }),
      ]),
  );
}

export const dmaMap = mapping(
  "dma.map",
  "VFIO_IOMMU_MAP_DMA of [start, end) at the same iova; emulated groups only: nothing is pinned",
  "vfio-vdpa.md 1.4; Linux vfio_dma_do_map",
  false,
);

export const dmaMapDomain = mapping(
  "dma.map.domain",
  "the same with a real group: every page is pinned and mapped in the domain, or none is",
  "vfio-vdpa.md 1.4; Linux vfio_pin_map_dma",
  true,
);

export const vdpaUpdate = mapping(
  "vdpa.update",
  "VHOST_IOTLB_UPDATE of [start, end), physical mode: pages are pinned, then mapped",
  "vfio-vdpa.md 3.2; Linux vhost_vdpa_pa_map",
  true,
);

export const dmaMapAt = operation(
  "dma.map.at",
  ["start", "end", "target"],
  {
    summary: "as dma.map, of the pages from `target` on: one page may be mapped at several iovas",
    source: "vfio-vdpa.md S7",
    settles: "none",
    pins: true,
  },
  (_kit, { start, end, target }) =>
    locked(PINS_CONTAINER, CONTAINER, [
      op("dma.add", { a: start, b: end, c: target, note: "add mapping" }),
    ]),
);

const pick = (device: Reg): Program => [op("pin.pick", { a: device, note: "for the device" })];
const pickNone = op("pin.pick", { imm: abi.PICK_NONE, note: "for no device" });

/** Pins, and tells the device: under the driver's lock, so that dma_unmap finds the pin. */
function pinning(name: string, summary: string, isLocked: boolean) {
  return operation(
    name,
    ["device", "vpn"],
    {
      summary,
      source: "vfio-vdpa.md 1.7, 4.3; Linux vfio_pin_pages",
      settles: "none",
      pins: true,
      mutant: !isLocked,
      needs: NEEDS_DATA,
    },
    (kit, { device, vpn }) => {
      const unlock = op("pins.unlock", { imm: PINS_CONTAINER, note: "container unlock" });
      return [
        pick(device),
        isLocked ? op("dev.lock", { note: "driver's lock" }) : [],
        op("pins.lock", { imm: PINS_CONTAINER, note: CONTAINER }),
        repeat([
          when(op("pin.get", { a: vpn, note: "pin page" }), [
            unlock,
            op("pin.note", { a: vpn, imm: abi.LEDGER_ADD, note: "device uses it" }),
            leave,
          ]),
          // A fault may notify other devices, and forgets this one.
          faultIn(kit, vpn, abi.ABSENT_PAGE, pick(device)),
          unlock,
        ]),
        isLocked ? op("dev.unlock", { note: "driver's unlock" }) : [],
        pickNone,
      ];
    },
  );
}

export const pin = pinning(
  "pin",
  "vfio_pin_pages of iova page `vpn` by the driver of `device`, which then uses it",
  true,
);

export const pinUnlocked = pinning(
  "pin.unlocked",
  "mutant: as pin, but the driver enters it into its ledger without a lock around both",
  false,
);

export const unpin = operation(
  "unpin",
  ["device", "vpn"],
  {
    summary: "vfio_unpin_pages of iova page `vpn` by the driver of `device`, whoever has pinned it",
    source: "vfio-vdpa.md 1.8; Linux vfio_unpin_pages",
    settles: "none",
    pins: true,
  },
  (_kit, { device, vpn }) => [
    pick(device),
    op("dev.lock", { note: "driver's lock" }),
    op("pin.note", { a: vpn, imm: abi.LEDGER_STOP, note: "device lets go" }),
    locked(PINS_CONTAINER, CONTAINER, [op("pin.put", { a: vpn, note: "unpin page" })]),
    op("dev.unlock", { note: "driver's unlock" }),
    pickNone,
  ],
);

/** Joins the list of devices that are told, or leaves it, under these locks. */
function listing(
  name: string,
  how: number,
  summary: string,
  source: string,
  locks: readonly (readonly [number, string])[],
  mutant = false,
) {
  return operation(
    name,
    ["device"],
    { summary, source, settles: "none", pins: true, mutant },
    (_kit, { device }) => {
      const note = how === abi.LIST_JOIN ? "join the list" : "leave the list";
      const change: Program = [op("pin.list", { imm: how, note })];
      const under = [...locks]
        .reverse()
        .reduce((body: Program, [lock, says]) => locked(lock, says, body), change);
      return [pick(device), under, pickNone];
    },
  );
}

const CHAIN = [[PINS_CHAIN_WRITE, "notifier chain, for writing"]] as const;
const LIST = [PINS_LIST, "list lock"] as const;
const CONTAINER_FIRST = [[PINS_CONTAINER, CONTAINER], LIST] as const;
const LIST_FIRST = [LIST, [PINS_CONTAINER, CONTAINER]] as const;

export const dmaRegister = listing(
  "dma.register",
  abi.LIST_JOIN,
  "`device` joins the notifier chain of the container (Linux 4.10 to 5.19)",
  "vfio-vdpa.md 1.6; Linux blocking_notifier_chain_register",
  CHAIN,
);

export const dmaUnregister = listing(
  "dma.unregister",
  abi.LIST_LEAVE,
  "`device` leaves the notifier chain; what it has pinned stays pinned",
  "vfio-vdpa.md 1.6, S5",
  CHAIN,
);

export const dmaRegisterListed = listing(
  "dma.register.listed",
  abi.LIST_JOIN,
  "mutant: as Linux 6.0 and newer do it: the container lock, then the list's (H1)",
  "vfio-vdpa.md 1.6 H1; Linux vfio_iommu_type1_register_device",
  CONTAINER_FIRST,
  true,
);

export const dmaUnregisterListed = listing(
  "dma.unregister.listed",
  abi.LIST_LEAVE,
  "mutant: the same of a device that is closed (H1)",
  "vfio-vdpa.md 1.6 H1; Linux vfio_iommu_type1_unregister_device",
  CONTAINER_FIRST,
  true,
);

export const dmaRegisterOrdered = listing(
  "dma.register.ordered",
  abi.LIST_JOIN,
  "`device` joins the list: the list lock, then the container's, as callbacks take them",
  "vfio-vdpa.md 1.6 H1, repaired",
  LIST_FIRST,
);

export const dmaUnregisterOrdered = listing(
  "dma.unregister.ordered",
  abi.LIST_LEAVE,
  "the same of a device that is closed",
  "vfio-vdpa.md 1.6 H1, repaired",
  LIST_FIRST,
);

/** Every mapping goes, and nobody is told. */
export const dmaRelease = operation(
  "dma.release",
  [],
  {
    summary: "the container is released: every mapping is removed, and no driver is told",
    source: "vfio-vdpa.md 1.3, S5; Linux vfio_iommu_type1_release",
    settles: "none",
    pins: true,
  },
  (kit) =>
    kit.regs.scope(["handle", "zero", "all"], (handle, zero, all) => [
      kit.set(zero, 0),
      kit.set(all, Infinity),
      locked(PINS_CONTAINER, CONTAINER, [
        whilst(op("dma.find", { a: handle, b: zero, c: all, note: "next mapping" }), [
          unmapThenUnpin(handle),
          op("dma.remove", { a: handle, imm: abi.REMOVE_EMPTY, note: "remove mapping" }),
        ]),
      ]),
    ]),
);

/** INVALIDATE: every entry that overlaps goes, whole. */
function invalidation(name: string, summary: string, mutant: boolean) {
  return operation(
    name,
    ["start", "end"],
    {
      summary,
      source: "vfio-vdpa.md 3.2, V1; Linux vhost_vdpa_pa_unmap",
      settles: "none",
      pins: true,
      mutant,
    },
    (kit, { start, end }) =>
      kit.regs.scope(["handle"], (handle) => [
        locked(PINS_CONTAINER, "device mutex", [
          whilst(op("dma.find", { a: handle, b: start, c: end, note: "next entry" }), [
            mutant ? eachPage(handle, abi.DOMAIN_UNPIN, "unpin page") : [],
            unmapThenUnpin(handle),
            op("dma.remove", { a: handle, imm: abi.REMOVE_EMPTY, note: "remove entry" }),
          ]),
        ]),
      ]),
  );
}

export const vdpaInvalidate = invalidation(
  "vdpa.invalidate",
  "mutant: VHOST_IOTLB_INVALIDATE of [start, end) as Linux has it: unpins, then unmaps (V1)",
  true,
);

export const vdpaInvalidateOrdered = invalidation(
  "vdpa.invalidate.ordered",
  "the same in the order of type1: unmaps, flushes IOTLBs, then unpins",
  false,
);

export const PIN_OPERATIONS = [
  dmaMap,
  dmaMapDomain,
  dmaMapAt,
  pin,
  pinUnlocked,
  unpin,
  dmaRegister,
  dmaUnregister,
  dmaRegisterListed,
  dmaUnregisterListed,
  dmaRegisterOrdered,
  dmaUnregisterOrdered,
  dmaRelease,
  vdpaUpdate,
  vdpaInvalidate,
  vdpaInvalidateOrdered,
];
