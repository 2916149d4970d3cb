/** What the code of a machine asks of it: options, and what may be executed without decoding it. */
import * as abi from "../core/abi.js";
import type { Image } from "../program/assembler.js";
import { decode } from "../program/disassembler.js";
import { hasStandardDrain } from "./image.js";

/** What the timed driver may execute without decoding it. */
export function shortcutsOf(image: Image, header: Uint32Array): number {
  // Devices that hear requests hear them micro-op by micro-op.
  if ((header[abi.H_ROWS] & abi.ROW_DEVICES) !== 0) return 0;
  const options = header[abi.H_OPTIONS];
  const own = abi.OPT_INLINE | abi.OPT_ASYNC | abi.OPT_POLL | abi.OPT_GLOBAL_ASIDS;
  const isPlain = (options & (own | abi.OPT_REPLICAS | abi.OPT_CORE_TABLES)) === 0;
  const targets = isPlain && hasStandardDrain(image) ? abi.SHORT_DRAIN | abi.SHORT_FLUSH : 0;
  return abi.SHORT_SEND | targets;
}

/** ROW_* bits of what the code does: subscribers that come and go, pinned pages. */
export function rowsOfCode(image: Image): number {
  let rows = 0;
  for (let pc = 0; pc < image.code.length / 2; pc++) {
    const { op } = decode(image.code, pc);
    if (op >= abi.OP_ITREE_START && op <= abi.OP_RANGE_REFUSED) rows |= abi.ROW_NOTIFIERS;
    if (op >= abi.OP_PINS_FIRST && op <= abi.OP_PINS_LAST) rows |= abi.ROW_PINS;
  }
  return rows;
}

/** Micro-ops that need more room in a machine. */
export function optionsOf(image: Image): number {
  for (let pc = 0; pc < image.code.length / 2; pc++) {
    if (decode(image.code, pc).op === abi.OP_CALL_SEND) return abi.OPT_CALLS;
  }
  return 0;
}

/** Do its programs ask the host? */
export function asksHost(image: Image): boolean {
  for (let pc = 0; pc < image.code.length / 2; pc++) {
    const { op } = decode(image.code, pc);
    if (op >= abi.OP_HOST_CALL && op <= abi.OP_HOST_REFUSED) return true;
  }
  return false;
}
