/** What devices need of a machine beyond their row (assembly/devices), and how a row gets it. */
import * as abi from "../core/abi.js";
import type { Core } from "../core/core.js";
import { DEVICE_MORE } from "../core/layout.js";
import { decode } from "../program/disassembler.js";
import type { Consumer } from "./consumer.js";
import { buildImage, type ImageOptions } from "./image.js";

function traitsOf({ traits }: Consumer): number {
  const snoops = traits?.snoops === true ? abi.MORE_SNOOPS : 0;
  return snoops | (traits?.keepsRoot === true ? abi.MORE_KEEPS : 0);
}

/**
 * ROW_* bits that consumers and scripts ask for, by their micro-ops or by what they are like. That
 * the catalogue has operations for such devices asks for nothing.
 */
export function deviceRows(options: ImageOptions): number {
  if (options.consumers.some((consumer) => traitsOf(consumer) !== 0)) return abi.ROW_DEVICES;
  const { code } = buildImage({ ...options, scriptsOnly: true });
  for (let pc = 0; pc < code.length / 2; pc++) {
    const { op } = decode(code, pc);
    if (op >= abi.OP_DEVICES_FIRST && op <= abi.OP_DEVICES_LAST) return abi.ROW_DEVICES;
  }
  return 0;
}

/** Fills what a device has beyond its row, in a machine that has such rows. */
export function writeTraits(core: Core, device: number, consumer: Consumer): void {
  if ((core.header[abi.H_ROWS] & abi.ROW_DEVICES) === 0) return;
  core.write(DEVICE_MORE, core.deviceMore(device), "traits", traitsOf(consumer));
}
