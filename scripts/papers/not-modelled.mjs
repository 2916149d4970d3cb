// Published results that no row of docs/papers.md computes, each with what it would take.

import { notModelled } from "./rows.mjs";

const PUBLISHED = [
  {
    id: "T7-ecotlb",
    table: "T7",
    what: "ecoTLB: swap-heavy programs",
    published: "17.2 %",
    note: "needs swap; lazy sweeps alone are T7-latr",
  },
  {
    id: "T8-mitosis",
    table: "T8",
    what: "Mitosis: replicated page tables",
    published: "up to 1.34x",
    note: "the locality of page walks is not modelled",
  },
  {
    id: "T9",
    table: "T9",
    what: "EuroSys'20: latency of a shootdown",
    published: "-10 to -20 %",
    note: "no figure of the paper itself could be read; T1 is its public predecessor",
  },
  {
    id: "T10-bimodal",
    table: "T10",
    what: "2 threads: most shootdowns are filtered, few take 20 us",
    published: "p50 2.0, p90 22.6 us",
    note: "needs a host that takes vCPUs away; in the loop here the other thread always runs",
  },
  {
    id: "T11-hackbench",
    table: "T11",
    what: "hackbench with a lazily trimmed cpumask",
    published: "4.5 to 4.2 s",
    note: "needs that program's wake-ups; the mechanism is in the machine (OPT_TRIM)",
  },
  {
    id: "T11-arm64",
    table: "T11",
    what: "arm64 batching: UnixBench shell1",
    published: "-5.5 %",
    note: "needs that program; the suspected cause is T11-over-flush",
  },
];

export function notModelledRows() {
  return PUBLISHED.map((row) => notModelled({ unit: "", ...row }));
}
