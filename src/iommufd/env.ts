/** What all objects of one iommufd share: frames, failures to inject, and what is counted. */
import type { HostFrames } from "../mm/frames.js";
import type { Allocations } from "../uapi/allocations.js";
import type { IommufdPolicy } from "./era.js";
import type { FrameMemory } from "./frame-memory.js";
import type { Task } from "./task.js";

/** Stable words of what a kernel would WARN about. */
export const IOMMUFD_WARNINGS = [
  ...(["unpin-unknown-interval", "unpin-hole", "unpin-detached", "unpin-bad-range"] as const),
  ...(["unmap-no-response", "attach-attached", "detach-detached", "destroy-leaves-areas"] as const),
  ...(["destroy-in-callback", "pin-without-unmap", "leaf-cut", "unpin-other-area"] as const),
] as const;

/** One WARN. */
export interface IommufdWarning {
  readonly code: (typeof IOMMUFD_WARNINGS)[number];
  readonly message: string;
}

/**
 * What the kernel does not notice, and is wrong: `foreign-unpin`, a driver gave back what another
 * one had pinned, who may still be using the pages.
 */
export interface IommufdViolation {
  readonly code: "foreign-unpin";
  readonly message: string;
}

/** What has been done so far. */
export interface IommufdCounters {
  /** Pages pinned and unpinned: references taken and given back. */
  pinned: number;
  unpinned: number;
  /** Frames found in each place, pages: in the xarray, in a domain, by faulting in. */
  fromXarray: number;
  fromDomain: number;
  fromUser: number;
  /** Calls of iommu_map and iommu_unmap. */
  domainMaps: number;
  domainUnmaps: number;
  /** Calls of drivers' unmap callbacks. */
  notifications: number;
}

/** See the file comment. */
export interface IommufdEnv {
  readonly frames: HostFrames;
  readonly memory: FrameMemory;
  readonly allocations: Allocations;
  readonly policy: IommufdPolicy;
  /** Bytes that temporary lists of frames may take at once. */
  readonly tempMemoryLimit: number;
  readonly counters: IommufdCounters;
  readonly warnings: IommufdWarning[];
  readonly violations: IommufdViolation[];
  /** Who calls where a call does not say. */
  readonly task: Task;
}

export function newCounters(): IommufdCounters {
  return {
    pinned: 0,
    unpinned: 0,
    fromXarray: 0,
    fromDomain: 0,
    fromUser: 0,
    domainMaps: 0,
    domainUnmaps: 0,
    notifications: 0,
  };
}

export function warn(env: IommufdEnv, code: IommufdWarning["code"], message: string): void {
  env.warnings.push({ code, message });
}
