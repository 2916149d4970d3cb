/** What CPUs do for devices: page requests (notifiers.md 4.2) and memslots (4.1). */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when, whilst } from "../../program/notation.js";
import type { Kit } from "../kit.js";
import { NEEDS_TABLES, operation } from "../operation.js";
import { upgradeFlushed } from "./downgrade.js";
import { handleFault } from "./fault.js";
import { exitMmap } from "./process.js";

function state(device: Reg, what: number, note: string): Program {
  return [op("req.state", { slot: what, imm: device.index, note })];
}

/** Handles the fault that a device asked for, and answers; the mm's user reference goes again. */
function serveOne(kit: Kit, device: Reg, vpn: Reg, wanted: Reg, arm64: boolean): Program {
  const answer = (code: number, note: string) =>
    op("req.answer", { slot: code, imm: device.index, note });
  const success = answer(abi.ANSWER_SUCCESS, "answer SUCCESS");
  const handled = (write: boolean): Program =>
    kit.regs.scope(["prot"], (prot) => [
      // The fault behind it finds an entry that is writable already.
      write && arm64 ? upgradeFlushed(kit, vpn) : [],
      handleFault(kit, vpn, prot, write),
      when(
        op("bits", { a: prot, imm: abi.PROT_READ | abi.PROT_WRITE }),
        [success],
        [answer(abi.ANSWER_INVALID, "answer INVALID: not allowed")],
      ),
    ]);
  return [
    when(
      op("bits", { a: wanted, imm: abi.PROT_READ | abi.PROT_WRITE }),
      [
        when(
          state(device, abi.REQ_EMPTY, "is its root empty?"),
          // Before 3.19: whoever asks while a bracket is open is answered without work.
          [answer(abi.ANSWER_SUCCESS, "answer SUCCESS without work")],
          [when(op("bits", { a: wanted, imm: abi.PROT_WRITE }), handled(true), handled(false))],
        ),
        when(op("mm.put", { note: "mmput" }), exitMmap(kit)),
      ],
      [answer(abi.ANSWER_INVALID, "answer INVALID: no users left")],
    ),
  ];
}

function serving(name: string, summary: string, arm64: boolean) {
  return operation(
    name,
    ["device"],
    {
      summary,
      source: "notifiers.md 4.2; Linux drivers/iommu do_fault",
      settles: "none",
      needs: NEEDS_TABLES,
    },
    (kit, { device }) =>
      kit.regs.scope(["vpn", "wanted", "own"], (vpn, wanted, own) => [
        op("mm.current", { a: own }),
        whilst(
          op("req.take", { a: vpn, b: wanted, imm: device.index, note: "take page request" }),
          [serveOne(kit, device, vpn, wanted, arm64)],
        ),
        op("ctx.mm", { a: own }),
      ]),
  );
}

export const deviceServe = serving(
  "device.serve",
  "answers the page requests of device `device` (index) until its program is over",
  false,
);

export const deviceServeArm64 = serving(
  "device.serve.arm64",
  "as device.serve; entries that become writable are flushed under their lock, as on arm64",
  true,
);

export const deviceBind = operation(
  "device.bind",
  ["device"],
  {
    summary: "from now on page requests of device `device` (index) are answered by somebody",
    source: "notifiers.md 4.2, bind",
    settles: "none",
  },
  (_kit, { device }) => state(device, abi.REQ_BIND, "bind"),
);

export const deviceUnbind = operation(
  "device.unbind",
  ["device"],
  {
    summary: "nobody answers page requests of device `device` (index) any more",
    source: "notifiers.md 4.2",
    settles: "none",
  },
  (_kit, { device }) => state(device, abi.REQ_UNBIND, "unbind"),
);

function memslot(name: string, summary: string, flags: number) {
  return operation(
    name,
    ["start", "end", "guest", "device"],
    {
      summary,
      source: "notifiers.md 4.1; Linux kvm_swap_active_memslots",
      settles: "none",
      mutant: flags !== 0,
    },
    (_kit, { start, end, guest, device }) => [
      op("slot.set", {
        a: start,
        b: end,
        c: guest,
        imm: device.index | flags,
        note: "swap memslots",
      }),
    ],
  );
}

export const memslotSet = memslot(
  "memslot.set",
  "[start, end) become guest page `guest` and on of `device`, when no bracket is active",
  0,
);

export const memslotSetUnfrozen = memslot(
  "memslot.set-unfrozen",
  "mutant: as memslot.set, whether or not brackets are active",
  abi.SLOT_UNFROZEN,
);

export const DEVICE_OPERATIONS = [
  deviceServe,
  deviceServeArm64,
  deviceBind,
  deviceUnbind,
  memslotSet,
  memslotSetUnfrozen,
];
