/** What devices need of a machine beyond their row (assembly/devices), and how a row gets it. */
import * as abi from "../core/abi.js";
import type { Core } from "../core/core.js";
import { DEVICE_MORE } from "../core/layout.js";
import type { Image } from "../program/assembler.js";
import type { Consumer } from "./consumer.js";
import { buildImage, type ImageOptions } from "./image.js";
import { worksDevices } from "./image-options.js";

function traitsOf({ traits }: Consumer): number {
  const snoops = traits?.snoops === true ? abi.MORE_SNOOPS : 0;
  return snoops | (traits?.keepsRoot === true ? abi.MORE_KEEPS : 0);
}

/**
 * ROW_* bits that consumers and scripts ask for, by their micro-ops or by what they are like. That
 * the catalogue has operations for such devices asks for nothing.
 * @param image - what is assembled from `options`, if it is already
 */
export function deviceRows(options: ImageOptions, image?: Image): number {
  if (options.consumers.some((consumer) => traitsOf(consumer) !== 0)) return abi.ROW_DEVICES;
  const asked =
    image !== undefined && options.scriptsOnly === true
      ? image
      : buildImage({ ...options, scriptsOnly: true });
  return worksDevices(asked) ? abi.ROW_DEVICES : 0;
}

/** Fills what a device has beyond its row, in a machine that has such rows. */
export function writeTraits(core: Core, device: number, consumer: Consumer): void {
  if ((core.header[abi.H_ROWS] & abi.ROW_DEVICES) === 0) return;
  core.write(DEVICE_MORE, core.deviceMore(device), "traits", traitsOf(consumer));
}
