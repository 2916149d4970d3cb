/** Telling listeners of an unmap, with the locks as they are meanwhile. */
import { bytesOf, hexOf } from "./addresses.js";
import type { VfioDevice } from "./device.js";
import type { Dma } from "./dma.js";
import type { Type1 } from "./state.js";

/** Listeners in the order in which they are told. */
export function inOrder(s: Type1): VfioDevice[] {
  return s.knobs.notifyOrder === "oldest-first" ? [...s.listeners] : [...s.listeners].reverse();
}

/** One round: everybody is told of [first, last]. The container's lock is held before and after. */
export function tellAll(s: Type1, dma: Dma, first: number, last: number): void {
  const { locks, knobs } = s;
  const isChain = knobs.listeners === "chain";
  const drops = knobs.lockAroundCallback === "drop";
  // The list's lock is taken inside of the container's; the chain's own once that is dropped.
  if (isChain && drops) locks.give("container");
  s.takeLock("listeners", isChain);
  if (!isChain && drops) locks.give("container");
  dma.notifying++;
  try {
    callAll(s, dma, first, last);
  } finally {
    dma.notifying--;
    if (s.verdict === "OK") {
      locks.give("listeners");
      if (drops) locks.take("container");
    }
  }
}

function callAll(s: Type1, dma: Dma, first: number, last: number): void {
  const { records, knobs } = s;
  const round = ++records.counters.rounds;
  const iova = bytesOf(first);
  const size = bytesOf(last - first + 1);
  const wasRemoved = dma.removed;
  for (const device of inOrder(s)) {
    if (dma.removed && !wasRemoved && !knobs.notifyCopiesRange) {
      const message = `${device.name} is told of the mapping at ${hexOf(dma.first)}, which is freed`;
      records.hazard("mapping-freed-during-round", message);
    }
    records.counters.notifications++;
    records.notifications.push({ round, device: device.name, iova, size });
    device.dmaUnmap?.(iova, size);
    // A callback may have caught what stopped the host.
    s.checkAlive();
  }
}
