/**
 * Cost profiles: what a micro-op costs, in whole ns of simulated time, each figure with its source.
 * What a profile does not name costs nothing; the calibration puts unmodelled work on the micro-op
 * where it happens.
 */
import * as abi from "../core/abi.js";
import { ArgumentError } from "../errors.js";
import { COST_NAMES, type CostName, OP_NAMES, type OpName } from "../program/ops.js";

/** One price. */
export interface Price {
  /** Whole ns, 0 to 10^9. */
  readonly ns: number;
  readonly source: string;
}

/** A machine's prices. */
export interface CostProfile {
  /** Lower case, digits and dashes. */
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /**
   * CPUs of a socket, 1 to 1,024: CPUs 0 to n - 1 share the first. Between sockets the prices
   * `csdRemote`, `deliverRemote` and `ackRemote` are added. Without it CPUs have no distance.
   */
  readonly cpusPerSocket?: number;
  readonly prices: Readonly<Partial<Record<OpName | CostName, Price>>>;
}

function indexOf(name: string): number | undefined {
  if (Object.hasOwn(COST_NAMES, name)) return COST_NAMES[name as CostName];
  return Object.hasOwn(OP_NAMES, name) ? OP_NAMES[name as OpName] : undefined;
}

/** Can a profile name a price so? */
export function isPriceName(name: string): name is OpName | CostName {
  return indexOf(name) !== undefined;
}

/** Highest price, ns. */
export const NS_MAX = 1e9;
const SOCKET_MOST = 1024;
const REMOTE: readonly CostName[] = ["csdRemote", "deliverRemote", "ackRemote", "infoLineRemote"];

function checkSockets(profile: CostProfile): void {
  const size: unknown = profile.cpusPerSocket;
  const argument = "cpusPerSocket";
  if (size === undefined) {
    const lost = REMOTE.find((name) => profile.prices[name] !== undefined);
    if (lost === undefined) return;
    const message = `profile ${profile.name}: ${lost} means nothing without cpusPerSocket`;
    throw new ArgumentError("E_TYPE", message, { argument });
  }
  if (typeof size === "number" && Number.isInteger(size) && size >= 1 && size <= SOCKET_MOST)
    return;
  const message = `profile ${profile.name}: cpusPerSocket must be 1 to ${SOCKET_MOST}`;
  throw new ArgumentError("E_LIMIT", message, { argument, least: 1, most: SOCKET_MOST });
}

/** What a policy that consolidates cache lines saves, and of which price it is a part. */
const CONSOLIDATED: readonly (readonly [price: number, part: number])[] = [
  [abi.COST_CSD, abi.COST_LAZY_LINE],
  [abi.OP_CSQ_TAKE, abi.COST_INFO_LINE],
  [abi.COST_DELIVER_REMOTE, abi.COST_INFO_LINE_REMOTE],
];

/**
 * The core's cost table of a profile; with `consolidates` as if lazy mark and queue head, csd and
 * flush info were one cache line each.
 * @throws ArgumentError E_TYPE for an unknown name, or a remote price without `cpusPerSocket`;
 * E_LIMIT for a price outside 0 to 10^9 ns, `post` above `ipi`, or sockets outside 1 to 1,024 CPUs.
 */
export function costTable(profile: CostProfile, consolidates = false): Uint32Array {
  checkSockets(profile);
  const table = new Uint32Array(abi.COST_WORDS);
  for (const [name, price] of Object.entries(profile.prices)) {
    const at = indexOf(name);
    if (at === undefined) {
      throw new ArgumentError("E_TYPE", `profile ${profile.name}: nothing is called ${name}`, {
        argument: name,
      });
    }
    const ns = price?.ns;
    if (typeof ns !== "number" || !Number.isInteger(ns) || ns < 0 || ns > NS_MAX) {
      throw new ArgumentError(
        "E_LIMIT",
        `profile ${profile.name}: ${name} must be 0 to ${NS_MAX} ns`,
        {
          argument: name,
          most: NS_MAX,
        },
      );
    }
    table[at] = ns;
  }
  if (table[abi.COST_POST] > table[abi.COST_IPI]) {
    const most = table[abi.COST_IPI];
    const message = `profile ${profile.name}: post must be 0 to ${most} ns, as ipi is`;
    throw new ArgumentError("E_LIMIT", message, { argument: "post", least: 0, most });
  }
  for (const [price, part] of consolidates ? CONSOLIDATED : []) {
    table[price] = Math.max(0, table[price] - table[part]);
  }
  return table;
}
