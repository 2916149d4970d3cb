/**
 * Which flush requests of an image `assembly/bulk.ts` may carry out whole: those that are, word for
 * word, what {@link Kit.flush} writes for a policy that sends, flushes locally and waits, or
 * flushes locally first. An operand it does not know, a micro-op more or less: not recognised.
 */
import * as abi from "../core/abi.js";
import type { Image } from "../program/assembler.js";
import { decode } from "../program/disassembler.js";

/** Micro-op, its imm, and whether that is a jump target counted from flush.prep. */
type Word = readonly [op: number, imm: number, jump?: "jump"];

const SEND: readonly Word[] = [
  [abi.OP_CSD_SEND, 0],
  [abi.OP_JF, 3, "jump"],
  [abi.OP_JMP, 0, "jump"],
  [abi.OP_IPI_SEND, 0],
];
/** INFO_* bits that bulk.ts knows. */
const KNOWN_INFO = abi.INFO_FREED | abi.INFO_FULL | abi.INFO_HUGE | abi.INFO_TRIM;
const LOCAL: readonly Word[] = [[abi.OP_FLUSH_LOCAL, 0]];

/** A piece of a program whose jumps count from its own start, placed at `start`. */
function placed(start: number, words: readonly Word[]): Word[] {
  return words.map(([op, imm, jump]) => (jump ? [op, start + imm, jump] : [op, imm]));
}

/** What stands behind flush.prep, up to flush.done. */
function requestWords(kind: number): Word[] {
  const isLocalFirst = (kind & abi.BULK_LOCAL_FIRST) !== 0;
  return [
    [abi.OP_FLUSH_OTHERS, 0],
    [abi.OP_JF, 10, "jump"],
    ...(isLocalFirst ? [...LOCAL, ...placed(4, SEND)] : [...placed(3, SEND), ...LOCAL]),
    [abi.OP_CSD_WAIT, 0],
    [abi.OP_JMP, 11, "jump"],
    [abi.OP_FLUSH_LOCAL, 1],
    ...((kind & abi.BULK_NOTIFY) === 0
      ? []
      : ([
          [abi.OP_NOTIFY_BEGIN, abi.HOOK_SECONDARY],
          [abi.OP_NOTIFY_NEXT, 0],
        ] as const)),
    [abi.OP_FLUSH_DONE, 0],
  ];
}

const KINDS = [abi.BULK_SEND_FIRST, abi.BULK_LOCAL_FIRST]
  .flatMap((order) => [order, order | abi.BULK_NOTIFY])
  .map((kind) => ({ kind, words: requestWords(kind) }));

/** BULK_* of the request whose flush.prep is at `pc`; 0: it has to be decoded. */
function kindOf(code: Uint32Array, pc: number): number {
  const prep = decode(code, pc);
  if (prep.c !== 0 || (prep.imm & ~KNOWN_INFO) !== 0) return 0;
  const found = KINDS.find(({ words }) =>
    words.every(([op, imm, jump], i) => {
      const at = decode(code, pc + 1 + i);
      // notify.begin names the range's registers; who they are does not matter without subscribers.
      const hasRange = op === abi.OP_NOTIFY_BEGIN;
      const isBare = at.c === 0 && (hasRange || (at.a === 0 && at.b === 0));
      return at.op === op && isBare && at.imm === (jump ? pc + imm : imm);
    }),
  );
  return found?.kind ?? 0;
}

/** The image's code, with BULK_* in operand c of each flush.prep that begins such a request. */
export function codeWithBulk(image: Image): Uint32Array {
  const code = image.code.slice();
  for (let pc = 0; pc < code.length / 2; pc++) {
    if ((code[pc * 2] & 0xff) === abi.OP_FLUSH_PREP) code[pc * 2] |= kindOf(code, pc) << 24;
  }
  return code;
}
