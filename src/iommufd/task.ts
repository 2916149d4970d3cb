/**
 * Who calls iommufd, and what pinned pages are charged to: a user's locked pages, an address
 * space's, or nobody's; and always, as information, mm->pinned_vm.
 */
import type { UserMm } from "../mm/user-mm.js";
import { failed, type Failed } from "../uapi/outcome.js";

/** A user of the system: `user_struct`. All of its processes share the counter. */
export class UserAccount {
  /** Pages charged to user->locked_vm. */
  lockedVm = 0;

  constructor(readonly name = "user") {}
}

/** A process: its address space, whose it is, and what it may do. */
export interface Task {
  readonly mm: UserMm;
  readonly user: UserAccount;
  /** CAP_SYS_RESOURCE: may set options of accounting. */
  readonly capSysResource?: boolean;
}

/** `user`: user->locked_vm; `mm`: mm->locked_vm, as type1 does; `none`: CAP_IPC_LOCK. */
export type AccountMode = "user" | "mm" | "none";

/** Charges `count` pages. @returns why not, with nothing charged */
export function charge(task: Task, mode: AccountMode, count: number): Failed | undefined {
  const { mm, user } = task;
  if (mode === "mm" && !mm.alive) return failed("EINVAL", "mm-gone", `${mm.name} has exited`);
  if (mode !== "none") {
    const used = mode === "user" ? user.lockedVm : mm.lockedVm;
    if (used + count > mm.rlimitMemlock) {
      const whose = mode === "user" ? `user ${user.name}` : mm.name;
      const message = `${whose}: ${used} + ${count} pages, RLIMIT_MEMLOCK ${mm.rlimitMemlock}`;
      return failed("ENOMEM", "over-rlimit", message);
    }
    if (mode === "user") user.lockedVm += count;
    else mm.lockedVm += count;
  }
  mm.pinnedVm += count;
  return undefined;
}

/**
 * Gives `count` pages back. In mode `mm` nothing happens once the process is gone: its counters
 * went with it.
 */
export function uncharge({ mm, user }: Task, mode: AccountMode, count: number): void {
  if (mode === "mm" && !mm.alive) return;
  if (mode === "user") user.lockedVm -= count;
  else if (mode === "mm") mm.lockedVm -= count;
  mm.pinnedVm -= count;
}
