/** Parents made of properties, behind which is a table of what the device translates. */
import { checkWithin, checkWord } from "../arguments.js";
import type { WasmSource } from "../core/loader.js";
import { Iotlb } from "../iotlb.js";
import { ArgumentError } from "../errors.js";
import type { Errno } from "../uapi/errno.js";
import {
  RESET_CLEAN_MAP,
  type VdpaEntry,
  type VdpaParent,
  type VdpaTable,
  type VdpaTranslations,
} from "./parent.js";

/** What a {@link ModelParent} is. */
export interface ModelParentOptions {
  readonly name?: string;
  /** `platform`: behind the IOMMU of the platform, with neither callback. */
  readonly mapping: "platform" | "set-map" | "dma-map";
  /** VA mode; false by default. */
  readonly useVa?: boolean;
  /**
   * Where nothing is mapped every address translates to itself: in all address spaces, in number 0
   * only, or in `none`, the default.
   */
  readonly identity?: "all" | "first" | "none";
  /**
   * Does a reset put the default back? `always`; `if-told`: it has compat_reset, and does so if
   * that asks for a clean map; `never`, the default.
   */
  readonly resetClears?: "always" | "if-told" | "never";
  /** Has it reset_map? False by default. */
  readonly resetMap?: boolean;
  /** After a set_map that failed its table is the one from before (`keeps`, default), or empty. */
  readonly failedSetMap?: "keeps" | "empties";
  readonly groups?: number;
  readonly addressSpaces?: number;
  readonly virtqueues?: number;
  readonly range?: readonly [first: bigint, last: bigint];
  readonly backendFeatures?: bigint;
  readonly suspend?: boolean;
  readonly resume?: boolean;
  readonly hasDescriptorGroup?: boolean;
  /** Has it set_group_asid? By default if it has more than one address space. */
  readonly setGroupAsid?: boolean;
  readonly wasm?: WasmSource;
}

/** Calls of a {@link ModelParent} that can be made to fail. */
export const PARENT_OPS = [
  ...(["setMap", "dmaMap", "dmaUnmap", "resetMap", "reset", "compatReset", "suspend"] as const),
  ...(["resume", "setGroupAsid", "bindMm"] as const),
] as const;

/** One of {@link PARENT_OPS}. */
export type ParentOp = (typeof PARENT_OPS)[number];

const MAPPINGS = ["platform", "set-map", "dma-map"] as const;
const IDENTITIES = ["all", "first", "none"] as const;
const RESETS = ["always", "if-told", "never"] as const;
const FAILED = ["keeps", "empties"] as const;
/** Address spaces that vhost-vdpa keeps apart. */
export const ASIDS_MOST = 16;

/** See the file comment. Made by {@link ModelParent.create}. */
export class ModelParent implements VdpaParent {
  readonly name: string;
  readonly groups: number;
  readonly addressSpaces: number;
  readonly virtqueues: number;
  readonly useVa: boolean;
  readonly range?: readonly [first: bigint, last: bigint];
  readonly backendFeatures: bigint;
  readonly hasDescriptorGroup: boolean;
  /** See {@link VdpaParent.clears}. */
  clears = 0;
  readonly setMap?: (asid: number, table: VdpaTable) => Errno | undefined;
  readonly dmaMap?: (asid: number, entry: VdpaEntry) => Errno | undefined;
  readonly dmaUnmap?: (asid: number, start: number, last: number) => Errno | undefined;
  readonly resetMap?: (asid: number) => Errno | undefined;
  readonly compatReset?: (flags: number) => Errno | undefined;
  readonly suspend?: () => Errno | undefined;
  readonly resume?: () => Errno | undefined;
  readonly setGroupAsid?: (group: number, asid: number) => Errno | undefined;
  private readonly identities = new Set<number>();
  private readonly groupAsids: number[];
  private readonly failing = new Map<string, { after: number; errno: Errno }[]>();

