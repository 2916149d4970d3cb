/** Mappings of files move to another process, and what they are charged to with them. */
import { done, failed, type Outcome } from "../uapi/outcome.js";
import type { IommufdEnv } from "./env.js";
import type { Ioas } from "./ioas.js";
import type { IoptPages } from "./iopt-pages.js";
import { type AccountMode, charge, type Task, uncharge } from "./task.js";

/** All or nothing; who is charged is charged before the old process is not. */
export function changeProcess(
  env: IommufdEnv,
  ioases: readonly Ioas[],
  task: Task,
): Outcome<undefined> {
  if (!env.policy.files) return failed("EOPNOTSUPP", "no-files", "not in this kernel");
  const all = new Set<IoptPages>();
  for (const ioas of ioases) {
    for (const { pages } of ioas.areas) if (pages !== undefined) all.add(pages);
  }
  for (const pages of all) {
    if (pages.source.kind === "file") continue;
    return failed("EINVAL", "not-a-file", "a mapping of memory cannot change its process");
  }
  const moving = [...all].filter((pages) => isElsewhere(pages, task));
  const counts = new Map<AccountMode, number>();
  for (const pages of moving) {
    counts.set(pages.mode, (counts.get(pages.mode) ?? 0) + pages.chargedPages);
  }
  const charged: [AccountMode, number][] = [];
  for (const [mode, count] of counts) {
    const failure = count === 0 ? undefined : charge(task, mode, count);
    if (failure !== undefined) {
      for (const [done, pages] of charged) uncharge(task, done, pages);
      return failure;
    }
    charged.push([mode, count]);
  }
  for (const pages of all) pages.moveTo(pages.source, task, moving.includes(pages));
  return done(undefined);
}

/** pinned_vm is the address space's in every mode, so it moves even where nothing is charged. */
function isElsewhere({ owner, mode }: IoptPages, task: Task): boolean {
  return owner.mm !== task.mm || (mode === "user" && owner.user !== task.user);
}
