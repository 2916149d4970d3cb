#!/usr/bin/env node
import { Command } from "commander";
import { version } from "../index.js";

const program = new Command("shootdown")
  .description("Simulate Linux MMU-notifier invalidation and TLB shootdown.")
  .version(version);

await program.parseAsync();
