/**
 * Images: every operation of a catalogue assembled for one era and one policy, with the consumers'
 * hooks and access programs, and scripts made of calls to them.
 */
import * as abi from "../core/abi.js";
import { ArgumentError } from "../errors.js";
import { Assembler, type Image } from "../program/assembler.js";
import { decode } from "../program/disassembler.js";
import { op, type Program, times } from "../program/notation.js";
import { Registers, REGISTERS } from "../program/registers.js";
import type { Catalogue } from "./catalogue.js";
import type { Consumer } from "./consumer.js";
import { host } from "./consumers/host.js";
import type { Era } from "./era.js";
import { hostThread } from "./operations/index.js";
import { type KernelStep, kernelScript } from "./kernel-steps.js";
import { Kit } from "./kit.js";
import type { FlushPolicy } from "./policy.js";
import {
  isSubscriberStep,
  letGo,
  type SubscriberStep,
  subscriberProgram,
} from "./subscriber-steps.js";
import { type Faults, hasSubscriberOps } from "./subscribers.js";

/** One thing an actor does in a script. */
export type ScriptStep =
  | { readonly call: string; readonly args?: Readonly<Record<string, number>> }
  | { readonly device: "read" | "write"; readonly vpn: number }
  | { readonly signal: number }
  | { readonly await: number; readonly count: number }
  /** Calls a function on another CPU that reads or writes a user page there, without waiting. */
  | {
      readonly interrupt: number;
      readonly access: "read" | "write";
      readonly vpn: number;
      /** Its csd is asynchronous; synchronous by default. */
      readonly async?: boolean;
    }
  /** What a driver does with its subscriptions. */
  | SubscriberStep
  /** Kernel code of the scenario's own, in smaller steps than an operation. */
  | { readonly kernel: readonly KernelStep[] }
  /** The steps, `repeat` times over; 1 to 2^32 - 1. */
  | { readonly repeat: number; readonly steps: readonly ScriptStep[] };

/** A program made of such steps, for one actor. */
export interface Script {
  readonly name: string;
  /** Whose accesses `device` steps are. */
  readonly consumer?: string;
  /** All devices, in order: steps about subscriptions run their callbacks. */
  readonly devices?: readonly { readonly consumer: string; readonly mm: number }[];
  readonly steps: readonly ScriptStep[];
}

/** What an image is assembled from. */
export interface ImageOptions {
  readonly catalogue: Catalogue;
  readonly era: Era;
  readonly policy: FlushPolicy;
  readonly consumers: readonly Consumer[];
  readonly scripts?: readonly Script[];
  /** Only what the scripts call: explored machines need no more. */
  readonly scriptsOnly?: boolean;
  /** Where subscribers can refuse a bracket; `fixed` by default. */
  readonly faults?: Faults;
  /** Devices may be the host's: their hooks, the host's threads, and what only they ask for. */
  readonly hosts?: boolean;
}

/** Signals a scenario can use. */
const SIGNALS = 8;

function signalIndex(value: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= SIGNALS) {
    throw new ArgumentError("E_LIMIT", `signal must be 0 to ${SIGNALS - 1}, got ${value}`, {
      argument: "signal",
    });
  }
  return value;
}

function hasSubscriberStep(steps: readonly ScriptStep[]): boolean {
  return steps.some((step) =>
    "steps" in step ? hasSubscriberStep(step.steps) : isSubscriberStep(step),
  );
}

/** Does a consumer or a script of the image need subscribers that come and go? */
export function usesSubscribers({
  consumers,
  scripts = [],
}: Pick<ImageOptions, "consumers" | "scripts">): boolean {
  const needs = ({ hooks, interval }: Consumer): boolean =>
    interval !== undefined ||
    Object.values(hooks).some((program) => hasSubscriberOps(program as Program));
  return consumers.some(needs) || scripts.some(({ steps }) => hasSubscriberStep(steps));
}

function hasPinStep(steps: readonly ScriptStep[], catalogue: Catalogue): boolean {
  return steps.some((step) => {
    if ("steps" in step) return hasPinStep(step.steps, catalogue);
    return "call" in step && catalogue.operation(step.call).pins === true;
  });
}

