/**
 * One order instead of all: the turns of a scenario's exact interleaving, one after the other, and
 * then every actor to its end. What an actor cannot do when its turn comes is left out: under
 * another era or policy there may be no interrupt to take, or a lock to wait for. Whoever waits for
 * other CPUs lets them take their interrupts; whoever goes round in circles is left there.
 */
import * as abi from "../core/abi.js";
import { CTX } from "../core/layout.js";
import type { Machine } from "../machine.js";
import { decode } from "../program/disassembler.js";
import { opName } from "../program/ops.js";
import { type Scenario, TURN_ALIASES, type Turn } from "../scenarios/scenario.js";
import type { ExploreResult, ScheduleStep } from "./explore.js";
import { hazardName } from "./explore.js";
import { actorIndex } from "./explored-machine.js";
import { contextOf, nextOp, type NextOp } from "./next-op.js";

/** Steps of all turns; what takes more goes on for ever. */
const STEPS_MOST = 20_000;

/** How a run of one actor has ended. */
type Ending = "arrived" | "waits" | "circles" | "hazard";

/** Where a turn ends, asked before each step of its actor. */
type Arrived = (next: NextOp, taken: readonly NextOp[]) => boolean;

function isNotification({ op }: { readonly op: number }): boolean {
  return op === abi.OP_NOTIFY_BEGIN || op === abi.OP_NOTIFY_NEXT;
}

class Run {
  readonly schedule: ScheduleStep[] = [];

  constructor(
    private readonly machine: Machine,
    private readonly scenario: Scenario,
  ) {}

  get isOver(): boolean {
    return this.machine.hazard !== null || this.schedule.length >= STEPS_MOST;
  }

  /** One step; false: it cannot be taken now. */
  private take(actor: number, choice: number): boolean {
    if (this.machine.step(actor, choice) !== abi.ST_OK) return false;
    this.schedule.push({ actor, choice });
    return true;
  }

  private get watched(): number {
    return this.machine.geometry.watch;
  }

  private isRunning(ctx: number): boolean {
    const { core } = this.machine;
    return ctx >= 0 && core.read(CTX, core.ctx(ctx), "running") !== 0;
  }

  /** Takes a pending interrupt and runs its handler as far as it can. */
  interrupt(cpu: number): boolean {
    const { geometry } = this.machine;
    const own = geometry.tasks + cpu;
    let moved = this.isRunning(own) || this.take(cpu, 1);
    if (!moved) return false;
    moved = false;
    while (this.isRunning(own) && !this.isOver && this.take(cpu, 0)) moved = true;
    return moved;
  }

  /** Everything that happens on other CPUs while `actor` waits for them. */
  private letOthers(actor: number): boolean {
    const { geometry } = this.machine;
    let moved = false;
    for (let cpu = 0; cpu < geometry.cpus && !this.isOver; cpu++) {
      if (cpu !== actor && this.interrupt(cpu)) moved = true;
      if (this.canBroadcast && this.take(cpu, 2 + 2 * this.watched)) moved = true;
    }
    return moved;
  }

  private get canBroadcast(): boolean {
    const { header } = this.machine.core;
    return (
      (header[abi.H_OPTIONS] & abi.OPT_BROADCAST) !== 0 ||
      (header[abi.H_ROWS] & abi.ROW_LIFETIMES) !== 0
    );
  }

  /** Steps of one actor's program until `arrived`, or its end. */
  go(actor: number, arrived: Arrived): Ending {
    const { machine } = this;
    const taken: NextOp[] = [];
    const seen = new Set<string>();
    for (;;) {
      if (this.isOver) return "hazard";
      const ctx = contextOf(machine, actor);
      if (!this.isRunning(ctx)) return "arrived";
      const next = nextOp(machine, ctx);
      if (arrived(next, taken)) return "arrived";
      if (this.take(actor, 0)) {
        taken.push(next);
        const hash = machine.stateHash();
        if (seen.has(hash)) return "circles";
        seen.add(hash);
      } else if (!this.letOthers(actor)) return "waits";
    }
  }

  /** pc in the actor's own program, hooks it is in left aside. */
  private programCounter(actor: number, next: NextOp): number {
    const { core } = this.machine;
    const row = core.ctx(contextOf(this.machine, actor));
    const depth = core.read(CTX, row, "sp");
    if (depth === 0) return next.pc;
    const stack = core.readU64(row + CTX.fields.stack.offset);
    return Math.floor(stack / 2 ** (16 * (depth - 1))) % 2 ** 16;
  }

  private inHook(actor: number): boolean {
    const { core } = this.machine;
    return core.read(CTX, core.ctx(contextOf(this.machine, actor)), "sp") !== 0;
  }

