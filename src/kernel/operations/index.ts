/** The kernel operations that come with the library. */
import type { Operation } from "../operation.js";
import { faultRead, faultWrite, read, write } from "./fault.js";
import { madvise } from "./madvise.js";
import { mmap } from "./map.js";
import { mprotect } from "./mprotect.js";
import { mremap, mremapLateFlush } from "./mremap.js";
import { contextSwitch, exec, exit, fork } from "./process.js";
import { truncate } from "./truncate.js";
import { brk, munmap } from "./unmap.js";

export const OPERATIONS: readonly Operation[] = [
  read,
  write,
  faultRead,
  faultWrite,
  mmap,
  munmap,
  brk,
  madvise,
  mprotect,
  mremap,
  mremapLateFlush,
  fork,
  exec,
  exit,
  contextSwitch,
  truncate,
];
