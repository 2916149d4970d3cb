/**
 * Names that strace prints in place of numbers: flags joined by "|", advice, errnos. Bits that it
 * does not know are printed in hexadecimal; names that this table does not know count as 0, because
 * no flag a replay looks at is missing.
 */
import { Mismatch } from "./line-scanner.js";

const BITS: Readonly<Record<string, number>> = {
  PROT_NONE: 0,
  PROT_READ: 1,
  PROT_WRITE: 2,
  PROT_EXEC: 4,
  PROT_SEM: 8,
  PROT_GROWSDOWN: 0x1000000,
  PROT_GROWSUP: 0x2000000,
  MAP_FILE: 0,
  MAP_SHARED: 1,
  MAP_PRIVATE: 2,
  MAP_SHARED_VALIDATE: 3,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_ANON: 0x20,
  MAP_32BIT: 0x40,
  MAP_GROWSDOWN: 0x100,
  MAP_DENYWRITE: 0x800,
  MAP_EXECUTABLE: 0x1000,
  MAP_LOCKED: 0x2000,
  MAP_NORESERVE: 0x4000,
  MAP_POPULATE: 0x8000,
  MAP_NONBLOCK: 0x10000,
  MAP_STACK: 0x20000,
  MAP_HUGETLB: 0x40000,
  MAP_SYNC: 0x80000,
  MAP_FIXED_NOREPLACE: 0x100000,
  MREMAP_MAYMOVE: 1,
  MREMAP_FIXED: 2,
  MREMAP_DONTUNMAP: 4,
  MADV_NORMAL: 0,
  MADV_RANDOM: 1,
  MADV_SEQUENTIAL: 2,
  MADV_WILLNEED: 3,
  MADV_DONTNEED: 4,
  MADV_FREE: 8,
  MADV_REMOVE: 9,
  MADV_DONTFORK: 10,
  MADV_DOFORK: 11,
  MADV_MERGEABLE: 12,
  MADV_UNMERGEABLE: 13,
  MADV_HUGEPAGE: 14,
  MADV_NOHUGEPAGE: 15,
  MADV_DONTDUMP: 16,
  MADV_DODUMP: 17,
  MADV_WIPEONFORK: 18,
  MADV_KEEPONFORK: 19,
  MADV_COLD: 20,
  MADV_PAGEOUT: 21,
  MADV_POPULATE_READ: 22,
  MADV_POPULATE_WRITE: 23,
  MADV_DONTNEED_LOCKED: 24,
  MADV_COLLAPSE: 25,
  CLONE_VM: 0x100,
  CLONE_FS: 0x200,
  CLONE_FILES: 0x400,
  CLONE_SIGHAND: 0x800,
  CLONE_PIDFD: 0x1000,
  CLONE_PTRACE: 0x2000,
  CLONE_VFORK: 0x4000,
  CLONE_PARENT: 0x8000,
  CLONE_THREAD: 0x10000,
  CLONE_NEWNS: 0x20000,
  CLONE_SYSVSEM: 0x40000,
  CLONE_SETTLS: 0x80000,
  CLONE_PARENT_SETTID: 0x100000,
  CLONE_CHILD_CLEARTID: 0x200000,
  CLONE_UNTRACED: 0x800000,
  CLONE_CHILD_SETTID: 0x1000000,
};

/** errno.h, from 1 on; the numbers between that are missing have no name here. */
const FIRST_ERRNOS = (
  "EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT " +
  "ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG " +
  "ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP"
).split(" ");

const ERRNOS = new Map<string, number>([
  ...FIRST_ERRNOS.map((name, i): [string, number] => [name, i + 1]),
  ["EOVERFLOW", 75],
  ["EOPNOTSUPP", 95],
  ["ERESTARTSYS", 512],
  ["ERESTARTNOINTR", 513],
  ["ERESTARTNOHAND", 514],
  ["ERESTART_RESTARTBLOCK", 516],
]);

/** For a name that is not in the table: the highest errno there can be. */
const UNKNOWN_ERRNO = 4095;

const COMMENT = /\s*\/\*.*?\*\//g;
const NAME = /^[A-Z][A-Z0-9_]*$/;
const NUMBER = /^(?:0x[0-9a-f]{1,12}|\d{1,12})$/;
/** `30<<MAP_HUGE_SHIFT`: the size of huge pages, which are replayed as small ones. */
const SHIFTED = /^\d+<<[A-Z_]+$/;

/** An errno by its name, 1 to 4095. */
export function errnoOf(name: string): number {
  return ERRNOS.get(name) ?? UNKNOWN_ERRNO;
}

/** The number a list of flags stands for: `PROT_READ|PROT_WRITE`, `0x3`, `0x3` with a comment. */
export function flagsOf(text: string): number {
  let bits = 0;
  for (const part of text.replace(COMMENT, "").trim().split("|")) {
    if (NUMBER.test(part)) bits += Number(part);
    else if (NAME.test(part)) bits += BITS[part] ?? 0;
    else if (!SHIFTED.test(part)) throw new Mismatch("flags, named or as numbers");
  }
  return bits;
}
