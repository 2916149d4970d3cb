/**
 * Mirroring consumers from parameters (notifiers.md 4.1): a table of their own, which software
 * fills, and brackets that take entries out of it before anything changes.
 */
import * as abi from "../../core/abi.js";
import {
  again,
  op,
  type OpNode,
  type Program,
  type Reg,
  repeat,
  unless,
  when,
} from "../../program/notation.js";
import type { Consumer } from "../consumer.js";
import { checkRetries, oneOf } from "./family.js";

/** Where a fault looks whether an invalidation came in between. */
export type RetryCheck =
  /** Under the lock that brackets take: what is right. */
  | "locked"
  /** Before it takes that lock, and not again: false negatives. */
  | "unlocked"
  /** Nowhere. */
  | "none";

/** What a mirroring consumer is like. Everything but the texts has a default. */
export interface MirroringParameters {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** A deliberately broken variant; false by default. */
  readonly mutant?: boolean;
  /** `locked` by default. */
  readonly check?: RetryCheck;
  /** When a fault notes the sequence: before it resolves the page (default), or after. */
  readonly snapshot?: "before" | "after";
  /** Entries are taken out at the bracket's `start` (default) or at its `end`. */
  readonly zaps?: "start" | "end";
  /** range_end moves the sequence without the lock; false by default. */
  readonly endsUnlocked?: boolean;
  /** What range_end does first: `sequence` by default. */
  readonly endsWith?: "sequence" | "count";
  /** What a fault looks at first: `count` by default. */
  readonly looksAt?: "count" | "sequence";
  /** Brackets freeze memslots, and those that hit none take no lock (KVM); false by default. */
  readonly memslots?: boolean;
  /**
   * Every access is a piece of work with a fence, and range_start waits, holding the lock, until
   * none is open (amdgpu). The fence is raised when its page is installed, `under-lock`, or, too
   * early, `before-lock`.
   */
  readonly fences?: "under-lock" | "before-lock";
  /** The device accesses through a pfn cache instead of its table. */
  readonly pfnCache?: {
    /** What refuses to make it valid; `active` is right, and so is `marked`. */
    readonly key: "active" | "in-progress" | "marked";
    /** Refreshes of one access after which it gives up, 1 to 2^32 - 1; none by default. */
    readonly retriesMost?: number;
  };
}

/** The page of the mm that a guest's page is: beside the access's own operand. */
const HVA: Reg = { kind: "reg", index: 1, name: "hva" };

const lock = op("dev.lock");
const unlock = op("dev.unlock");
const zap = op("dev.zap", { imm: abi.ZAP_RANGE, note: "zap shadow entries" });

function inSlots(p: MirroringParameters, body: Program): Program {
  if (p.memslots !== true) return body;
  return [when(op("dev.hits", { imm: abi.HITS_RANGE, note: "hits a memslot?" }), body)];
}

function startOf(p: MirroringParameters): Program {
  const waits =
    p.fences === undefined
      ? []
      : [op("dev.await", { imm: abi.NOTE_FENCE, note: "wait for fences" })];
  const begins = op("dev.count", { imm: 1, note: "bracket in progress + 1" });
  return [
    ...(p.memslots === true
      ? [
          op("dev.note", { imm: abi.NOTE_ACTIVE, note: "active + 1" }),
          op("gpc.drop", { note: "drop pfn cache" }),
        ]
      : []),
    inSlots(p, [lock, begins, ...waits, ...(p.zaps === "end" ? [] : [zap]), unlock]),
  ];
}

function endOf(p: MirroringParameters): Program {
  const both: OpNode[] = [
    op("dev.seq", { note: "sequence + 1" }),
    op("dev.count", { imm: 0, note: "bracket in progress - 1" }),
  ];
  if (p.endsWith === "count") both.reverse();
  const body = [...(p.zaps === "end" ? [zap] : []), ...both];
  return [
    inSlots(p, p.endsUnlocked === true ? body : [lock, body, unlock]),
    ...(p.memslots === true
      ? [op("dev.note", { imm: abi.NOTE_INACTIVE, note: "active - 1" })]
      : []),
  ];
}

/** Starts over with `before` if an invalidation of `hva` ran or runs. */
function checks(p: MirroringParameters, hva: Reg, before: Program): Program {
  if (p.endsUnlocked !== true) {
    return [when(op("dev.retry", { a: hva, note: "invalidated since?" }), [before, again])];
  }
  const count = op("dev.test", { a: hva, imm: abi.TEST_COUNT, note: "in progress?" });
  const sequence = op("dev.test", { a: hva, imm: abi.TEST_SEQ, note: "sequence moved?" });
  const order = p.looksAt === "sequence" ? [sequence, count] : [count, sequence];
  return order.map((test) => when(test, [before, op("pte.forget"), again]));
}