/** Does a consumer or a script of the image map or pin pages for DMA? */
export function usesPins({
  catalogue,
  consumers,
  scripts = [],
}: Pick<ImageOptions, "catalogue" | "consumers" | "scripts">): boolean {
  if (consumers.some(({ kind }) => kind === "pinning")) return true;
  return scripts.some(({ steps }) => hasPinStep(steps, catalogue));
}

/** Names of the entries of a consumer's programs. */
export const entryOf = {
  hook: (consumer: string, hook: string) => `${consumer}.on-${hook}`,
  access: (consumer: string, write: boolean) => `${consumer}.${write ? "write" : "read"}`,
  handler: "handler",
  hostThread: (image: Image): number => image.entries.get(hostThread.name) ?? 0,
};

/** A kit for one program; it knows whether subscribers come and go, and whose devices may be. */
function kitOf(options: ImageOptions, registers?: number): Kit {
  const { era, policy, faults = "fixed" } = options;
  const subscribers = usesSubscribers(options) ? { faults } : undefined;
  return new Kit(era, policy, registers, subscribers, options.hosts);
}

function callStep(
  options: ImageOptions,
  name: string,
  args: Readonly<Record<string, number>>,
  registers: number,
) {
  const operation = options.catalogue.operation(name);
  const kit = kitOf(options, registers);
  const known = new Set(operation.params);
  for (const key of Object.keys(args)) {
    if (!known.has(key)) {
      throw new ArgumentError("E_TYPE", `${name} has no parameter ${key}`, { argument: key });
    }
  }
  const loads = operation.params.map((param, index) => {
    const value = args[param];
    if (value === undefined) {
      throw new ArgumentError("E_TYPE", `${name} needs ${param}`, { argument: param });
    }
    return kit.set({ kind: "reg", index, name: param }, value);
  });
  return [loads, operation.build(kit)] as Program;
}

function deviceStep(options: ImageOptions, script: Script, vpn: number, write: boolean): Program {
  const consumer = options.catalogue.consumer(script.consumer ?? "");
  const kit = kitOf(options);
  const reg = kit.regs.param("vpn");
  return [kit.set(reg, vpn), consumer.access(reg, write)];
}

type CallOfCpu = Extract<ScriptStep, { interrupt: number }>;

function interruptStep(options: ImageOptions, { interrupt, access, vpn, async }: CallOfCpu) {
  const kit = kitOf(options);
  const reg = kit.regs.param("vpn");
  const flags = (access === "write" ? abi.CALL_WRITE : 0) | (async === true ? abi.CALL_ASYNC : 0);
  return [
    kit.set(reg, vpn),
    op("call.send", { a: reg, slot: flags, imm: interrupt, note: "queue a call" }),
    op("ipi.send", { note: "send IPI" }),
  ] as Program;
}

function repeatStep(
  options: ImageOptions,
  script: Script,
  step: Extract<ScriptStep, { repeat: number }>,
  registers: number,
): Program {
  const count = step.repeat;
  if (!Number.isInteger(count) || count < 1 || count > 2 ** 32 - 1) {
    throw new ArgumentError("E_LIMIT", `repeat must be 1 to 2^32 - 1, got ${count}`, {
      argument: "repeat",
      least: 1,
      most: 2 ** 32 - 1,
    });
  }
  // Counters are taken from the top, out of the reach of what is called inside.
  const counter = { kind: "reg" as const, index: registers - 1, name: "repeat" };
  return [
    op("movi", { a: counter, imm: count }),
    times(counter, scriptSteps(options, script, step.steps, registers - 1)),
  ];
}

