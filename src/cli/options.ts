/** Options that several commands share, and how their values are read. */
import type { Command } from "commander";
import { ArgumentError } from "../errors.js";
import { canonicalSeed } from "../seed.js";
import { TRACE_FORMATS, type TraceFormat } from "../traces/format.js";

/** Options every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly seed: string;
}

/** Adds --json, --seed and --quiet. */
export function withCommon(command: Command): Command {
  return command
    .option("--json", "print one JSON document")
    .option("--seed <n>", "seed, decimal or 0x…; same seed, same bytes", "1")
    .option("--quiet", "no progress on stderr");
}

/** `a,b,c`; blanks and empty names are refused. */
export function nameList(option: string, text: string): string[] {
  const names = text.split(",");
  if (names.some((name) => !/^[a-z0-9-]+$/.test(name))) {
    throw new ArgumentError("E_PARSE", `${option} wants names separated by commas, got ${text}`, {
      argument: option,
    });
  }
  return names;
}

/** A whole number within limits. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) {
    throw new ArgumentError("E_LIMIT", `${option} must be ${least} to ${most}, got ${text}`, {
      argument: option,
      least,
      most,
    });
  }
  return value;
}

const MOST_CPUS = 1024;
const MOST_RESIDENT_PAGES = 2 ** 20;

/** Options about the recording itself, of every command that reads one. */
export interface TraceCliOptions {
  readonly format?: string;
  readonly cpus?: string;
  readonly residentPages: string;
  readonly lenient?: boolean;
}

/** Adds --format, --cpus, --resident-pages and --lenient. */
export function withTrace(command: Command): Command {
  return command
    .option("--format <name>", `${TRACE_FORMATS.join(", ")}; by default, found out`)
    .option("--cpus <n>", "CPUs of the recorded machine, if it does not say (strace: 8)")
    .option("--resident-pages <n>", "strace: pages present of a mapping, at most", "16")
    .option("--lenient", "skip and count lines that cannot be read");
}

/** The same as the library takes them. */
export function traceOptions(options: TraceCliOptions) {
  const { format, cpus, residentPages, lenient } = options;
  return {
    lenient: lenient === true,
    residentPages: wholeNumber("--resident-pages", residentPages, 0, MOST_RESIDENT_PAGES),
    ...(format === undefined ? {} : { format: formatNamed(format) }),
    ...(cpus === undefined ? {} : { cpus: wholeNumber("--cpus", cpus, 1, MOST_CPUS) }),
  };
}

function formatNamed(text: string): TraceFormat {
  const format = TRACE_FORMATS.find((known) => known === text);
  if (format === undefined) {
    const message = `--format must be one of ${TRACE_FORMATS.join(", ")}, got ${text}`;
    throw new ArgumentError("E_TYPE", message, { argument: "--format" });
  }
  return format;
}

/** The seed in its one form. */
export function seedOf(options: CommonOptions): bigint {
  return canonicalSeed(options.seed);
}
