/**
 * auditSites(): for each call site and era, does the secondary flush meet its deadline? Each answer
 * is the exploration of every interleaving of a small race; what is told beside it is counted.
 */
import { check } from "../drivers/check.js";
import { stepsOf } from "../drivers/replay-file.js";
import { formatSteps } from "../drivers/step-table.js";
import { ArgumentError } from "../errors.js";
import { Catalogue } from "../kernel/catalogue.js";
import type { Verdict } from "../scenarios/scenario.js";
import { countSites } from "./count.js";
import { type Deadline, siteRaces } from "./races.js";

/** One row under one era and consumer. */
export interface AuditCell {
  readonly era: string;
  readonly consumer: string;
  /** SAFE: the deadline is met in every interleaving; null: no kernel of that era has the place. */
  readonly verdict: Verdict | null;
  /** Notifications of the secondary hook in one run, and brackets. */
  readonly notifications: number;
  readonly brackets: number;
  readonly states: number;
  /** Steps of the shortest counterexample; 0: there is none. */
  readonly steps: number;
  /** That counterexample as a step table, where it was asked for. */
  readonly counterexample: string | null;
}

/** One row of the site table. */
export interface AuditRow {
  /** Row and part: "11a". */
  readonly row: string;
  readonly title: string;
  readonly operation: string;
  readonly event: string;
  readonly deadline: Deadline;
  /** What the table says of the deduplicated form, and why. */
  readonly reason: string;
  readonly cells: readonly AuditCell[];
}

/** What {@link auditSites} may be asked for. */
export interface AuditOptions {
  /** Names of eras; all of the catalogue by default. */
  readonly eras?: readonly string[];
  /** Names of consumers; `sharing` and `mirroring` by default. */
  readonly consumers?: readonly string[];
  /** Rows and parts, such as "7" or "11a"; all by default. "11" is all parts of it. */
  readonly rows?: readonly string[];
  /** Counterexamples as step tables, too. */
  readonly counterexamples?: boolean;
  /** Called before each exploration. */
  readonly onCell?: (done: number, of: number) => void;
}

/** @throws ArgumentError E_NOENT */
function chosenKeys(keys: readonly string[], wanted: readonly string[] | undefined): Set<string> {
  if (wanted === undefined) return new Set(keys);
  const found = new Set<string>();
  for (const name of wanted) {
    const matching = keys.filter((key) => key === name || key.replace(/[^0-9].*$/, "") === name);
    if (matching.length === 0) {
      throw new ArgumentError("E_NOENT", `no row is called ${name}; there are ${keys.join(", ")}`, {
        argument: "rows",
        value: name,
      });
    }
    for (const key of matching) found.add(key);
  }
  return found;
}

/**
 * Explores the race of every row in every era.
 * @throws ArgumentError E_NOENT for an unknown row, era or consumer, before anything is explored.
 */
export async function auditSites(options: AuditOptions = {}): Promise<AuditRow[]> {
  const catalogue = Catalogue.standard;
  const eras = (options.eras ?? catalogue.parts.eras.map(({ name }) => name)).map(
    (name) => catalogue.era(name).name,
  );
  const consumers = (options.consumers ?? ["sharing", "mirroring"]).map(
    (name) => catalogue.consumer(name).name,
  );
  const races = siteRaces();
  const chosen = chosenKeys(
    races.map(({ key }) => key),
    options.rows,
  );
  const counted = await countSites({ eras });
  const of = chosen.size * eras.length * consumers.length;
  let done = 0;
  const rows: AuditRow[] = [];
  for (const [i, { key, deadline, scenario: sharing, mirroring }] of races.entries()) {
    const site = counted[i];
    if (!chosen.has(key) || site === undefined) continue;
    const cells: AuditCell[] = [];
    for (const era of eras) {
      for (const consumer of consumers) {
        options.onCell?.(done++, of);
        const isMirroring = catalogue.consumer(consumer).kind === "mirroring";
        const scenario = isMirroring ? mirroring : sharing;
        const counts = site.counts[era] ?? null;
        const told = { notifications: counts?.secondary ?? 0, brackets: counts?.brackets ?? 0 };
        if (counts === null) {
          const nothing = { verdict: null, states: 0, steps: 0, counterexample: null };
          cells.push({ era, consumer, ...told, ...nothing });
          continue;
        }
        const reduction = scenario.threads.length > 1 ? "partial-order" : "none";
        const result = await check(scenario, { era, consumer, reduction });
        const { verdict, states, schedule } = result;
        const isWanted = options.counterexamples === true && schedule.length > 0;
        const counterexample = isWanted
          ? formatSteps(scenario, await stepsOf(result, scenario))
          : null;
        const steps = schedule.length;
        cells.push({ era, consumer, ...told, verdict, states, steps, counterexample });
      }
    }
    const { title, operation, event, reason } = site;
    rows.push({ row: key, title, operation, event, deadline, reason, cells });
  }
  return rows;
}
