/** `Iotlb`: one call a page, and in batches. */
import { Iotlb } from "shootdown";
import { type Contender, contender, type Peer, proofOf, queriesOf, standing } from "./contender.js";
import { WHATS } from "./whats.js";

class Ours implements Peer {
  constructor(readonly tables: Iotlb) {}

  get size(): number {
    return this.tables.size;
  }

  translate(asid: number, page: number): number {
    return this.tables.translate(asid, page, 1) ?? -1;
  }

  clear(): void {
    this.tables.clear();
  }

  add(asid: number, start: number, last: number, addr: number): number {
    return this.tables.add(asid, start, last, addr, 3).length;
  }

  delete(asid: number, start: number, last: number): number {
    return this.tables.delete(asid, start, last);
  }
}

async function open(): Promise<Ours> {
  return new Ours(await Iotlb.create());
}

export const ours = contender({ name: "shootdown", can: WHATS }, open);

export const batches: Contender = {
  name: "shootdown, batches",
  can: ["translate", "miss"],
  open: async (input, what) => {
    const peer = await open();
    const { tables } = peer;
    const { asids, pages } = queriesOf(what, input);
    const where = input.spaces === 1 ? 0 : asids;
    return {
      run: () => {
        const found = tables.translateMany(where, pages, 1);
        let sum = 0;
        for (let i = 0; i < found.length; i++) sum += found[i];
        return sum;
      },
      before: standing(what, peer, input),
      proof: () => proofOf(peer, input, what),
    };
  },
};
