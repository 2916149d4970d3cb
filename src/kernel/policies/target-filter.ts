/** P4 and P5 the other way round: what a shootdown costs without its target filter. */
import * as abi from "../../core/abi.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";

export const tellLazy: FlushPolicy = {
  ...concurrent,
  name: "tell-lazy",
  title: "as concurrent, lazy CPUs are interrupted, too",
  source: "shootdown.md P4; Linux before 4.20",
  options: abi.OPT_TELL_LAZY,
};

export const tellAll: FlushPolicy = {
  ...concurrent,
  name: "tell-all",
  title: "as concurrent, the whole cpumask is interrupted",
  source: "shootdown.md P5: cpumask bits that stay set, without a filter",
  options: abi.OPT_TELL_ALL,
};
