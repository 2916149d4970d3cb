/** Pages that appear without a fault of their own: fault-around, MAP_POPULATE. */
import * as abi from "../../core/abi.js";
import { op, type Program, type Reg, when, whilst } from "../../program/notation.js";
import { allocFrame, beforeWritable } from "../deferral.js";
import type { Kit } from "../kit.js";
import { NEEDS_DATA, operation } from "../operation.js";
import { handleFault } from "./fault.js";

function forEachPage(start: Reg, end: Reg, body: Program): Program {
  return [
    whilst(op("cmp.lt", { a: start, b: end }), [body, op("addi", { a: start, b: start, imm: 1 })]),
  ];
}

export const mapAround = operation(
  "map.around",
  ["start", "end", "prot"],
  {
    summary: "pages of a private file mapping that are in the page cache appear, as in `prot`",
    source: "Linux do_fault_around: up to 16 pages around a read fault",
    settles: "none",
  },
  (kit, { start, end, prot }) => [
    op("mmap.read.lock"),
    forEachPage(start, end, [
      op("table.alloc", { a: start }),
      allocFrame(kit, "page-cache page"),
      when(
        op("ptl.lock", { a: start }),
        [
          op("pte.get", { a: start }),
          when(
            op("pte.bits", { imm: abi.PTE_P | abi.PTE_PROTNONE }),
            [op("frame.drop")],
            [
              beforeWritable(kit, start, prot),
              kit.settleSwappedPage(start),
              op("pte.set.vma", { a: start, b: prot, imm: abi.PTE_FILE, note: "set PTE" }),
            ],
          ),
          op("pte.forget"),
          op("ptl.unlock"),
        ],
        [op("frame.drop")],
      ),
    ]),
    op("mmap.read.unlock"),
  ],
);

function populateOperation(name: string, write: boolean) {
  return operation(
    name,
    ["start", "end"],
    {
      summary: `every page of [start, end) is faulted in, as by a ${write ? "write" : "read"}`,
      source: "Linux populate_vma_page_range",
      settles: "none",
      ...(write ? { needs: NEEDS_DATA } : {}),
    },
    (kit: Kit, { start, end }) =>
      kit.regs.scope(["prot"], (prot) =>
        forEachPage(start, end, [handleFault(kit, start, prot, write)]),
      ),
  );
}

export const populateRead = populateOperation("populate.read", false);
export const populateWrite = populateOperation("populate.write", true);
