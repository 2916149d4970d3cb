/** Operations that the library does not have, for the micro-ops it does not use. */
import * as abi from "../../src/core/abi.js";
import { operation } from "../../src/kernel/operation.js";
import { op, times, unless, when } from "../../src/program/notation.js";

const source = "for tests only";

/** A huge page where nothing is mapped yet. */
export const hugeFault = operation(
  "test-huge-fault",
  ["vpn"],
  { summary: "maps a huge page at `vpn`, a multiple of its size", source, settles: "none" },
  (kit, { vpn }) => [
    op("mmap.write.lock"),
    kit.regs.scope(["prot"], (prot) => [
      when(op("vma.find", { a: vpn, b: prot }), [
        when(
          op("ptl.lock", { a: vpn }),
          [op("ptl.unlock")],
          [op("frame.alloc"), op("pte.huge", { a: vpn, imm: abi.PTE_W })],
        ),
      ]),
    ]),
    op("mmap.write.unlock"),
  ],
);

/** munmap that frees page tables before the flush. */
export const earlyTableFree = operation(
  "test-early-table-free",
  ["start", "end"],
  { summary: "mutant: frees page tables before it flushes", source, settles: "range" },
  (kit, { start, end }) => [
    op("mmap.write.lock"),
    kit.splitEdges(start, end),
    op("vma.clear", { a: start, b: end }),
    kit.gather([
      kit.range({ name: "test", row: 0, clearFlush: false }, "UNMAP", start, end, [
        kit.zap(start, end),
      ]),
      kit.unhookTables(start, end),
      op("table.free"),
    ]),
    op("mmap.write.unlock"),
  ],
);

/** Signals, waits for as many, computes a little. */
export const signalAndWait = operation(
  "test-signal",
  ["rounds"],
  { summary: "signals 1 `rounds` times, then waits for three signals", source, settles: "none" },
  (kit, { rounds }) =>
    kit.regs.scope(["one", "sum"], (one, sum) => [
      kit.set(one, 1),
      kit.set(sum, 2 ** 40 + 7),
      times(rounds, [
        op("signal", { imm: 1 }),
        op("add", { a: sum, b: sum, c: one }),
        op("delay", { a: one }),
        op("nop"),
      ]),
      unless(op("cmp.lt", { a: one, b: sum }), [op("delay", { a: one })]),
      op("await", { imm: 1, slot: 3 }),
    ]),
);

export const EXTRA_OPERATIONS = [hugeFault, earlyTableFree, signalAndWait];

const CALL_FLAGS = [0, abi.CALL_WRITE, abi.CALL_ASYNC, abi.CALL_WRITE | abi.CALL_ASYNC];

/** A call to CPU `cpu`, and its interrupt if one is needed. */
function callTo(cpu: number, flags: number) {
  return operation(
    `test-call-${cpu}-${flags}`,
    ["vpn"],
    { summary: `calls CPU ${cpu}, which accesses \`vpn\``, source, settles: "none" },
    (_kit, { vpn }) => [
      when(op("call.send", { a: vpn, slot: flags, imm: cpu }), [op("ipi.send")], [op("nop")]),
    ],
  );
}

/** Calls of every kind to each of four CPUs. */
export const CALL_OPERATIONS = [0, 1, 2, 3].flatMap((cpu) =>
  CALL_FLAGS.map((flags) => callTo(cpu, flags)),
);

/** The CPU that one of them calls. */
export function calledCpu(name: string): number {
  return Number(name.split("-")[2]);
}