  private constructor(
    readonly options: ModelParentOptions,
    private readonly view: Iotlb,
  ) {
    checkOptions(options);
    this.name = options.name ?? options.mapping;
    this.groups = checkWithin("groups", options.groups ?? 1, 1, 256);
    this.addressSpaces = checkWithin("addressSpaces", options.addressSpaces ?? 1, 1, 256);
    this.virtqueues = checkWithin("virtqueues", options.virtqueues ?? 2, 1, 65_536);
    this.useVa = options.useVa ?? false;
    if (options.range !== undefined) this.range = options.range;
    this.backendFeatures = options.backendFeatures ?? 0n;
    this.hasDescriptorGroup = options.hasDescriptorGroup ?? false;
    this.groupAsids = Array.from({ length: this.groups }, () => 0);
    const op = <A extends unknown[]>(name: ParentOp, act: (...args: A) => void) => {
      return (...args: A): Errno | undefined => this.failure(name) ?? (act(...args), undefined);
    };
    if (options.mapping === "set-map") this.setMap = (asid, table) => this.replace(asid, table);
    if (options.mapping === "dma-map") {
      this.dmaMap = op("dmaMap", (asid: number, entry: VdpaEntry) => {
        this.leaveIdentity(asid);
        this.view.add(asid, entry.start, entry.last, entry.addr, entry.perm);
      });
      this.dmaUnmap = op("dmaUnmap", (asid: number, start: number, last: number) => {
        this.leaveIdentity(asid);
        if (last >= start - 1) this.view.delete(asid, start, last);
      });
    }
    if (options.resetMap === true) this.resetMap = op("resetMap", (a: number) => this.toDefault(a));
    if (options.resetClears === "if-told") this.compatReset = op("compatReset", this.resetWith);
    if (options.suspend === true) this.suspend = op("suspend", () => undefined);
    if (options.resume === true) this.resume = op("resume", () => undefined);
    if (options.setGroupAsid ?? this.addressSpaces > 1) {
      this.setGroupAsid = (group, asid) => this.bindGroup(group, asid);
    }
    for (let asid = 0; asid < Math.min(this.addressSpaces, ASIDS_MOST); asid++) {
      this.toDefault(asid);
    }
  }

  /** @throws ArgumentError E_TYPE, E_LIMIT; CapacityError E_NOMEM */
  static async create(options: ModelParentOptions): Promise<ModelParent> {
    const wasm = options.wasm === undefined ? {} : { wasm: options.wasm };
    return new ModelParent(options, await Iotlb.create(wasm));
  }

  /** The `nth` next call of a callback fails so, 1 being the next. Several may be asked for. */
  failNext(op: ParentOp, errno: Errno, nth = 1): void {
    checkWord("op", op, PARENT_OPS);
    const list = this.failing.get(op) ?? [];
    list.push({ after: checkWithin("nth", nth, 1, 2 ** 32), errno });
    this.failing.set(op, list);
  }

  private failure(op: ParentOp): Errno | undefined {
    const list = this.failing.get(op);
    if (list === undefined) return undefined;
    for (const each of list) each.after--;
    const due = list.find(({ after }) => after === 0);
    this.failing.set(
      op,
      list.filter(({ after }) => after > 0),
    );
    return due?.errno;
  }

  private leaveIdentity(asid: number): void {
    if (this.identities.delete(asid)) this.view.reset(asid);
  }

  private replace(asid: number, table: VdpaTable): Errno | undefined {
    const errno = this.failure("setMap");
    if (errno !== undefined && this.options.failedSetMap !== "empties") return errno;
    this.identities.delete(asid);
    this.view.reset(asid);
    if (errno !== undefined) return errno;
    for (const { start, last, addr, perm } of table) this.view.add(asid, start, last, addr, perm);
    return undefined;
  }

  private toDefault(asid: number): void {
    this.view.reset(asid);
    if (this.defaultTranslation(asid) === "identity") this.identities.add(asid);
    else this.identities.delete(asid);
  }

  reset(): Errno | undefined {
    const errno = this.failure("reset");
    if (errno === undefined) this.resetWith(0);
    return errno;
  }

  private readonly resetWith = (flags: number): void => {
    this.groupAsids.fill(0);
    const { resetClears } = this.options;
    const told = resetClears === "if-told" && (flags & RESET_CLEAN_MAP) !== 0;
    if (resetClears !== "always" && !told) return;
    this.clears++;
    for (let asid = 0; asid < Math.min(this.addressSpaces, ASIDS_MOST); asid++) {
      this.toDefault(asid);
    }
  };

  private bindGroup(group: number, asid: number): Errno | undefined {
    const errno = this.failure("setGroupAsid");
    if (errno !== undefined) return errno;
    if (group >= this.groups) return "EINVAL";
    this.groupAsids[group] = asid;
    return undefined;
  }

  groupAsid(group: number): number {
    return this.groupAsids[group] ?? 0;
  }

  bindMm(): Errno | undefined {
    return this.failure("bindMm");
  }

  defaultTranslation(asid: number): "identity" | "none" {
    const { identity = "none" } = this.options;
    return identity === "all" || (identity === "first" && asid === 0) ? "identity" : "none";
  }

  translations(asid: number): VdpaTranslations {
    return this.identities.has(asid) ? "identity" : this.view.dump(asid);
  }

  dispose(): void {
    this.view.dispose();
  }
}

function checkOptions(options: ModelParentOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new ArgumentError("E_TYPE", "options must be an object", { argument: "options" });
  }
  checkWord("mapping", options.mapping, MAPPINGS);
  checkWord("identity", options.identity ?? "none", IDENTITIES);
  checkWord("resetClears", options.resetClears ?? "never", RESETS);
  checkWord("failedSetMap", options.failedSetMap ?? "keeps", FAILED);
}
