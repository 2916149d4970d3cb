// Sizes of the data caches: as given, or as Linux tells them.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = "/sys/devices/system/cpu/cpu0/cache";
const UNITS = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Bytes of `48K`. */
export function bytesOf(text) {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)$/.exec(text.trim());
  if (match === null) throw new Error(`charts: ${text} is no size; write 48K, or 2M`);
  return Number(match[1]) * UNITS[match[2]];
}

/** `48 KiB`. */
export function sizeText(bytes) {
  const unit = ["G", "M", "K"].find((name) => bytes >= UNITS[name]);
  return unit === undefined ? `${bytes} B` : `${+(bytes / UNITS[unit]).toFixed(1)} ${unit}iB`;
}

function ofThisMachine() {
  if (!existsSync(FOLDER)) return {};
  const sizes = {};
  for (const index of readdirSync(FOLDER).sort()) {
    const read = (file) => readFileSync(join(FOLDER, index, file), "utf8").trim();
    if (!index.startsWith("index") || read("type") === "Instruction") continue;
    const level = read("level");
    sizes[level === "1" ? "L1d" : `L${level}`] = read("size");
  }
  return sizes;
}

/** Name and bytes of each cache that is known, the smallest first; `given` sizes come first. */
export function cacheSizes(given) {
  const known = ofThisMachine();
  return Object.entries(given).flatMap(([name, size]) => {
    const text = size ?? known[name];
    return text === undefined ? [] : [{ name, bytes: bytesOf(text) }];
  });
}
