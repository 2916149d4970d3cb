/**
 * `shootdown/simulation`: policies compared over workloads, latencies as HdrHistograms, statistics.
 * Apart from the main entry, which needs none of the packages that this one does.
 */
export {
  comparePolicies,
  type ComparePoliciesOptions,
  DEFAULT_OPS,
  type Figure,
  FIGURES,
  type Figures,
  type PolicyComparison,
  type PolicyDifference,
  type PolicyRun,
} from "./policies.js";
export {
  histogramLog,
  histogramOf,
  type LatencyCounts,
  type LogEntry,
  type Percentiles,
  percentilesOf,
} from "./histogram.js";
export { type Estimate, estimate, pairedDifference, studentT95 } from "./statistics.js";
export { type PolicyVerdict, type ScenarioVerdict, Verdicts } from "./verdicts.js";