  /** Through the step of its program in which it is. */
  private throughStep(actor: number, script: number): Arrived {
    const starts = this.machine.image.parts.get(`actor.${script}`) ?? [];
    let end: number | null = null;
    return (next) => {
      const pc = this.programCounter(actor, next);
      end ??= starts.find((start) => start > pc) ?? Infinity;
      return pc >= end;
    };
  }

  /**
   * Through, or up to, a micro-op. What a bracket's beginning or a flush tells belongs to it, as
   * does to a bracket's end what comes directly before that.
   */
  private through(actor: number, to: string): Arrived {
    const isBefore = to.startsWith("before ");
    const [word, page] = to.replace(/^before /, "").split(" ");
    const wanted = Object.hasOwn(TURN_ALIASES, word) ? TURN_ALIASES[word] : word;
    const matches = ({ op, value }: NextOp): boolean =>
      opName(op) === wanted && (page === undefined || value === Number(page));
    if (isBefore) {
      const isEnd = wanted === "range.end";
      return (next) => matches(next) || (isEnd && this.endsBracket(next));
    }
    const tells = wanted === "range.begin" || wanted === "flush.done";
    return (next, taken) => {
      if (!taken.some(matches)) return false;
      if (this.inHook(actor)) return !tells;
      return !tells || !isNotification(next) || this.endsBracket(next);
    };
  }

  /** The notifications of a bracket's end belong to it. */
  private endsBracket(next: NextOp): boolean {
    if (next.op !== abi.OP_NOTIFY_BEGIN) return false;
    for (let pc = next.pc; ; pc++) {
      const { op } = decode(this.machine.image.code, pc);
      const isLocal = op > abi.OP_JF && op <= abi.OP_LOCAL_LAST;
      if (op === abi.OP_RANGE_END) return true;
      if (!isLocal && !isNotification({ op })) return false;
    }
  }

  turn([name, to]: Turn): void {
    const script = this.scenario.actors.findIndex((each) => each.name === name);
    const actor = actorIndex(this.scenario, this.scenario.actors[script]);
    const [word, page] = to.split(" ");
    const k = this.scenario.watch?.findIndex(({ vpn }) => vpn === Number(page)) ?? -1;
    if (word === "irq") this.interrupt(actor);
    else if (word === "walk") this.take(actor, 2 + k);
    else if (word === "nmi") this.take(actor, 2 + this.watched + k);
    else if (word === "broadcast") this.take(actor, 2 + 2 * this.watched);
    else if (word === "preempt") this.take(actor, 3 + 2 * this.watched);
    else if (word === "end") this.go(actor, () => false);
    else if (word === "step") this.go(actor, this.throughStep(actor, script));
    else this.go(actor, this.through(actor, to));
  }

  /** Everybody, in turns, until all have come to their end, or nobody gets any further. */
  finish(): "done" | "waits" | "circles" | "hazard" {
    const actors = this.scenario.actors.map((actor) => actorIndex(this.scenario, actor));
    const seen = new Set<string>();
    for (;;) {
      const endings = actors.map((actor) => this.go(actor, () => false));
      for (let cpu = 0; cpu < this.machine.geometry.cpus; cpu++) this.interrupt(cpu);
      if (this.machine.hazard !== null) return "hazard";
      if (endings.every((ending) => ending === "arrived")) return "done";
      const hash = this.machine.stateHash();
      if (seen.has(hash) || this.isOver) {
        return endings.includes("circles") || this.isOver ? "circles" : "waits";
      }
      seen.add(hash);
    }
  }
}

/**
 * Follows the scenario's interleaving from the machine's present state. The schedule is all that
 * was done, whatever came of it; the first hazard ends it. NOPROG: somebody goes round in circles,
 * and nothing that is left to happen ends that; DEADLOCK: they wait.
 */
export function followTurns(machine: Machine, scenario: Scenario): ExploreResult {
  const run = new Run(machine, scenario);
  for (const turn of scenario.interleaving ?? []) {
    if (run.isOver) break;
    run.turn(turn);
  }
  const ending = run.isOver ? "hazard" : run.finish();
  const found = machine.hazard;
  const verdict =
    found !== null
      ? hazardName(found.code)
      : ({ done: "SAFE", waits: "DEADLOCK", circles: "NOPROG", hazard: "NOPROG" } as const)[ending];
  const { schedule } = run;
  return {
    verdict,
    states: schedule.length + 1,
    transitions: schedule.length,
    depth: schedule.length,
    also: [],
    collisionBound: 0,
    schedule,
    isShortest: false,
    reduction: null,
  };
}
