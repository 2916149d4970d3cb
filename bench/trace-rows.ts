/**
 * `npm run bench -- trace`: reading recordings of every format, and how much memory it takes.
 * A process each, because a format's own lines are all that the compiler sees in practice.
 */
import { readTrace, type TraceFormat } from "shootdown";
import type { Counted, Row, Sampled } from "./harness.js";
import { type Block, blockOf, blocks, digestOf } from "./trace-lines.js";

const SEED = 1;
const FORMATS: readonly TraceFormat[] = ["ftrace", "trace-cmd", "perf", "strace"];
const CPU_SAMPLES = 20;
const MEBIBYTE = 2 ** 20;

/** As one number, exact: sums of blocks are below 2^40. */
function checksum(block: Block, count: number): number {
  return (block.sum + block.events) * count;
}

async function bytesOf(block: Block, count: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of blocks(block, count)) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}

/** Finds every line and looks at its last byte: what is left when nothing is parsed. */
function splitRow(quick: boolean): Row {
  const block = blockOf("ftrace", SEED);
  const count = quick ? 1 : 50;
  let bytes: Uint8Array | undefined;
  const work = async (): Promise<number> => {
    bytes ??= await bytesOf(block, count);
    let sum = 0;
    for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) {
      sum += bytes[at - 1];
    }
    return sum;
  };
  const model = (): number => {
    const last = block.lines.map((line) => line.charCodeAt(line.length - 1));
    return last.reduce((sum, byte) => sum + byte, 0) * count;
  };
  return {
    name: "reference: bare line loop",
    contender: "reference",
    unit: "lines",
    seed: SEED,
    perCall: block.lines.length * count,
    work,
    model,
  };
}

async function digested(bytes: Uint8Array): Promise<number> {
  let sum = 0;
  for await (const batch of readTrace(bytes)) {
    for (const event of batch) sum += digestOf(event) + 1;
  }
  return sum;
}

/** By the clock on the wall, and by CPU time, which other work on the machine alters less. */
function readRows(format: TraceFormat, quick: boolean): Row[] {
  const block = blockOf(format, SEED);
  const count = quick ? 1 : 50;
  const perCall = block.lines.length * count;
  let bytes: Uint8Array | undefined;
  const work = async (): Promise<number> => digested((bytes ??= await bytesOf(block, count)));
  const measured = async (): Promise<Sampled> => {
    const nanoseconds: number[] = [];
    let sum = await work();
    for (let i = 0; i < (quick ? 1 : CPU_SAMPLES); i++) {
      const before = process.cpuUsage();
      sum = await work();
      const { user, system } = process.cpuUsage(before);
      nanoseconds.push(((user + system) * 1000) / perCall);
    }
    return { checksum: sum, nanoseconds };
  };
  const row = { unit: "lines", seed: SEED, perCall, work, model: () => checksum(block, count) };
  return [
    { ...row, name: `read ${format}`, contender: format },
    { ...row, name: `read ${format}, CPU time`, contender: `${format}, CPU time`, measured },
  ];
}

/** Highest heap, garbage included, while so many lines go by that are nowhere as a whole. */
function heapRow(format: TraceFormat, count: number): Row {
  const block = blockOf(format, SEED);
  const lines = block.lines.length * count;
  const counted = async (): Promise<Counted> => {
    let sum = 0;
    let most = 0;
    for await (const batch of readTrace(blocks(block, count))) {
      for (const event of batch) sum += digestOf(event) + 1;
      most = Math.max(most, process.memoryUsage().heapUsed);
    }
    return { checksum: sum, amount: most / MEBIBYTE };
  };
  return {
    name: `heap high water, ${format}, ${lines.toLocaleString("en-US")} lines`,
    contender: `${format}, ${lines} lines`,
    unit: "MiB",
    seed: SEED,
    perCall: lines,
    work: () => 0,
    counted,
    model: () => checksum(block, count),
  };
}

export function traceRows(quick: boolean): Row[] {
  const counts = quick ? [1, 10] : [125, 1250];
  return [
    splitRow(quick),
    ...FORMATS.flatMap((format) => readRows(format, quick)),
    ...FORMATS.flatMap((format) => counts.map((count) => heapRow(format, count))),
  ];
}
