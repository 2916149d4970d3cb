/**
 * What drivers do with their subscriptions, as script steps of a CPU (notifiers.md 1.2, 1.6, 1.7).
 * Devices are numbers; pages are vpns.
 */
import * as abi from "../core/abi.js";
import { again, op, type Program, type Reg, repeat, unless, when } from "../program/notation.js";
import type { Consumer } from "./consumer.js";
import type { Span } from "./kernel-steps.js";
import type { Kit } from "./kit.js";
import { exclusiveEntry } from "./operations/exclusive.js";
import { COLLECT_SITE, EXCLUSIVE_SITE } from "./sites.js";
import { synchronize } from "./subscribers.js";

/** One such step. */
export type SubscriberStep =
  /** A subscriber over `pages`. `unstamped`: a mutant, readers do not wait for open brackets. */
  | { readonly insert: number; readonly pages: Span; readonly unstamped?: boolean }
  /** Takes out the one over `page` and waits; `locked`: a mutant, holding the driver's lock. */
  | { readonly remove: number; readonly page: number; readonly locked?: boolean }
  /** The same without waiting: it is released when the open brackets have ended. */
  | { readonly removeDeferred: number; readonly page: number }
  /** Gives the one over `page` another interval. `posted`: as in version 6 of the series. */
  | {
      readonly update: number;
      readonly page: number;
      readonly pages: Span;
      readonly posted?: boolean;
    }
  /** Replaces the one over `hole` by what is left of it, at once. */
  | { readonly replace: number; readonly hole: Span }
  /** Looks for the one over `page`, and uses the object that it finds. */
  | { readonly find: number; readonly page: number; readonly posted?: boolean }
  /** A classic subscriber. */
  | { readonly register: number }
  /** `unsynchronized`: a mutant, freed while a callback may be running. */
  | { readonly unregister: number; readonly unsynchronized?: boolean }
  | { readonly get: number }
  /** `keep`: others still use it. `now`: a mutant, freed at once. */
  | { readonly put: number; readonly keep?: boolean; readonly now?: boolean }
  /** `readers`: those who walk lists now are done; `puts`: what was put is freed. */
  | { readonly synchronize: "readers" | "puts" }
  /** A device's own change of a page that it mirrors; `owner`: whose it says it is, its own. */
  | {
      readonly claim: number;
      readonly event: "EXCLUSIVE" | "MIGRATE";
      readonly page: number;
      readonly owner?: number;
    };

/** Keys that tell these steps from others. */
export const SUBSCRIBER_VERBS = [
  ...["insert", "remove", "removeDeferred", "update", "replace", "find"],
  ...["register", "unregister", "get", "put", "synchronize", "claim"],
] as const;

/** Keys whose value is a device. */
export const SUBSCRIBER_DEVICES: ReadonlySet<string> = new Set([
  ...["insert", "remove", "removeDeferred", "update", "replace", "find"],
  ...["register", "unregister", "get", "put", "claim", "owner"],
]);

/** Is it one of these steps? */
export function isSubscriberStep(step: object): step is SubscriberStep {
  return SUBSCRIBER_VERBS.some((verb) => verb in step);
}

/** Retries after which a device has made no progress. */
const PATIENCE = 4;

/** The classic release of a consumer that has none of its own: it lets go of the mm. */
export const letGo: Program = [
  op("sub.unlink", { imm: abi.UNLINK_STOP, note: "device lets go of mm" }),
];

function pick(device: number): Program {
  return [op("sub.pick", { imm: device + 1, note: `device ${device}` })];
}

function withPage(kit: Kit, page: number, body: (vpn: Reg) => Program): Program {
  return kit.regs.scope(["page"], (vpn) => [kit.set(vpn, page), body(vpn)]);
}

function withSpan(kit: Kit, [from, to]: Span, body: (a: Reg, b: Reg) => Program): Program {
  return kit.regs.scope(["start", "end"], (a, b) => [kit.set(a, from), kit.set(b, to), body(a, b)]);
}

/** The first interval subscriber of an mm makes brackets look for some. */
function inserted(a: Reg, b: Reg, unstamped: boolean): Program {
  const insert = op("itree.insert", { a, b, imm: unstamped ? 1 : 0, note: "insert interval" });
  const enable = [op("mmap.write.lock"), op("itree.enable"), op("mmap.write.unlock")];
  return [unless(insert, [enable, insert])];
}

function removed(a: Reg, locked: boolean): Program {
  const remove = op("itree.remove", { a, note: "remove interval" });
  return [
    locked ? op("dev.lock", { note: "driver's lock" }) : [],
    unless(remove, [op("seq.wait", { note: "wait for the brackets" })]),
    locked ? op("dev.unlock") : [],
  ];
}

/** Outside of callbacks it waits until nobody can be in one. */
function unregistered(consumer: Consumer | undefined, unsynchronized: boolean): Program {
  return [
    when(op("hook.ask", { imm: abi.ASK_LINKED, note: "still linked?" }), [
      op("srcu.lock"),
      consumer?.hooks.release ?? letGo,
      op("srcu.unlock"),
      op("sub.unlink", { imm: abi.UNLINK_ONE, note: "unlink" }),
    ]),
    unsynchronized ? [] : synchronize,
    op("sub.unlink", { imm: abi.UNLINK_FREE, note: "free subscriber" }),
  ];
}

