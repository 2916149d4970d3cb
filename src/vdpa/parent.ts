/**
 * The vDPA parent: the driver below vhost-vdpa that makes the device translate. Which of the
 * callbacks it has is part of what it is, as in the kernel's `vdpa_config_ops`.
 */
import type { IotlbRights } from "../iotlb.js";
import type { Errno } from "../uapi/errno.js";

/** One mapping, in pages. */
export interface VdpaEntry {
  /** First I/O page. */
  readonly start: number;
  /** Last I/O page, itself included. */
  readonly last: number;
  /** What `start` translates to: a page frame, or in VA mode a virtual page. */
  readonly addr: number;
  /** 1 reading, 2 writing, 3 both. */
  readonly perm: IotlbRights;
}

/** The table of one address space, as `setMap` is given it: to be read during that call only. */
export interface VdpaTable extends Iterable<VdpaEntry> {
  readonly asid: number;
  /** Entries. */
  readonly size: number;
}

/** What a device translates in one address space: its entries, or every address to itself. */
export type VdpaTranslations = "identity" | Iterable<VdpaEntry>;

/** VDPA_RESET_F_CLEAN_MAP: mappings are to be put back to the default, too. */
export const RESET_CLEAN_MAP = 1;

/**
 * A parent. Callbacks tell failures by their errno and must neither throw nor call the device they
 * belong to (it holds its mutex: E_DEADLOCK).
 */
export interface VdpaParent {
  readonly name: string;
  /** Groups of virtqueues, 1 by default. */
  readonly groups?: number;
  /** Address spaces, 1 by default; at most 16 are kept apart. */
  readonly addressSpaces?: number;
  /** Virtqueues; 2 by default, of groups 0, 1, … and then of the last. */
  readonly virtqueues?: number;
  /** Translates virtual addresses of the owner: nothing is pinned. */
  readonly useVa?: boolean;
  /** I/O addresses it takes, bytes, both included; all of them by default. */
  readonly range?: readonly [first: bigint, last: bigint];
  /** What its own callback for backend features gives, a mask. */
  readonly backendFeatures?: bigint;
  /** Can descriptors have a group of their own? */
  readonly hasDescriptorGroup?: boolean;
  /** Times it put its translations back to the default, or emptied them, on its own account. */
  readonly clears?: number;

  /** Replaces the whole table of an address space. Not with `dmaMap`. */
  setMap?(asid: number, table: VdpaTable): Errno | undefined;
  /** Adds one mapping. */
  dmaMap?(asid: number, entry: VdpaEntry): Errno | undefined;
  /** Takes a range of pages away, both included; `last` may be `start` - 1. */
  dmaUnmap?(asid: number, start: number, last: number): Errno | undefined;
  /** Back to the default translation. */
  resetMap?(asid: number): Errno | undefined;
  /** The reset of virtio. */
  reset(): Errno | undefined;
  /** As `reset`, with {@link RESET_CLEAN_MAP} among `flags` or not. */
  compatReset?(flags: number): Errno | undefined;
  suspend?(): Errno | undefined;
  resume?(): Errno | undefined;
  /** Uses an address space for a group of virtqueues. */
  setGroupAsid?(group: number, asid: number): Errno | undefined;
  /** The address space a group uses; 0 without this callback. */
  groupAsid?(group: number): number;
  /** The device is opened in VA mode by this owner. */
  bindMm?(): Errno | undefined;
  unbindMm?(): void;
  /** What it translates. Only looked at to compare; parents behind the IOMMU do without. */
  translations?(asid: number): VdpaTranslations;
  /** The translation of an address space that nothing was mapped in; without this, none. */
  defaultTranslation?(asid: number): "identity" | "none";
}

/** Callbacks a parent may have. */
export type VdpaOp = {
  [K in keyof VdpaParent]-?: NonNullable<VdpaParent[K]> extends (...args: never[]) => unknown
    ? K
    : never;
}[keyof VdpaParent];

/** Does a parent have a callback? */
export function has(parent: VdpaParent, op: VdpaOp): boolean {
  return typeof parent[op] === "function";
}
