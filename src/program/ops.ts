/**
 * The micro-ops by name: what notation, assembler, disassembler and cost profiles share.
 * Meaning of each: `src/core/abi.ts` and docs/machine.md.
 */
import * as abi from "../core/abi.js";

/** Mnemonics by code. A dotted name: what it acts on, then the verb. */
export const OP_NAMES = {
  end: abi.OP_END,
  jmp: abi.OP_JMP,
  jt: abi.OP_JT,
  jf: abi.OP_JF,
  movi: abi.OP_MOVI,
  movh: abi.OP_MOVH,
  mov: abi.OP_MOV,
  addi: abi.OP_ADDI,
  sub: abi.OP_SUB,
  "cmp.lt": abi.OP_CMPLT,
  "cmp.eq": abi.OP_CMPEQ,
  djnz: abi.OP_DJNZ,
  ret: abi.OP_RET,
  delay: abi.OP_DELAY,
  bits: abi.OP_BITS,
  "pte.bits": abi.OP_PTE_BITS,
  "frame.zero": abi.OP_FRAME_ZERO,
  "gather.full": abi.OP_GATHER_FULL,
  "gather.range": abi.OP_GATHER_RANGE,
  "ctx.mm": abi.OP_CTX_MM,
  "mm.current": abi.OP_GET_MM,
  add: abi.OP_ADD,
  nop: abi.OP_NOP,
  "span.end": abi.OP_SPAN_END,
  "pte.frame": abi.OP_PTE_FRAME,
  "pte.forget": abi.OP_PTE_FORGET,
  mark: abi.OP_MARK,
  unmark: abi.OP_UNMARK,
  signal: abi.OP_SIGNAL,
  await: abi.OP_AWAIT,
  "irq.off": abi.OP_IRQ_OFF,
  "irq.on": abi.OP_IRQ_ON,
  "mmap.read.lock": abi.OP_MMAP_RLOCK,
  "mmap.read.unlock": abi.OP_MMAP_RUNLOCK,
  "mmap.write.lock": abi.OP_MMAP_WLOCK,
  "mmap.write.unlock": abi.OP_MMAP_WUNLOCK,
  "ptl.lock": abi.OP_PTL_LOCK,
  "ptl.unlock": abi.OP_PTL_UNLOCK,
  "vma.find": abi.OP_VMA_FIND,
  "vma.set": abi.OP_VMA_SET,
  "vma.clear": abi.OP_VMA_CLEAR,
  "vma.next": abi.OP_VMA_NEXT,
  "vma.copy": abi.OP_VMA_COPY,
  "table.next": abi.OP_TABLE_NEXT,
  "table.alloc": abi.OP_TABLE_ALLOC,
  "table.unhook": abi.OP_TABLE_UNHOOK,
  "pte.next": abi.OP_PTE_NEXT,
  "pte.get": abi.OP_PTE_GET,
  "pte.clear": abi.OP_PTE_CLEAR,
  "pte.set": abi.OP_PTE_SET,
  "pte.put": abi.OP_PTE_PUT,
  "pte.protect": abi.OP_PTE_PROTECT,
  "pte.copy": abi.OP_PTE_COPY,
  "pte.set.vma": abi.OP_PTE_SET_VMA,
  "pte.huge": abi.OP_PTE_HUGE,
  "pte.split": abi.OP_PTE_SPLIT,
  "frame.alloc": abi.OP_FRAME_ALLOC,
  "frame.get": abi.OP_FRAME_GET,
  "frame.copy": abi.OP_FRAME_COPY,
  "frame.put": abi.OP_FRAME_PUT,
  "frame.only": abi.OP_FRAME_ONLY,
  "frame.drop": abi.OP_FRAME_DROP,
  "rmap.find": abi.OP_RMAP_FIND,
  "gather.begin": abi.OP_GATHER_BEGIN,
  "gather.add": abi.OP_GATHER_ADD,
  "gather.widen": abi.OP_GATHER_WIDEN,
  "gather.nested": abi.OP_GATHER_NESTED,
  "gather.free": abi.OP_GATHER_FREE,
  "gather.end": abi.OP_GATHER_END,
  "table.free": abi.OP_TABLE_FREE,
  "flush.prep": abi.OP_FLUSH_PREP,
  "flush.others": abi.OP_FLUSH_OTHERS,
  "flush.local": abi.OP_FLUSH_LOCAL,
  "csd.send": abi.OP_CSD_SEND,
  "ipi.send": abi.OP_IPI_SEND,
  "csd.wait": abi.OP_CSD_WAIT,
  "flush.done": abi.OP_FLUSH_DONE,
  "csq.take": abi.OP_CSQ_TAKE,
  "csd.run": abi.OP_CSD_RUN,
  "csd.unlock": abi.OP_CSD_UNLOCK,
  "range.begin": abi.OP_RANGE_BEGIN,
  "range.end": abi.OP_RANGE_END,
  "notify.begin": abi.OP_NOTIFY_BEGIN,
  "notify.next": abi.OP_NOTIFY_NEXT,
  "dev.lock": abi.OP_DEV_LOCK,
  "dev.unlock": abi.OP_DEV_UNLOCK,
  "dev.count": abi.OP_DEV_COUNT,
  "dev.seq": abi.OP_DEV_SEQ,
  "dev.zap": abi.OP_DEV_ZAP,
  "dev.access": abi.OP_DEV_ACCESS,
  "dev.walk": abi.OP_DEV_WALK,
  "dev.snap": abi.OP_DEV_SNAP,
  "dev.resolve": abi.OP_DEV_RESOLVE,
  "dev.retry": abi.OP_DEV_RETRY,
  "dev.install": abi.OP_DEV_INSTALL,
  "dev.fault": abi.OP_DEV_FAULT,
  "cpu.access": abi.OP_CPU_ACCESS,
  "sw.begin": abi.OP_SW_BEGIN,
  "sw.lazy": abi.OP_SW_LAZY,
  "sw.unlazy": abi.OP_SW_UNLAZY,
  "sw.mark": abi.OP_SW_MARK,
  "sw.gen": abi.OP_SW_GEN,
  "sw.cr3": abi.OP_SW_CR3,
  "sw.done": abi.OP_SW_DONE,
  "sw.task": abi.OP_SW_TASK,
  "task.get": abi.OP_TASK_GET,
  "mm.new": abi.OP_MM_NEW,
  "mm.put": abi.OP_MM_PUT,
  "mm.free": abi.OP_MM_FREE,
  "task.mm": abi.OP_TASK_MM,
  "mm.release": abi.OP_MM_RELEASE,
} as const;

