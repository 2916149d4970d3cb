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

/** Does the code have a micro-op of such a number? */
function hasOp(image: Image, test: (code: number) => boolean): boolean {
  for (let pc = 0; pc < image.code.length / 2; pc++) {
    if (test(decode(image.code, pc).op)) return true;
  }
  return false;
}

/** ROW_* bits of what the code does: subscribers that come and go, pinned pages. */
export function rowsOfCode(image: Image): number {
  const isOfSubscribers = (code: number): boolean =>
    code >= abi.OP_ITREE_START && code <= abi.OP_RANGE_REFUSED;
  const isOfPins = (code: number): boolean => code >= abi.OP_PINS_FIRST && code <= abi.OP_PINS_LAST;
  return (
    (hasOp(image, isOfSubscribers) ? abi.ROW_NOTIFIERS : 0) |
    (hasOp(image, isOfPins) ? abi.ROW_PINS : 0)
  );
}

/** Micro-ops that need more room in a machine. */
export function optionsOf(image: Image): number {
  return hasOp(image, (code) => code === abi.OP_CALL_SEND) ? abi.OPT_CALLS : 0;
}

/** Do its programs ask the host? */
export function asksHost(image: Image): boolean {
  return hasOp(image, (code) => code >= abi.OP_HOST_CALL && code <= abi.OP_HOST_REFUSED);
}

/** Do its programs have micro-ops of devices with more than a cache? */
export function worksDevices(image: Image): boolean {
  return hasOp(image, (code) => code >= abi.OP_DEVICES_FIRST && code <= abi.OP_DEVICES_LAST);
}
