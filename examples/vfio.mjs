// A mediated device behind VFIO type1: its driver pins what the guest tells it to use, and must give
// all of it back when it is told of an unmap. What becomes of one that keeps a page?
import { HostFrames, UserMm, validateVfio, VfioContainer } from "shootdown";

const PAGE = 4096;

/** Pins in a cache of its own, as drivers do: the kernel keeps none for each device. */
class Display {
  pinned = new Map();
  keeps = false;

  constructor(container) {
    this.container = container;
  }

  show(iova) {
    const outcome = this.container.pinPages(this.device, iova, 1, "r");
    if (outcome.ok) this.pinned.set(iova, outcome.value[0]);
    return outcome;
  }

  /** The range is the whole mapping, not what was asked to be unmapped, and not what is pinned. */
  dmaUnmap(iova, size) {
    for (const at of [...this.pinned.keys()]) {
      if (at < iova || at >= iova + size || this.keeps) continue;
      this.container.unpinPages(this.device, at, 1);
      this.pinned.delete(at);
    }
  }
}

async function run(keeps) {
  const mm = new UserMm(new HostFrames(), { name: "qemu", rlimitMemlock: 64 });
  mm.map({ at: 0x7f00, pages: 256 });
  const container = await VfioContainer.create({ mm, era: "7.0" });
  container.attachGroup({ name: "mdev", kind: "emulated" });
  container.map({ iova: 0x10000, vaddr: 0x7f00 * PAGE, size: 256 * PAGE });

  const display = new Display(container);
  display.keeps = keeps;
  const opened = await container.openDevice({
    name: "display",
    group: "mdev",
    dmaUnmap: (iova, size) => display.dmaUnmap(iova, size),
  });
  display.device = opened.value;
  for (let i = 0n; i < 3n; i++) display.show(0x10000n + i * BigInt(PAGE));
  const charged = container.chargedTo();
  try {
    const { value } = container.unmap({ iova: 0x10000, size: 256 * PAGE });
    const broken = validateVfio(container).length;
    return { charged, unmapped: Number(value.size), rounds: value.rounds, broken };
  } catch (error) {
    return { charged, verdict: container.verdict, why: error.message };
  }
}

console.log(JSON.stringify({ good: await run(false), keeps: await run(true) }));
