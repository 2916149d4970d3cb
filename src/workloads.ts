/**
 * Workloads: what the threads of one process do over and over, as scripts that loop inside the
 * machine, one per CPU. The drivers run the same ones.
 */
import * as abi from "./core/abi.js";
import { ArgumentError } from "./errors.js";
import type { ScriptStep } from "./kernel/image.js";

/** A part of the address space that is mapped before the scripts start. */
export interface WorkloadRegion {
  readonly start: number;
  readonly end: number;
  readonly prot: number;
}

/** A workload. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  /** Kernel operations that count, in one round of a CPU's script. */
  opsPerRound(cpu: number): number;
  /** What a CPU needs mapped. `page` is the first page of its own megabyte. */
  regions(cpu: number, page: number): readonly WorkloadRegion[];
  /** One round. */
  round(cpu: number, page: number): readonly ScriptStep[];
}

/** Pages between the parts of two CPUs: one leaf table, so that unmapping one can free it. */
export const CPU_STRIDE_PAGES = 512;
/** Pages of a CPU's part that the seed may shift it by. */
export const SHIFT_PAGES = 64;

const RW = abi.PROT_READ | abi.PROT_WRITE;

function call(name: string, args: Readonly<Record<string, number>>): ScriptStep {
  return { call: name, args };
}

const madvise: Workload = {
  name: "madvise",
  title: "each CPU writes a page of its own and drops it: one shootdown a round",
  opsPerRound: () => 1,
  regions: (_cpu, page) => [{ start: page, end: page + 8, prot: RW }],
  round: (_cpu, page) => [
    call("write", { vpn: page }),
    call("madvise", { start: page, end: page + 1 }),
  ],
};

/** Of the shared workload: below every CPU's own part. */
const SHARED_PAGE = 16;

const shared: Workload = {
  name: "shared",
  title: "all CPUs write and drop the same two pages: nested gathers, one page-table lock",
  opsPerRound: () => 1,
  regions: (cpu) => (cpu === 0 ? [{ start: SHARED_PAGE, end: SHARED_PAGE + 8, prot: RW }] : []),
  round: () => [
    call("write", { vpn: SHARED_PAGE }),
    call("read", { vpn: SHARED_PAGE + 1 }),
    call("write", { vpn: SHARED_PAGE + 1 }),
    call("madvise", { start: SHARED_PAGE, end: SHARED_PAGE + 2 }),
  ],
};

const mprotect: Workload = {
  name: "mprotect",
  title: "each CPU makes a page read-only and writable again: two shootdowns a round",
  opsPerRound: () => 2,
  regions: (_cpu, page) => [{ start: page, end: page + 8, prot: RW }],
  round: (_cpu, page) => [
    call("write", { vpn: page + 2 }),
    call("mprotect", { start: page + 2, end: page + 3, prot: abi.PROT_READ }),
    call("mprotect", { start: page + 2, end: page + 3, prot: RW }),
  ],
};

const remap: Workload = {
  name: "remap",
  title: "each CPU unmaps its part, freeing page tables, and maps it again",
  opsPerRound: () => 2,
  regions: (_cpu, page) => [{ start: page, end: page + 8, prot: RW }],
  round: (_cpu, page) => [
    call("write", { vpn: page }),
    call("write", { vpn: page + 5 }),
    call("munmap", { start: page, end: page + 8 }),
    call("mmap", { start: page, end: page + 8, prot: RW }),
  ],
};

const KINDS = [madvise, mprotect, remap, shared] as const;

function kindOf(cpu: number): Workload {
  return KINDS[cpu % KINDS.length];
}

const mixed: Workload = {
  name: "mixed",
  title: "the CPUs take turns at being madvise, mprotect, remap and shared",
  opsPerRound: (cpu) => kindOf(cpu).opsPerRound(cpu),
  regions: (cpu, page) => [...kindOf(cpu).regions(cpu, page), ...shared.regions(cpu, page)],
  round: (cpu, page) => kindOf(cpu).round(cpu, page),
};

/** The workloads that come with the library. */
export const WORKLOADS: readonly Workload[] = [...KINDS, mixed];

/**
 * A workload by name.
 * @throws ArgumentError E_NOENT, naming those there are.
 */
export function workloadNamed(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found) return found;
  const known = WORKLOADS.map((workload) => workload.name).join(", ");
  throw new ArgumentError("E_NOENT", `no workload is called ${name}; there are ${known}`, {
    argument: "workload",
    value: name,
  });
}
