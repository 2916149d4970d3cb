/**
 * What is around a bracket where interval subscribers, SRCU and refusals are part of the machine
 * (notifiers.md 1.3 to 1.5): intervals first, then the list of classic subscribers in a section of
 * SRCU; at the end the same order.
 */
import * as abi from "../core/abi.js";
import { EVENT_NAMES, type EventName } from "../program/events.js";
import { type Node, op, type Program, type Reg, when } from "../program/notation.js";
import { OP_NAMES } from "../program/ops.js";

/**
 * What becomes of those who were told when a bracket that may not sleep is refused.
 *
 * - `fixed`: everybody hears of the end.
 * - `strict`: Linux since 5.12: classic subscribers do; if one of them refuses, the interval part
 *   stays open for ever (S17).
 * - `strict-5.11`: nor do classic ones whose beginning was granted (S16).
 */
export const FAULTS = ["fixed", "strict", "strict-5.11"] as const;

/** One of {@link FAULTS}. */
export type Faults = (typeof FAULTS)[number];

/** There when subscribers are part of the machine. */
export interface SubscriberRules {
  readonly faults: Faults;
}

/** How a bracket is opened, beside its range. */
export interface BracketFlags {
  /** Device whose change it is: that device's callbacks may ignore it. */
  readonly owner?: number;
  /** It may not sleep: callbacks may refuse it, and then nothing is done (the OOM reaper). */
  readonly noSleep?: boolean;
}

/** A bracket's pieces, as the kit has them. */
export interface BracketParts {
  readonly event: EventName;
  readonly a: Reg;
  readonly b: Reg;
  readonly begin: Program;
  readonly body: Program;
  /** Secondary TLBs at its end, if the era tells them there. */
  readonly tell: Program;
  readonly end: Program;
}

/** Tells the list of classic subscribers, in a section. */
export function toldInSection(hook: number, a: Reg, b: Reg, more: Program = []): Program {
  return [
    op("srcu.lock"),
    op("notify.begin", { a, b, imm: hook }),
    op("notify.next"),
    more,
    op("srcu.unlock"),
  ];
}

/** Intervals hear of the end; what was deferred is done, and released. */
export const intervalsEnd: Program = [
  op("itree.end", { note: "intervals: end" }),
  op("itree.release", { note: "release what is out" }),
];

const isRefused = op("hook.ask", { imm: abi.ASK_REFUSED, note: "refused?" });
const notOpened = op("range.refused", { note: "refused: not opened" });

function intervalsStart(
  { event, a, b }: Pick<BracketParts, "event" | "a" | "b">,
  { owner, noSleep }: BracketFlags,
): Program {
  const whose = owner === undefined ? 0 : (owner + 1) << abi.START_OWNER_SHIFT;
  const how = noSleep === true ? abi.START_NO_SLEEP : 0;
  const imm = EVENT_NAMES.indexOf(event) | whose | how;
  return [op("itree.start", { a, b, imm, note: "intervals: start" }), op("itree.next")];
}

/** A whole bracket. */
export function subscribedBracket(
  rules: SubscriberRules,
  parts: BracketParts,
  options: BracketFlags,
): Program {
  const { a, b, begin, body, tell, end } = parts;
  const open: Program = [body, intervalsEnd, tell, toldInSection(abi.HOOK_END, a, b), end];
  const start = [begin, intervalsStart(parts, options)];
  if (options.noSleep !== true) return [start, toldInSection(abi.HOOK_START, a, b), open];
  const endForAll: Program = [
    when(isRefused, [
      op("notify.begin", { a, b, imm: abi.HOOK_END, note: "end for all" }),
      op("notify.next"),
    ]),
  ];
  return [
    start,
    when(
      isRefused,
      [intervalsEnd, notOpened],
      [
        toldInSection(abi.HOOK_START, a, b, rules.faults === "strict-5.11" ? [] : endForAll),
        when(isRefused, [rules.faults === "fixed" ? intervalsEnd : [], notOpened], open),
      ],
    ),
  ];
}

/** What exit tells before anything is freed (1.3): everybody lets go, classic ones for good. */
export function releaseAll(a: Reg, b: Reg): Program {
  return [
    intervalsStart({ event: "RELEASE", a, b }, {}),
    intervalsEnd,
    toldInSection(abi.HOOK_RELEASE, a, b, [
      op("sub.unlink", { imm: abi.UNLINK_ALL, note: "unlink all" }),
    ]),
    synchronize,
  ];
}

/** Until nobody reads who reads now. */
export const synchronize: Program = [
  op("srcu.sync", { imm: abi.SYNC_BEGIN, note: "synchronize: who reads now" }),
  op("srcu.sync", { imm: abi.SYNC_WAIT, note: "wait for them" }),
];

function isSubscriberOp(node: Node): boolean {
  if (Array.isArray(node)) return hasSubscriberOps(node as Program);
  const item = node as Exclude<Node, Program>;
  switch (item.kind) {
    case "op": {
      const code = OP_NAMES[item.op];
      return code >= abi.OP_ITREE_START && code <= abi.OP_RANGE_REFUSED;
    }
    case "when":
      return [item.test, item.then, item.otherwise].some(hasSubscriberOps);
    case "while":
      return [item.test, item.body].some(hasSubscriberOps);
    case "repeat":
    case "times":
      return hasSubscriberOps(item.body);
    default:
      return false;
  }
}

/** Does a program know of subscribers that come and go? */
export function hasSubscriberOps(program: Program): boolean {
  return program.some(isSubscriberOp);
}
