/** What the tasks of random machines may run, and what they may map. */
import * as abi from "../../src/core/abi.js";
import { CALL_OPERATIONS } from "./extra-operations.js";

/** What a task does most of the time, and what it does now and then. */
export const ACCESS = ["read", "write", "read", "write", "write"];
export const COMMON = [
  ...ACCESS,
  ...ACCESS,
  "madvise",
  "madvise",
  "mprotect",
  "munmap",
  "mmap",
  "mmap",
];
export const RARE = [
  "fault.read",
  "fault.write",
  "brk",
  "truncate",
  "fork",
  "exec",
  "exit",
  "mremap",
];
export const NEW = [
  "truncate",
  "truncate",
  "exit",
  "exit",
  "reclaim",
  "reclaim",
  "cpu-offline",
  "reclaim.nested",
  "writeback",
  "writeback",
  "copy.from.user",
  "copy.to.user",
  "write.file",
  "age",
];
export const PUT_OFF = [
  "discard",
  "discard.held",
  "discard.marked",
  "fault.fresh",
  "fault.checked",
  "madvise.free",
  "store.irqs-off",
];
export const UNSOUND = [
  "mremap-late-flush",
  "test-early-table-free",
  "munmap-tables-first",
  "madvise-irqs-off",
  "cpu-offline-undrained",
  "discard-late",
  "madvise-uncounted",
  "madvise.free-uncounted",
  "munmap-irqs-off",
  "collapse.file-unbracketed",
  "ksm.merge-early",
  // Their tables are those of a process here, whose own munmap does not tell all CPUs.
  "kernel.read",
  "kernel.unmap",
];
export const EXTRA = ["test-huge-fault", "test-signal"];
export const CALLS = CALL_OPERATIONS.map(({ name }) => name);
export const PROTS = [
  0,
  1,
  3,
  3,
  3,
  3,
  3,
  1 | abi.VMA_SHARED,
  3 | abi.VMA_SHARED,
  3 | abi.VMA_FILE,
];

/** Where flushes are put off: mostly files' pages that nobody may write. */
const FILE_RO = 1 | abi.VMA_SHARED;
export const DEFERRED_PROTS = [FILE_RO, FILE_RO, FILE_RO, FILE_RO, 3, 3 | abi.VMA_SHARED, 1];

/** Processes that come and go, so that ASIDs are used up. */
const PROCESSES = ["read", "write", "madvise", "mmap", "fork", "fork", "exit", "exec", "exec"];
export const ASIDS = [
  ...PROCESSES,
  ...PROCESSES,
  "asid.pin",
  "asid.pin",
  "asid.unpin",
  "munmap",
  "idle",
];