function faultOf(p: MirroringParameters, hva: Reg, write: boolean): Program {
  const snap = op("dev.snap", { note: "snapshot sequence" });
  const check = p.check ?? "locked";
  return [
    p.snapshot === "after" ? [] : snap,
    when(
      op("dev.resolve", { a: hva, imm: write ? 1 : 0, note: "resolve frame" }),
      [
        p.snapshot === "after" ? snap : [],
        check === "unlocked" ? checks(p, hva, []) : [],
        lock,
        check === "locked" ? checks(p, hva, [unlock]) : [],
        op("dev.install", { a: hva, note: "install shadow entry" }),
        unlock,
        again,
      ],
      [op("dev.fault", { note: "device fault" })],
    ),
  ];
}

/** One piece of work: the page is looked up, and used while its fence is open. */
function workOf(p: MirroringParameters, page: Reg, write: boolean): Program {
  const raise = op("dev.note", { imm: abi.NOTE_FENCE, note: "raise fence" });
  const signal = op("dev.note", { imm: abi.NOTE_FENCED, note: "signal fence" });
  const isEarly = p.fences === "before-lock";
  const bit = write ? 1 : 0;
  const undo = isEarly ? [signal] : [];
  return [
    isEarly ? raise : [],
    op("dev.snap", { note: "snapshot sequence" }),
    when(
      op("dev.resolve", { a: page, imm: bit, note: "resolve frame" }),
      [
        lock,
        checks(p, page, [unlock, undo]),
        op("dev.install", { a: page, note: "install entry" }),
        isEarly ? [] : raise,
        unlock,
        op("dev.access", { a: page, imm: bit }),
        signal,
      ],
      [undo, op("dev.fault", { note: "device fault" })],
    ),
  ];
}

const KEYS = {
  active: abi.COMMIT_ACTIVE,
  "in-progress": abi.COMMIT_IN_PROGRESS,
  marked: abi.COMMIT_MARKED,
} as const;

/** Makes the pfn cache valid, or starts over. */
function refreshOf(
  { key, retriesMost = 0 }: NonNullable<MirroringParameters["pfnCache"]>,
  hva: Reg,
  write: boolean,
): Program {
  return [
    key === "marked"
      ? [
          op("dev.note", { a: hva, imm: abi.NOTE_MARK, note: "mark: validating" }),
          op("dev.await", { imm: abi.NOTE_ACTIVE, note: "wait until none is active" }),
        ]
      : op("dev.snap", { note: "snapshot sequence" }),
    when(
      op("dev.resolve", { a: hva, imm: write ? 1 : 0, note: "resolve frame" }),
      [op("gpc.commit", { a: hva, slot: KEYS[key], imm: retriesMost, note: "valid?" }), again],
      [op("dev.fault", { note: "device fault" })],
    ),
  ];
}

function accessOf(p: MirroringParameters, vpn: Reg, write: boolean): Program {
  if (p.fences !== undefined) return [repeat(workOf(p, vpn, write))];
  const hva = p.memslots === true ? HVA : vpn;
  const bit = write ? 1 : 0;
  const cache = p.pfnCache;
  const one =
    cache === undefined
      ? unless(op("dev.access", { a: hva, imm: bit }), faultOf(p, hva, write))
      : unless(
          op("gpc.access", { a: hva, imm: bit, note: "pfn cache" }),
          refreshOf(cache, hva, write),
        );
  const find = op("dev.hits", { a: vpn, b: HVA, imm: abi.HITS_GUEST, note: "memslot of page" });
  const body =
    p.memslots === true ? when(find, [one], [op("dev.fault", { note: "no memslot" })]) : one;
  const limit = cache?.retriesMost;
  return [repeat([body]), ...(limit === undefined ? [] : [op("dev.note", { imm: abi.NOTE_DONE })])];
}

/**
 * A consumer with a table of its own, told by brackets.
 * @throws ArgumentError E_TYPE for an unknown choice, E_LIMIT for `retriesMost`
 */
export function mirroringConsumer(parameters: MirroringParameters): Consumer {
  const p: MirroringParameters =
    parameters.pfnCache === undefined ? parameters : { ...parameters, memslots: true };
  oneOf(p.name, "check", p.check, { locked: 0, unlocked: 0, none: 0 });
  oneOf(p.name, "snapshot", p.snapshot, { before: 0, after: 0 });
  oneOf(p.name, "zaps", p.zaps, { start: 0, end: 0 });
  oneOf(p.name, "endsWith", p.endsWith, { sequence: 0, count: 0 });
  oneOf(p.name, "fences", p.fences, { "under-lock": 0, "before-lock": 0 });
  oneOf(p.name, "looksAt", p.looksAt, { sequence: 0, count: 0 });
  if (p.pfnCache !== undefined) oneOf(p.name, "pfnCache.key", p.pfnCache.key, KEYS);
  checkRetries(p.name, p.pfnCache?.retriesMost);
  return {
    name: p.name,
    title: p.title,
    source: p.source,
    mutant: p.mutant ?? false,
    kind: "mirroring",
    hooks: { start: startOf(p), end: endOf(p) },
    access: (vpn, write) => accessOf(p, vpn, write),
  };
}