/** Name of a micro-op. */
export type OpName = keyof typeof OP_NAMES;

/** Costs that are not the price of a micro-op. */
export const COST_NAMES = {
  deliver: abi.COST_DELIVER,
  ack: abi.COST_ACK,
  flushFixed: abi.COST_FLUSH_FIXED,
  flushPage: abi.COST_FLUSH_PAGE,
  flushFull: abi.COST_FLUSH_FULL,
  freePage: abi.COST_FREE_PAGE,
  walk: abi.COST_WALK,
  devZap: abi.COST_DEV_ZAP,
  switchFlush: abi.COST_SWITCH_FLUSH,
  ipi: abi.COST_IPI,
  csd: abi.COST_CSD,
  csdRemote: abi.COST_CSD_REMOTE,
  deliverRemote: abi.COST_DELIVER_REMOTE,
  ackRemote: abi.COST_ACK_REMOTE,
} as const;

/** Name of such a cost. */
export type CostName = keyof typeof COST_NAMES;

const byCode = new Map<number, OpName>(
  Object.entries(OP_NAMES).map(([name, code]) => [code, name as OpName]),
);

/** Mnemonic of a code, `op.N` for an unknown one. */
export function opName(code: number): string {
  return byCode.get(code) ?? `op.${code}`;
}

/** Local micro-ops touch nothing another actor can see. */
export function isLocal(code: number): boolean {
  return code !== abi.OP_END && code <= abi.OP_LOCAL_LAST;
}
