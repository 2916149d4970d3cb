/**
 * The counting table (notifiers.md 2.6) for every row of the site table: what a sharing and a
 * mirroring consumer are told by one run of the operation, in each era. Simulated, timed driver.
 */
import { ShootdownError } from "../errors.js";
import { Catalogue } from "../kernel/catalogue.js";
import type { RangeEvent } from "../kernel/kit.js";
import { SiteRig } from "./rig.js";
import { SITE_RUNS, type SiteRun } from "./rows.js";

/** What one run did to the two devices. */
export interface SiteCounts {
  /** Brackets, which the mirroring consumer is told of at both ends. */
  readonly brackets: number;
  /** Notifications of the secondary hook, which the sharing consumer has. */
  readonly secondary: number;
  /** Flush commands to the sharing device. */
  readonly sharingFlushes: number;
  /** Ranges dropped from the mirroring device's table. */
  readonly mirroringFlushes: number;
}

/** A row, or a part of one, with its counts by era. */
export interface SiteRow {
  readonly row: number;
  /** "" if the row is one. */
  readonly part: string;
  readonly title: string;
  readonly operation: string;
  readonly event: RangeEvent | "none";
  /** What the counts are about. */
  readonly size: string;
  /** Is the deduplicated form safe, and why (notifiers.md 2.4)? */
  readonly reason: string;
  /** By era; null where no kernel of that era has the place. */
  readonly counts: Readonly<Record<string, SiteCounts | null>>;
}

/** What {@link countSites} may be asked for. */
export interface CountSitesOptions {
  /** Names of eras; all of the catalogue by default. */
  readonly eras?: readonly string[];
  /** Name of a flush policy; `concurrent` by default. */
  readonly policy?: string;
}

async function countRun(run: SiteRun, era: string, policy: string): Promise<SiteCounts> {
  const rig = await SiteRig.create(era, policy);
  run.prepare(rig);
  const args = run.args(rig);
  const before = rig.counters();
  rig.run(run.operation, args);
  const after = rig.counters();
  rig.machine.dispose();
  if (after.all.hazards > 0 && !Catalogue.standard.operation(run.operation).mutant) {
    throw new ShootdownError("E_PROGRAM", `${run.operation} committed a hazard under ${era}`);
  }
  return {
    brackets: after.all.notifyStart - before.all.notifyStart,
    secondary: after.all.notifySecondary - before.all.notifySecondary,
    sharingFlushes: after.sharing.deviceZaps - before.sharing.deviceZaps,
    mirroringFlushes: after.mirroring.deviceZaps - before.mirroring.deviceZaps,
  };
}

/**
 * Runs the operation of every row in every era.
 * @throws ArgumentError E_NOENT for an unknown era or policy.
 */
export async function countSites(options: CountSitesOptions = {}): Promise<SiteRow[]> {
  const catalogue = Catalogue.standard;
  const eras = (options.eras ?? catalogue.parts.eras.map(({ name }) => name)).map((name) =>
    catalogue.era(name),
  );
  const policy = catalogue.policy(options.policy ?? "concurrent").name;
  const rows: SiteRow[] = [];
  for (const run of SITE_RUNS) {
    const counts: Record<string, SiteCounts | null> = {};
    for (const { name } of eras) {
      counts[name] =
        run.absentIn?.includes(name) === true ? null : await countRun(run, name, policy);
    }
    const { row, part, title, operation, event, size, reason } = run;
    rows.push({ row, part, title, operation, event, size, reason, counts });
  }
  return rows;
}
