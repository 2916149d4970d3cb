/** Who hears of what before anything runs: lists of classic subscribers, and intervals. */
import * as abi from "./core/abi.js";
import { BASE, type Core } from "./core/core.js";
import { pagesOf } from "./core/geometry.js";
import { DEVICE } from "./core/layout.js";
import { CapacityError } from "./errors.js";
import type { Consumer } from "./kernel/consumer.js";
import { entryOf } from "./kernel/image.js";
import type { Image } from "./program/assembler.js";

/** In the order of the core's ENTRY_*: assembly/subscribers/rows.ts. */
const CALLBACKS = ["invalidate", "finish", "release", "unlink"] as const;

/** A device, and what it listens to. */
export interface Listener {
  readonly device: number;
  readonly mm: number;
  /** False: it will subscribe later. */
  readonly subscribed: boolean;
}

const KINDS: Readonly<Record<Consumer["kind"], number>> = {
  sharing: abi.DEV_SHARING,
  mirroring: abi.DEV_MIRRORING,
  pinning: abi.DEV_PINNING,
  host: abi.DEV_MIRRORING,
};

/** What kind of device it is, and the programs that it is told by. */
function writeHooks(core: Core, image: Image, model: Consumer, device: number): void {
  const row = core.device(device);
  const pc = (hook: string): number => image.entries.get(entryOf.hook(model.name, hook)) ?? 0;
  const kind = KINDS[model.kind];
  core.write(DEVICE, row, "kind", kind);
  core.write(DEVICE, row, "hookStart", pc("start"));
  core.write(DEVICE, row, "hookEnd", pc("end"));
  core.write(DEVICE, row, "hookSecondary", pc("secondary"));
}

/** @throws CapacityError E_NOMEM when the mm has as many interval subscribers as there may be */
export function attachSubscriber(
  core: Core,
  image: Image,
  model: Consumer,
  { device, mm, subscribed }: Listener,
): void {
  writeHooks(core, image, model, device);
  if (model.kind === "pinning") {
    const pc = image.entries.get(entryOf.hook(model.name, "dma-unmap")) ?? 0;
    core.x.machineSetDmaUnmap(BASE, device, pc);
    return;
  }
  const hasRows = (core.header[abi.H_ROWS] & abi.ROW_NOTIFIERS) !== 0;
  if (hasRows) {
    CALLBACKS.forEach((hook, entry) => {
      const pc = image.entries.get(entryOf.hook(model.name, hook)) ?? 0;
      core.x.machineSetCallback(BASE, device, entry, pc);
    });
  }
  const isClassic = model.interval === undefined || Object.keys(model.hooks).length > 0;
  if (isClassic && subscribed) core.x.machineSubscribe(BASE, device, mm + 1);
  if (model.interval === undefined) return;
  const end = subscribed ? pagesOf(core.geometry) : 0;
  const isThere = core.x.machineInsert(BASE, device, mm + 1, 0, end);
  if (subscribed && isThere === 0) {
    throw new CapacityError("E_NOMEM", `mm ${mm} has no room for another interval subscriber`, {
      argument: "mm",
      value: mm,
    });
  }
}
