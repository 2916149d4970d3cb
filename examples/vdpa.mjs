// A vDPA parent of your own: a card with room for four mappings, which forgets all of them in a
// reset. Is it fit for IOTLB_PERSIST? Not as it is; the kernel's compat_reset makes it.
import { HostFrames, UserMm, VDPA_FEATURES, VhostVdpa } from "shootdown";

class Card {
  name = "card";
  table = [];

  dmaMap(_asid, entry) {
    if (this.table.length === 4) return "ENOSPC";
    this.table.push(entry);
    return undefined;
  }

  dmaUnmap(_asid, start, last) {
    this.table = this.table.filter((entry) => entry.start > last || entry.last < start);
    return undefined;
  }

  reset() {
    this.table = [];
    return undefined;
  }

  translations() {
    return [...this.table].sort((a, b) => a.start - b.start);
  }
}

/** The same without the fault: a reset keeps mappings, unless it is told to clean. */
class FixedCard extends Card {
  reset() {
    return undefined;
  }

  resetMap() {
    this.table = [];
    return undefined;
  }

  compatReset() {
    this.table = [];
    return undefined;
  }
}

async function tried(parent) {
  const frames = new HostFrames();
  const mm = new UserMm(frames);
  mm.map({ at: 0x100, pages: 64, runs: [2] });
  const device = await VhostVdpa.create({ parent, frames });
  device.open();
  device.setOwner(mm);
  const acked = device.setBackendFeatures(["IOTLB_PERSIST"]);
  device.write({ type: "update", iova: 0, size: 0x4000, uaddr: 0x100000 });
  const tooMany = device.write({ type: "update", iova: 0x10000, size: 0x6000, uaddr: 0x110000 });
  const held = frames.held;
  device.setStatus(0);
  return {
    bit: VDPA_FEATURES.IOTLB_PERSIST,
    acked: acked.ok ? "ok" : acked.errno,
    tooMany: [tooMany.errno, tooMany.inner, tooMany.index],
    held,
    afterReset: device.consistent().consistent,
  };
}

console.log(JSON.stringify({ card: await tried(new Card()), fixed: await tried(new FixedCard()) }));
