/**
 * Prices of what other policies do not do: ask which road a request takes, copy page tables, ask a
 * TLB directory. Nothing is published for any of them, so they are cache lines that travel.
 */
import type { CostProfile } from "../profile.js";

const W5 = "shootdown.md 3.1 [W5]";

/** `lineNs`: a line's round trip between two nodes; `where`: how far they are apart. */
export function topologyPrices(lineNs: number, where: string): CostProfile["prices"] {
  const line = `a cache line ${where}, ${W5}`;
  return {
    "hybrid.choose": { ns: 10, source: "assumed: counting targets in lines that are read anyway" },
    "sharer.join": { ns: lineNs, source: `assumed: ${line}: a mask, or an entry that is copied` },
    replicaUpdate: { ns: lineNs, source: `assumed: ${line}, fetched to be changed` },
    message: { ns: 40, source: `assumed: writing one cache line, ${W5}` },
    hop: { ns: 60, source: `assumed: a cache line within a socket, ${W5}` },
    messagePoll: { ns: 500, source: "assumed: CPUs look for messages twice a us" },
    lazyLine: { ns: 40, source: `assumed: of \`csd\`, the shorter end of 40 to 80 ns, ${W5}` },
    infoLine: { ns: 40, source: `assumed: of \`csq.take\`, the same, ${W5}` },
    directory: { ns: 30, source: "assumed: a second-level lookup, less than a line's 40 to 80 ns" },
    directoryForward: { ns: 10, source: "assumed: one message of hardware, not waited for" },
  };
}
