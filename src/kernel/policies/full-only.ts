import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";

/** P13: no ranges; every flush drops the whole ASID. What it costs are refills. */
export const fullOnly: FlushPolicy = {
  ...concurrent,
  name: "full-only",
  title: "as concurrent, every flush drops everything",
  source: "shootdown.md P13: ceiling 0",
  fullOnly: true,
};
