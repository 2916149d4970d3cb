/**
 * What each call site tells a device (notifiers.md 2.4): notifications, and the device's flush
 * commands with their time. Who runs an operation is at the site of the last bracket that it has
 * opened there; flushes behind the bracket (a gather's, fork's) belong to it as well.
 */
import * as abi from "../core/abi.js";
import { siteOfCode } from "../kernel/era.js";
import { operationName } from "../kernel/operation.js";
import type { MachineEvent } from "../machine-events.js";
import { SITE_RUNS } from "../sites/rows.js";

/** What one call site did to the device. Counts of the whole recording; simulated ns. */
export interface CallSiteCost {
  /** Row of the site table with its part, "1", "29m"; "-": no site of the table. */
  readonly row: string;
  /** What the row is about; where there is no row, the operation. */
  readonly title: string;
  /** Brackets that were opened. */
  readonly brackets: number;
  /** Notifications of secondary TLBs that the device got. */
  readonly notifications: number;
  /** Flush commands of the device. */
  readonly flushes: number;
  /** Those that flush everything. */
  readonly full: number;
  /** Pages of the others. */
  readonly pages: number;
  /** Time the device took for its flush commands. */
  readonly deviceNs: number;
}

type Open = { -readonly [K in keyof CallSiteCost]: CallSiteCost[K] };

/** Events a {@link CallSiteLedger} is about. */
export const CALL_SITE_EVENTS: readonly number[] = [
  abi.EV_OP_BEGIN,
  abi.EV_BRACKET,
  abi.EV_SECONDARY,
  abi.EV_DEV_FLUSH,
];

const TITLES = new Map(SITE_RUNS.map(({ row, part, title }) => [`${row}${part}`, title]));
/** By operation, for what it tells without a bracket, or before its first one. */
const ROWS = new Map(SITE_RUNS.map((run) => [run.operation, `${run.row}${run.part}`]));

/** The row of an operation or of what it is a form of: `fork.needed` is a `fork`. */
function rowOf(operation: string): string | null {
  for (let name = operation; name !== "";) {
    const row = ROWS.get(name);
    if (row !== undefined) return row;
    name = name.slice(0, Math.max(0, name.lastIndexOf(".")));
  }
  return null;
}

/** Rows in the table's order, what has none behind them, by name. */
export function inOrder(a: CallSiteCost, b: CallSiteCost): number {
  const [x, y] = [Number.parseInt(a.row, 10), Number.parseInt(b.row, 10)];
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  if (x !== y && !Number.isNaN(x)) return x - y;
  return a.row + a.title < b.row + b.title ? -1 : 1;
}

/** See the file comment. */
export class CallSiteLedger {
  private readonly sites = new Map<string, Open>();
  /** By actor and task: where it is. */
  private readonly places = new Map<number, { operation: string; site: Open | null }>();

  private site(row: string | null, operation: string): Open {
    const key = row ?? `- ${operation}`;
    let open = this.sites.get(key);
    if (open === undefined) {
      open = {
        row: row ?? "-",
        title: (row === null ? undefined : TITLES.get(row)) ?? operation,
        brackets: 0,
        notifications: 0,
        flushes: 0,
        full: 0,
        pages: 0,
        deviceNs: 0,
      };
      this.sites.set(key, open);
    }
    return open;
  }

  /** One event of the machine, in order. */
  add(event: MachineEvent): void {
    const who = (event.task + 1) * 2 ** 16 + event.actor;
    if (event.kind === abi.EV_OP_BEGIN) {
      this.places.set(who, { operation: operationName(event.code), site: null });
      return;
    }
    let place = this.places.get(who);
    if (place === undefined) {
      place = { operation: "", site: null };
      this.places.set(who, place);
    }
    if (event.kind === abi.EV_BRACKET) {
      const { row, part } = siteOfCode(event.site);
      place.site = this.site(row === 0 ? null : `${row}${part}`, place.operation);
      place.site.brackets++;
      return;
    }
    if (event.kind !== abi.EV_SECONDARY && event.kind !== abi.EV_DEV_FLUSH) return;
    place.site ??= this.site(rowOf(place.operation), place.operation);
    const { site } = place;
    if (event.kind === abi.EV_SECONDARY) {
      site.notifications++;
      return;
    }
    site.flushes++;
    if (event.a === Infinity) site.full++;
    else site.pages += event.a;
    site.deviceNs += event.b;
  }

  /** By row of the table. */
  result(): CallSiteCost[] {
    return [...this.sites.values()].map((site) => ({ ...site })).sort(inOrder);
  }
}
