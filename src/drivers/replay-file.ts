/**
 * Replay files: a schedule that can be run again, step by step, with the fingerprint of the state
 * after each step, so that another build either does the same or says that it does not.
 */
import { ShootdownError } from "../errors.js";
import { Catalogue } from "../kernel/catalogue.js";
import type { Image } from "../program/assembler.js";
import { describe } from "../program/disassembler.js";
import * as abi from "../core/abi.js";
import { CTX } from "../core/layout.js";
import type { Machine } from "../machine.js";
import { SCENARIOS } from "../scenarios/built-in.js";
import type { Scenario, Verdict } from "../scenarios/scenario.js";
import { checkScenario } from "../scenarios/validate.js";
import { type CheckResult, scenarioNamed } from "./check.js";
import { hazardName, type ScheduleStep } from "./explore.js";
import { actorNames, exploredMachine, type Parts } from "./explored-machine.js";
import { contextOf, nextOp } from "./next-op.js";

/** Version of the file format. */
export const REPLAY_VERSION = 1;

/** See the file comment. */
export interface ReplayFile extends Parts {
  readonly format: "shootdown-replay";
  readonly version: typeof REPLAY_VERSION;
  /** Version of the core's programs and layouts. */
  readonly abi: number;
  /** Fingerprint of the assembled programs. */
  readonly image: string;
  readonly scenario: string;
  /** The scenario itself, unless it is built in. */
  readonly definition?: Scenario;
  readonly verdict: Verdict;
  /** `actor` or `actor.choice`, in order, separated by blanks. */
  readonly schedule: string;
  /** State fingerprint before the first step, then after each. */
  readonly hashes: readonly string[];
}

/** One executed step, for people. */
export interface ReplayedStep {
  readonly actor: number;
  readonly choice: number;
  readonly text: string;
  /** Hazard this step committed, in words. */
  readonly hazard?: string;
}

