/**
 * Devices that reach what is pinned for them, and the drivers of mediated ones: what dma_unmap does
 * when a mapping goes (vfio-vdpa.md 1.6, 1.11). Their programs are in docs/pins.md.
 */
import * as abi from "../../core/abi.js";
import { again, op, type Program, type Reg, repeat, unless, when } from "../../program/notation.js";
import { whilst } from "../../program/notation.js";
import type { Consumer } from "../consumer.js";

const SOURCE = "vfio-vdpa.md 1.6, 1.8; Linux drivers/vfio";
const container = abi.PINS_CONTAINER;

/** The driver's own lock: the ledger, and what the device uses, change under it. */
function withLedger(body: Program): Program {
  return [
    op("dev.lock", { note: "driver's lock" }),
    body,
    op("dev.unlock", { note: "driver's unlock" }),
  ];
}

const stopTold = op("pin.note", { imm: abi.LEDGER_STOP_TOLD, note: "device lets go" });

/** Gives back every pin that the driver has in the notified range, one call each. */
const unpinTold: Program = [
  whilst(op("pin.note", { imm: abi.LEDGER_FIND, note: "anything pinned there?" }), [
    op("pins.lock", { imm: container, note: "unpin: container lock" }),
    op("pin.put", { imm: abi.PIN_TOLD, note: "unpin page" }),
    op("pins.unlock", { imm: container, note: "container unlock" }),
  ]),
];

/** Pins the first page of the notified range anew. */
const pinTold: Program = [
  op("pins.lock", { imm: container, note: "pin: container lock" }),
  when(
    op("pin.get", { imm: abi.PIN_TOLD, note: "pin page again" }),
    [
      op("pins.unlock", { imm: container, note: "container unlock" }),
      op("pin.note", { imm: abi.LEDGER_ADD_TOLD, note: "device uses it" }),
    ],
    [op("pins.unlock", { imm: container, note: "container unlock" })],
  ),
];

const fault = op("dev.fault", { note: "DMA not possible" });

/** Through what the driver has pinned: the frames themselves. */
function mediated(vpn: Reg, write: boolean): Program {
  const imm = write ? abi.DMA_WRITE : 0;
  return [
    unless(op("dma.access", { a: vpn, imm, note: write ? "DMA write" : "DMA read" }), [fault]),
  ];
}

/** Through the domain, by an IOTLB. */
function translated(vpn: Reg, write: boolean): Program {
  const imm = abi.DMA_TRANSLATED | (write ? abi.DMA_WRITE : 0);
  const walk = op("dma.walk", { a: vpn, note: "IOMMU walk" });
  return [
    repeat([
      unless(op("dma.access", { a: vpn, imm, note: write ? "DMA write" : "DMA read" }), [
        when(walk, [again], [fault]),
      ]),
    ]),
  ];
}

function driver(
  name: string,
  title: string,
  dmaUnmap: Program,
  { mutant = false, source = SOURCE } = {},
): Consumer {
  return { name, title, source, mutant, kind: "pinning", hooks: {}, dmaUnmap, access: mediated };
}

export const vgpu = driver(
  "vgpu",
  "mediated device: its driver stops it, then unpins all that it has in the range",
  withLedger([stopTold, unpinTold]),
);

export const vgpuStubborn = driver("vgpu-stubborn", "mutant: dma_unmap does nothing", [], {
  mutant: true,
  source: "vfio-vdpa.md S4",
});

export const vgpuUnpinsFirst = driver(
  "vgpu-unpins-first",
  "mutant: unpins, and then stops the device",
  withLedger([unpinTold, stopTold]),
  { mutant: true },
);

export const vgpuRepins = driver(
  "vgpu-repins",
  "mutant: unpins, and pins the first page of the range again",
  withLedger([stopTold, unpinTold, pinTold]),
  { mutant: true, source: "vfio-vdpa.md 1.6: nothing stops new pins while the lock is dropped" },
);

export const assigned: Consumer = {
  name: "assigned",
  title: "assigned device, or one behind vhost-vdpa: translated by a domain of the IOMMU",
  source: "vfio-vdpa.md 1.3, 3.1",
  mutant: false,
  kind: "pinning",
  hooks: {},
  access: translated,
};

export const PINNING_CONSUMERS: readonly Consumer[] = [
  vgpu,
  vgpuStubborn,
  vgpuUnpinsFirst,
  vgpuRepins,
  assigned,
];
