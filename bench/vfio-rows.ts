/** What a VFIO container takes to pin and unpin, with charges and a ledger for the device. */
import { HostFrames, UserMm, VfioContainer, type VfioDevice } from "shootdown";
import type { Row } from "./harness.js";

const SEED = 1;
const PAGE = 4096;
const REQUEST = 512;
const REQUESTS = 2_000;

interface World {
  readonly container: VfioContainer;
  readonly device: VfioDevice;
}

async function world(storage: "packed" | "tree", real: boolean): Promise<World> {
  const mm = new UserMm(new HostFrames(), { rlimitMemlock: 2 ** 40 });
  const pages = REQUESTS * REQUEST;
  mm.map({ at: 0, pages });
  const container = await VfioContainer.create({ mm, storage });
  container.attachGroup({ name: "mdev", kind: "emulated" });
  if (real) container.attachGroup({ name: "pci", kind: "real" });
  container.map({ iova: 0, vaddr: 0, size: pages * PAGE });
  const opened = await container.openDevice({
    name: "A",
    group: "mdev",
    dmaUnmap: () => undefined,
  });
  if (!opened.ok) throw new Error(opened.message);
  return { container, device: opened.value };
}

/** Requests of 512 pages, each pinned and unpinned again: what was charged meanwhile. */
function requestRow(form: "range" | "list", storage: "packed" | "tree", real: boolean): Row {
  const requests = storage === "packed" ? REQUESTS : REQUESTS / 20;
  const into = new Float64Array(REQUEST);
  const list = new Float64Array(REQUEST);
  let made: World | undefined;
  return {
    name: `${storage}, ${real ? "with a real domain" : "emulated"}, ${form} of 512 pages`,
    unit: "pages pinned and unpinned",
    seed: SEED,
    perCall: requests * REQUEST,
    work: async () => {
      made ??= await world(storage, real);
      const { container, device } = made;
      let charged = 0;
      for (let i = 0; i < requests; i++) {
        const iova = i * REQUEST * PAGE;
        if (form === "range") container.pinPages(device, iova, REQUEST, "rw", into);
        else {
          for (let k = 0; k < REQUEST; k++) list[k] = iova + k * PAGE;
          container.pinList(device, list, "rw", into);
        }
        charged += container.chargedTo();
        if (form === "range") container.unpinPages(device, iova, REQUEST);
        else container.unpinList(device, list);
      }
      return charged + container.pinnedPages;
    },
    model: () => requests * (real ? REQUESTS * REQUEST : REQUEST),
  };
}

/** A guest of 1 TiB behind a real IOMMU: mapped, charged, unmapped. */
function guestRow(): Row {
  const pages = 2 ** 28;
  let container: VfioContainer | undefined;
  return {
    name: "1 TiB mapped in a real domain, and unmapped",
    unit: "pages mapped and unmapped",
    seed: SEED,
    perCall: pages,
    work: async () => {
      if (container === undefined) {
        const mm = new UserMm(new HostFrames());
        mm.map({ at: 0, pages });
        container = await VfioContainer.create({ mm });
        container.attachGroup({ name: "pci", kind: "real" });
      }
      container.map({ iova: 0, vaddr: 0, size: pages * PAGE });
      const charged = container.chargedTo();
      container.unmap({ all: true });
      return charged + container.chargedTo();
    },
    model: () => pages,
  };
}

export function vfioRows(): Row[] {
  return [
    requestRow("range", "packed", false),
    requestRow("range", "packed", true),
    requestRow("list", "packed", false),
    requestRow("range", "tree", false),
    guestRow(),
  ];
}