/** FNV-1a over the code: enough to tell two builds apart. */
export function imageHash(image: Image): string {
  let hash = 0xcbf29ce484222325n;
  for (const word of image.code) {
    hash = ((hash ^ BigInt(word)) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn;
  }
  return hash.toString(16).padStart(16, "0");
}

/** Compact form of a schedule. */
export function formatSchedule(schedule: readonly ScheduleStep[]): string {
  return schedule
    .map(({ actor, choice }) => (choice === 0 ? `${actor}` : `${actor}.${choice}`))
    .join(" ");
}

const STEP = /^(\d{1,4})(?:\.(\d{1,2}))?$/;

/** @throws ShootdownError E_PARSE */
export function parseSchedule(text: string): ScheduleStep[] {
  return text.split(" ").flatMap((word, i) => {
    if (word === "") return [];
    const match = STEP.exec(word);
    if (!match) {
      throw new ShootdownError("E_PARSE", `schedule: step ${i + 1} is not actor or actor.choice`, {
        step: i + 1,
      });
    }
    return [{ actor: Number(match[1]), choice: Number(match[2] ?? 0) }];
  });
}

/** What the next step of an actor would execute, with its operands' values. */
function describeNext(machine: Machine, { actor, choice }: ScheduleStep): string {
  const { core, geometry } = machine;
  if (choice === 3 + 2 * geometry.watch) return "hypervisor preempts or resumes it";
  if (choice === 2 + 2 * geometry.watch) return "broadcast invalidation arrives";
  if (choice >= 2 + geometry.watch) return `NMI reads watched page ${choice - 2 - geometry.watch}`;
  if (choice >= 2) return `speculative walk of watched page ${choice - 2}`;
  const ctx = choice === 1 ? geometry.tasks + actor : contextOf(machine, actor);
  const instruction = nextOp(
    machine,
    ctx,
    choice === 1 ? core.header[abi.H_HANDLER_PC] : undefined,
  );
  const note = machine.image.notes.get(instruction.pc);
  const pages = /^(pte|ptl|cpu|dev|vma|gather\.add|table\.alloc)/.test(instruction.name);
  const isPage = (pages && !BARE_DEVICE.test(instruction.name)) || isPinOf(instruction);
  const where = isPage ? ` [page ${instruction.value}]` : "";
  return `${choice === 1 ? "IRQ: " : ""}${note ?? describe(instruction)}${where}`;
}

const BARE_DEVICE = /^dev\.(lock|unlock|count|seq|zap|snap|fault)|^ptl\.unlock/;

/** Is it about the page in its operand, and not about the range that a driver was told of? */
function isPinOf({ op, imm }: { readonly op: number; readonly imm: number }): boolean {
  if (op === abi.OP_DMA_ACCESS || op === abi.OP_DMA_WALK) return true;
  if (op === abi.OP_PIN_GET || op === abi.OP_PIN_PUT) return imm !== abi.PIN_TOLD;
  return op === abi.OP_PIN_NOTE && (imm === abi.LEDGER_ADD || imm === abi.LEDGER_STOP);
}

const WORDS: Partial<Record<Verdict, string>> = {
  UAF: "uses frame %f, which was freed since its translation was cached",
  PT_UAF: "walks through page table %f, which was freed since it was cached",
  ORDER: "reads an older value of page %v than one it has seen the successor of",
  LOSTW: "writes frame %f, which somebody else shares by now",
  STALE: "uses page %v through a translation that was taken away",
  UNPINNED: "reaches page %v in frame %f, which nobody holds pinned for it any more",
  FATAL: "gives up: page %v and what follows is still pinned",
  LEAK: "leaves references of page %v and what follows behind: nobody can drop them",
};

function hazardText(machine: Machine, names: readonly string[]): string | undefined {
  const found = machine.hazard;
  if (!found) return undefined;
  const verdict = hazardName(found.code);
  // Frame 0 is never freed: it stands for a subscriber, or for a mapping.
  const isRow = verdict === "UAF" && found.frame === 0;
  const words = (isRow ? "uses what was freed" : (WORDS[verdict] ?? ""))
    .replace("%f", `${found.frame}`)
    .replace("%v", `${found.vpn}`);
  return `${verdict}: ${names[found.actor] ?? found.actor} ${words}`;
}

/** Where everybody stands who is not done: added to the last step. */
function sayWhoWaits(machine: Machine, scenario: Scenario, steps: ReplayedStep[]): void {
  const last = steps.at(-1);
  if (last === undefined || last.hazard !== undefined) return;
  const { core, geometry } = machine;
  const waits = actorNames(scenario).flatMap((name, actor) => {
    const ctx = contextOf(machine, actor);
    if (ctx < 0 || core.read(CTX, core.ctx(ctx), "running") === 0) return [];
    const isHandler = actor < geometry.cpus && ctx >= geometry.tasks;
    const text = describeNext(machine, { actor, choice: 0 });
    return [`${name} waits: ${isHandler ? "interrupt: " : ""}${text}`];
  });
  steps[steps.length - 1] = { ...last, hazard: `DEADLOCK: ${waits.join("; ")}` };
}

/** Runs a schedule on a fresh machine; `onStep` sees every step and the state's fingerprint. */
async function execute(
  scenario: Scenario,
  parts: Parts,
  catalogue: Catalogue,
  schedule: readonly ScheduleStep[],
  onStep: (step: ReplayedStep, hash: string, machine: Machine) => void,
): Promise<{ machine: Machine; first: string }> {
  const machine = await exploredMachine(scenario, parts, catalogue, 0);
  const names = actorNames(scenario);
  const first = machine.stateHash();
  for (const step of schedule) {
    const text = describeNext(machine, step);
    const status = machine.step(step.actor, step.choice);
    if (status !== abi.ST_OK) {
      throw new ShootdownError("E_VERSION", `step of actor ${step.actor} cannot be taken here`, {
        ...step,
        status,
      });
    }
    const hazard = hazardText(machine, names);
    onStep(
      { ...step, text, ...(hazard === undefined ? {} : { hazard }) },
      machine.stateHash(),
      machine,
    );
  }
  return { machine, first };
}

/** The steps of a result's schedule, for a step table. */
export async function stepsOf(
  result: CheckResult,
  scenario: Scenario,
  catalogue = Catalogue.standard,
): Promise<ReplayedStep[]> {
  const steps: ReplayedStep[] = [];
  const { machine } = await execute(scenario, result, catalogue, result.schedule, (step) =>
    steps.push(step),
  );
  if (result.verdict === "DEADLOCK") sayWhoWaits(machine, scenario, steps);
  return steps;
}

/** The replay file of a result that found something. */
export async function makeReplayFile(
  result: CheckResult,
  scenario: Scenario,
  catalogue = Catalogue.standard,
): Promise<ReplayFile> {
  const hashes: string[] = [];
  const { machine, first } = await execute(
    scenario,
    result,
    catalogue,
    result.schedule,
    (_step, hash) => hashes.push(hash),
  );
  return {
    format: "shootdown-replay",
    version: REPLAY_VERSION,
    abi: abi.ABI_VERSION,
    image: imageHash(machine.image),
    scenario: scenario.name,
    ...(SCENARIOS.includes(scenario) ? {} : { definition: scenario }),
    era: result.era,
    policy: result.policy,
    consumer: result.consumer,
    verdict: result.verdict,
    schedule: formatSchedule(result.schedule),
    hashes: [first, ...hashes],
  };
}

function isReplayFile(value: unknown): value is ReplayFile {
  const file = value as Partial<ReplayFile> | null;
  return (
    typeof file === "object" &&
    file?.format === "shootdown-replay" &&
    typeof file.version === "number" &&
    ["image", "scenario", "era", "policy", "consumer", "verdict", "schedule"].every(
      (key) => typeof (file as Record<string, unknown>)[key] === "string",
    ) &&
    Array.isArray(file.hashes) &&
    file.hashes.every((hash) => typeof hash === "string")
  );
}

/** The scenario a replay file is about. @throws ArgumentError */
export function scenarioOf(file: ReplayFile): Scenario {
  return file.definition === undefined
    ? scenarioNamed(file.scenario)
    : checkScenario(file.definition);
}

/**
 * Runs a replay file again.
 * @throws ShootdownError E_PARSE for something else, E_VERSION when this build does otherwise.
 */
export async function replay(
  value: unknown,
  catalogue = Catalogue.standard,
): Promise<{ file: ReplayFile; steps: ReplayedStep[]; verdict: Verdict }> {
  if (!isReplayFile(value)) {
    throw new ShootdownError("E_PARSE", "not a replay file (format shootdown-replay)", {});
  }
  if (value.version !== REPLAY_VERSION || value.abi !== abi.ABI_VERSION) {
    throw new ShootdownError(
      "E_VERSION",
      `replay file is of version ${value.version}/${value.abi}, this build reads ` +
        `${REPLAY_VERSION}/${abi.ABI_VERSION}`,
      { version: value.version, abi: value.abi },
    );
  }
  const scenario = scenarioOf(value);
  const steps: ReplayedStep[] = [];
  let verdict: Verdict = "SAFE";
  const schedule = parseSchedule(value.schedule);
  const { machine, first } = await execute(
    scenario,
    value,
    catalogue,
    schedule,
    (step, hash, on) => {
      steps.push(step);
      if (hash !== value.hashes[steps.length]) {
        throw new ShootdownError("E_VERSION", `step ${steps.length} leads to another state here`, {
          step: steps.length,
          expected: value.hashes[steps.length],
          actual: hash,
        });
      }
      if (on.hazard) verdict = hazardName(on.hazard.code);
    },
  );
  if (imageHash(machine.image) !== value.image || first !== value.hashes[0]) {
    throw new ShootdownError("E_VERSION", "the replay file was made with other programs", {
      expected: value.image,
      actual: imageHash(machine.image),
    });
  }
  // Nobody commits these two: the file says that nothing comes after its last step.
  const { verdict: told } = value;
  if (verdict === "SAFE" && (told === "DEADLOCK" || told === "NOPROG")) verdict = told;
  if (verdict === "DEADLOCK") sayWhoWaits(machine, scenario, steps);
  return { file: value, steps, verdict };
}