function linked(isShared: boolean): Program {
  const link = op("sub.link", { imm: abi.LINK_NEW, note: "link" });
  const get = op("sub.link", { imm: abi.LINK_GET, note: "there already?" });
  return [op("mmap.write.lock"), isShared ? unless(get, [link]) : link, op("mmap.write.unlock")];
}

/** Begin to read, change, ask whether to retry: with the device's callback in between. */
function claimed(kit: Kit, step: Extract<SubscriberStep, { claim: number }>): Program {
  const { claim: device, event, page, owner = device } = step;
  const isExclusive = event === "EXCLUSIVE";
  return kit.regs.scope(["page", "next", "patience"], (vpn, next, patience) => [
    kit.set(vpn, page),
    op("addi", { a: next, b: vpn, imm: 1 }),
    kit.set(patience, PATIENCE),
    op("mmap.read.lock"),
    repeat([
      pick(device),
      op("read.begin", { a: vpn }),
      op("seq.wait"),
      kit.range(
        isExclusive ? EXCLUSIVE_SITE : COLLECT_SITE,
        event,
        vpn,
        next,
        isExclusive ? exclusiveEntry(kit, vpn, next) : [],
        { owner },
      ),
      pick(device),
      op("dev.lock"),
      when(op("read.retry", { a: patience, imm: 1, note: "invalidated since?" }), [
        op("dev.unlock"),
        again,
      ]),
      op("nop", { note: "program device" }),
      op("dev.unlock"),
    ]),
    op("mmap.read.unlock"),
  ]);
}

function intervalStep(kit: Kit, step: SubscriberStep): Program | null {
  if ("insert" in step) {
    return withSpan(kit, step.pages, (a, b) => [
      pick(step.insert),
      inserted(a, b, step.unstamped === true),
    ]);
  }
  if ("remove" in step) {
    return withPage(kit, step.page, (a) => [pick(step.remove), removed(a, step.locked === true)]);
  }
  if ("removeDeferred" in step) {
    return withPage(kit, step.page, (a) => [
      pick(step.removeDeferred),
      op("itree.remove", { a, imm: abi.REMOVE_DEFERRED, note: "remove interval, deferred" }),
      op("itree.release", { note: "release what is out" }),
    ]);
  }
  if ("update" in step) {
    const imm = step.posted === true ? 1 : 0;
    return withPage(kit, step.page, (a) =>
      withSpan(kit, step.pages, (b, c) => [
        pick(step.update),
        op("itree.update", { a, b, c, imm, note: "update interval" }),
      ]),
    );
  }
  if ("replace" in step) {
    const imm = abi.PUNCH_LEFT | abi.PUNCH_RIGHT;
    return withSpan(kit, step.hole, (a, b) => [
      pick(step.replace),
      op("itree.punch", { a, b, imm, note: "replace interval" }),
      op("itree.release", { note: "release what is out" }),
    ]);
  }
  if ("find" in step) {
    const imm = step.posted === true ? 1 : 0;
    return withPage(kit, step.page, (a) =>
      kit.regs.scope(["handle"], (b) => [
        pick(step.find),
        when(op("itree.find", { a, b, imm, note: "find interval" }), [
          op("sub.use", { a: b, note: "use what was found" }),
        ]),
      ]),
    );
  }
  return null;
}

/** A device of a script. */
export interface ScriptDevice {
  readonly consumer: Consumer;
  /** mm that it is attached to. */
  readonly mm: number;
}

/** Steps are about the mm of their device, whoever runs them: a driver's thread has none. */
export function subscriberProgram(
  kit: Kit,
  step: SubscriberStep,
  devices: readonly ScriptDevice[],
): Program {
  const named = Object.entries(step).find(([key]) => SUBSCRIBER_DEVICES.has(key));
  const device = named === undefined ? undefined : devices[named[1] as number];
  if (device === undefined) return classicStep(kit, step, devices);
  return kit.regs.scope(["own", "mm"], (own, mm) => [
    op("mm.current", { a: own }),
    kit.set(mm, device.mm + 1),
    op("ctx.mm", { a: mm }),
    intervalStep(kit, step) ?? classicStep(kit, step, devices),
    op("ctx.mm", { a: own }),
  ]);
}

function classicStep(kit: Kit, step: SubscriberStep, devices: readonly ScriptDevice[]): Program {
  if ("register" in step) return [pick(step.register), linked(false)];
  if ("get" in step) return [pick(step.get), linked(true)];
  if ("unregister" in step) {
    const { unregister: device, unsynchronized } = step;
    return [pick(device), unregistered(devices[device]?.consumer, unsynchronized === true)];
  }
  if ("put" in step) {
    const imm = step.now === true ? abi.UNLINK_PUT_NOW : abi.UNLINK_PUT;
    return [
      pick(step.put),
      step.keep === true ? [] : letGo,
      op("sub.unlink", { imm, note: "put" }),
    ];
  }
  if ("claim" in step) return claimed(kit, step);
  if ("synchronize" in step && step.synchronize === "puts") {
    return [op("srcu.sync", { imm: abi.SYNC_FREED, note: "wait until puts are done" })];
  }
  return synchronize;
}
