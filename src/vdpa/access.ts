/** What a DMA of the device meets. */
import { ArgumentError } from "../errors.js";
import type { VdpaCore } from "./core.js";

/** What became of a DMA. */
export type DeviceAccessResult =
  | {
      readonly outcome: "hit";
      /** The frame, or in VA mode the virtual page. */
      readonly page: number;
      /** Every address leads to itself: nothing is mapped. */
      readonly identity: boolean;
      /** Does somebody hold the frame? null in VA mode. */
      readonly held: boolean | null;
    }
  | { readonly outcome: "denied" | "fault" };

/** See `VhostVdpa.access`. @throws ArgumentError E_NOENT */
export function accessDevice(
  core: VdpaCore,
  page: number,
  write: boolean,
  asid: number,
): DeviceAccessResult {
  const found = core.translations(asid);
  if (found === undefined) {
    const message = "the parent has no translations to look at";
    throw new ArgumentError("E_NOENT", message, { argument: "asid" });
  }
  if (found === "identity") return reached(core, page, true);
  for (const { start, last, addr, perm } of found) {
    if (page < start || page > last) continue;
    if ((perm & (write ? 2 : 1)) === 0) return { outcome: "denied" };
    return reached(core, addr + (page - start), false);
  }
  return { outcome: "fault" };
}

function reached(core: VdpaCore, page: number, identity: boolean): DeviceAccessResult {
  const held = core.parent.useVa === true ? null : core.frames.refs(page) > 0;
  return { outcome: "hit", page, identity, held };
}
