import type { CostProfile } from "../profile.js";
import { haswell2019 } from "./haswell-2019.js";
import { topologyPrices } from "./topology.js";

const W5 = "shootdown.md 3.1 [W5]: cache-line round trip 40-80 ns within a socket, 100-300 across";
/** Middles of those ranges. */
const CROSSING = 200 - 60;

/**
 * Two sockets of 12 cores and 24 threads, as the machine of shootdown.md T2, numbered socket by
 * socket. Within a socket it is haswell-2019; what crosses is dearer by whole cache-line transfers.
 */
export const numa2s: CostProfile = {
  name: "numa-2s",
  title: "two-socket server, bare metal, PTI on",
  source: `${W5}; the rest as haswell-2019`,
  cpusPerSocket: 24,
  prices: {
    ...haswell2019.prices,
    ...topologyPrices(200, "across sockets, middle of 100 to 300 ns"),
    ack: { ns: 60, source: `${W5}: middle of 40 to 80` },
    ackRemote: { ns: CROSSING, source: `${W5}: one line back, middles of the two ranges` },
    csdRemote: {
      ns: CROSSING,
      source: `${W5}: the target's queue head is fetched; filling its own csd is not`,
    },
    infoLineRemote: { ns: CROSSING, source: `${W5}: assumed: one of the two of deliverRemote` },
    deliverRemote: {
      ns: 2 * CROSSING,
      source: `${W5}: assumed: the handler fetches two lines, the csd and the flush info`,
    },
  },
};