function scriptSteps(
  options: ImageOptions,
  script: Script,
  steps: readonly ScriptStep[],
  registers = REGISTERS,
): Program {
  return steps.map((step): Program => {
    if ("call" in step) return callStep(options, step.call, step.args ?? {}, registers);
    if ("repeat" in step) return repeatStep(options, script, step, registers);
    if ("interrupt" in step) return interruptStep(options, step);
    if ("kernel" in step) {
      return kernelScript(kitOf(options, registers), step.kernel);
    }
    if ("device" in step) return deviceStep(options, script, step.vpn, step.device === "write");
    if (isSubscriberStep(step)) {
      const devices = (script.devices ?? []).map(({ consumer, mm }) => ({
        consumer: options.catalogue.consumer(consumer),
        mm,
      }));
      return subscriberProgram(kitOf(options, registers), step, devices);
    }
    if ("signal" in step) return [op("signal", { imm: signalIndex(step.signal) })];
    return [op("await", { imm: signalIndex(step.await), slot: step.count })];
  });
}

function addConsumer(
  assembler: Assembler,
  consumer: Consumer,
  era: Era,
  subscribed: boolean,
): void {
  const hooks = (consumer.kind === "sharing" ? era.sharingHooks : undefined) ?? consumer.hooks;
  for (const hook of ["start", "end", "secondary"] as const) {
    const program = hooks[hook];
    if (program) assembler.add(entryOf.hook(consumer.name, hook), program, "ret");
  }
  if (consumer.kind === "host" && hooks.release) {
    assembler.add(entryOf.hook(consumer.name, "release"), hooks.release, "ret");
  }
  if (subscribed) {
    assembler.add(entryOf.hook(consumer.name, "unlink"), hooks.release ?? letGo, "ret");
  }
  for (const hook of ["invalidate", "finish", "release"] as const) {
    const program = consumer.interval?.[hook];
    if (program) assembler.add(entryOf.hook(consumer.name, hook), program, "ret");
  }
  if (consumer.dmaUnmap) {
    assembler.add(entryOf.hook(consumer.name, "dma-unmap"), consumer.dmaUnmap, "ret");
  }
  for (const write of [false, true]) {
    const vpn = new Registers().param("vpn");
    assembler.add(entryOf.access(consumer.name, write), consumer.access(vpn, write));
  }
}

/** The handler that `assembly/drain.ts` executes without decoding: micro-op and jump target. */
const STANDARD_DRAIN: readonly (readonly [number, number])[] = [
  [abi.OP_CSQ_TAKE, 0],
  [abi.OP_JF, 6],
  [abi.OP_CSD_RUN, 0],
  [abi.OP_CSD_UNLOCK, 0],
  [abi.OP_JF, 6],
  [abi.OP_JMP, 2],
  [abi.OP_END, 0],
];

/** Is the image's handler that program? */
export function hasStandardDrain(image: Image): boolean {
  const start = image.entries.get(entryOf.handler) ?? 0;
  return STANDARD_DRAIN.every(([code, target], at) => {
    const instruction = decode(image.code, start + at);
    return instruction.op === code && instruction.imm === (target === 0 ? 0 : start + target);
  });
}

/**
 * Assembles an image.
 * @throws ArgumentError E_POLICY: devices of the host beside consumers that subscribe to intervals
 */
export function buildImage(options: ImageOptions): Image {
  if (options.hosts === true && usesSubscribers(options)) {
    const message = "subscriptions that come and go cannot be explored programs and the host's";
    throw new ArgumentError("E_POLICY", `${message}: hostDevices goes with other consumers`, {
      argument: "hostDevices",
    });
  }
  const assembler = new Assembler();
  assembler.add(entryOf.handler, options.policy.handler);
  if (options.scriptsOnly !== true) {
    const pinned = usesPins(options);
    for (const operation of options.catalogue.parts.operations) {
      if (operation.pins === true && !pinned) continue;
      assembler.add(operation.name, operation.build(kitOf(options)));
    }
  }
  const subscribed = usesSubscribers(options);
  if (options.hosts === true) {
    assembler.add(hostThread.name, hostThread.build(kitOf(options)));
    addConsumer(assembler, host, options.era, subscribed);
  }
  for (const consumer of new Set(options.consumers)) {
    addConsumer(assembler, consumer, options.era, subscribed);
  }
  for (const script of options.scripts ?? []) {
    assembler.add(script.name, scriptSteps(options, script, script.steps));
  }
  return assembler.image();
}
