/** Groups and domains: attaching, detaching, and which iovas they allow. */
import { type Dma } from "./dma.js";
import { checkBytes, type Bytes, pageOf } from "./addresses.js";
import {
  mapInto,
  pinAndCharge,
  reaccount,
  removeAll,
  tellOfRelease,
  unmapRuns,
  unpinRuns,
} from "./mapping.js";
import { PAGE_LIMIT } from "../pages.js";
import { ArgumentError } from "../errors.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import type { Type1 } from "./state.js";

/** A group of devices as it is attached. Addresses are bytes, ranges closed. */
export interface VfioGroupOptions {
  readonly name: string;
  /** `real`: behind an IOMMU; `emulated`: its drivers pin through the interface (mdev). */
  readonly kind: "real" | "emulated";
  /** Real groups of the same IOMMU and coherence share a domain; "iommu0" by default. */
  readonly iommu?: string;
  /** Cache-coherent; true by default. */
  readonly coherent?: boolean;
  /** Iovas its IOMMU translates; all by default. */
  readonly aperture?: readonly [first: Bytes, last: Bytes];
  /** Iovas that must not be mapped. */
  readonly reserved?: readonly (readonly [first: Bytes, last: Bytes])[];
  /** Bytes of the smallest page of its IOMMU: a power of two; 4096 by default. */
  readonly pageSize?: number;
  /** Its interrupts are remapped; true by default. */
  readonly isolated?: boolean;
  /** Does without: allow_unsafe_interrupts. False by default. */
  readonly allowUnsafeInterrupts?: boolean;
}

type PageRange = readonly [first: number, last: number];

/** A group that is attached. */
export interface Group {
  readonly name: string;
  readonly kind: "real" | "emulated";
  readonly iommu: string;
  readonly aperture: PageRange;
  readonly reserved: readonly PageRange[];
  /** Its IOMMU's smallest page, in pages of 4 KiB. */
  readonly granule: number;
  readonly safe: boolean;
  domain: Domain | undefined;
  /** What its devices write is what they pin. */
  pinnedOnly: boolean;
}

/** Groups that share a page table. */
export interface Domain {
  readonly id: number;
  readonly iommu: string;
  readonly groups: Group[];
}

function checkRange(argument: string, [first, last]: readonly [Bytes, Bytes]): PageRange {
  const range = [pageOf(checkBytes(argument, first)), pageOf(checkBytes(argument, last))] as const;
  if (range[0] <= range[1]) return range;
  throw new ArgumentError("E_INVERTED", `${argument}: last is below first`, { argument });
}

function checkGroup(options: VfioGroupOptions): Group {
  const { name, kind, pageSize = 4096 } = options;
  if (typeof name !== "string" || name === "") {
    throw new ArgumentError("E_TYPE", "name must be a string", { argument: "name" });
  }
  if (kind !== "real" && kind !== "emulated") {
    const message = `kind must be real or emulated, got ${String(kind)}`;
    throw new ArgumentError("E_TYPE", message, { argument: "kind" });
  }
  if (!Number.isSafeInteger(pageSize) || pageSize < 1 || !Number.isInteger(Math.log2(pageSize))) {
    const message = `pageSize must be a power of two, got ${String(pageSize)}`;
    throw new ArgumentError("E_TYPE", message, { argument: "pageSize" });
  }
  return {
    name,
    kind,
    iommu: `${options.iommu ?? "iommu0"}${options.coherent === false ? ", not coherent" : ""}`,
    aperture: checkRange("aperture", options.aperture ?? [0n, 2n ** 64n - 1n]),
    reserved: (options.reserved ?? []).map((range) => checkRange("reserved", range)),
    granule: Math.max(1, pageSize / 4096),
    safe: (options.isolated ?? true) || options.allowUnsafeInterrupts === true,
    domain: undefined,
    pinnedOnly: kind === "emulated",
  };
}

function einval(cause: string, message: string): Failed {
  return failed("EINVAL", cause, message);
}

/** Iovas that all of the groups allow; empty if there is no real one. */
function allowedBy(groups: readonly Group[]): PageRange[] {
  const real = groups.filter(({ kind }) => kind === "real");
  if (real.length === 0) return [];
  const low = Math.max(...real.map(({ aperture }) => aperture[0]));
  const high = Math.min(...real.map(({ aperture }) => aperture[1]));
  let ranges: PageRange[] = low <= high ? [[low, high]] : [];
  for (const [first, last] of real.flatMap(({ reserved }) => reserved)) {
    ranges = ranges.flatMap(([from, to]): PageRange[] => {
      if (to < first || from > last) return [[from, to]];
      const left: PageRange[] = from < first ? [[from, first - 1]] : [];
      return to > last ? [...left, [last + 1, to]] : left;
    });
  }
  return ranges;
}

function refresh(s: Type1): void {
  s.allowed = allowedBy(s.groups);
  s.granule = Math.max(1, ...s.groups.map(({ granule }) => granule));
}

/** May [first, last] be mapped by what the groups allow? */
export function isAllowed(s: Type1, first: number, last: number): boolean {
  if (!s.knobs.allowedIova || s.allowed.length === 0) return true;
  return s.allowed.some(([from, to]) => first >= from && last <= to);
}

/** Attaches a group. Order of checks as in vfio_iommu_type1_attach_group. */
export function attachGroup(s: Type1, options: VfioGroupOptions): Outcome<Group> {
  const group = checkGroup(options);
  if (s.mode === "NO_DRIVER") return einval("no-driver", "the container has no IOMMU driver yet");
  if (s.vaddrInvalid > 0) {
    return failed("EBUSY", "vaddr-invalid", `${s.vaddrInvalid} mappings have no valid vaddr`);
  }
  if (s.groups.some(({ name }) => name === group.name)) {
    return einval("group-present", `${group.name} is attached already`);
  }
  if (!s.allocations.take("vfio_iommu_group")) return failed("ENOMEM", "no-memory", "for a group");
  if (group.kind === "emulated") {
    s.groups.push(group);
    return done(group);
  }
  return attachReal(s, group);
}

function attachReal(s: Type1, group: Group): Outcome<Group> {
  if (!s.allocations.take("vfio_domain")) return failed("ENOMEM", "no-memory", "for a domain");
  const problem = conflict(s, group);
  if (problem !== undefined) return problem;
  if (!group.safe) {
    return failed("EPERM", "unsafe-interrupts", `${group.name} has no interrupt isolation`);
  }
  const shared = s.domains.find(({ iommu }) => iommu === group.iommu);
  const domain: Domain = shared ?? { id: s.nextId++, iommu: group.iommu, groups: [] };
  if (shared === undefined) {
    const failure = replay(s);
    if (failure !== undefined) return failure;
    s.domains.push(domain);
  }
  domain.groups.push(group);
  group.domain = domain;
  s.groups.push(group);
  s.nonPinnedGroups++;
  refresh(s);
  return done(group);
}

function conflict(s: Type1, { aperture, reserved, name }: Group): Failed | undefined {
  const [low, high] = aperture;
  const isDisjoint =
    s.allowed.length > 0 && !s.allowed.some(([from, to]) => from <= high && to >= low);
  const below = low > 0 && s.dmas.firstIn(0, low - 1) !== undefined;
  const above = high < PAGE_LIMIT - 1 && s.dmas.firstIn(high + 1, PAGE_LIMIT - 1) !== undefined;
  if (isDisjoint || below || above) {
    return einval("aperture-conflict", `mappings are outside of the aperture of ${name}`);
  }
  if (reserved.some(([first, last]) => s.dmas.firstIn(first, last) !== undefined)) {
    return einval("reserved-conflict", `mappings are in reserved regions of ${name}`);
  }
  return undefined;
}

/** All mappings into a new domain: copied from the first domain, or pinned now. */
function replay(s: Type1): Failed | undefined {
  const fresh: Dma[] = [];
  const copied: Dma[] = [];
  for (const dma of s.dmas.all()) {
    let failure: Failed | undefined;
    if (dma.runs !== undefined) {
      if (!s.hasReal) {
        s.records.warn("no-translation", `mapping ${dma.id} has no domain to copy from`);
        continue;
      }
      copied.push(dma);
      failure = mapInto(s, dma.runs, 1);
      if (failure !== undefined) copied.pop();
    } else {
      failure = pinAndCharge(s, dma, 1);
      if (failure === undefined) fresh.push(dma);
    }
    if (failure === undefined) continue;
    if (s.knobs.replayUnwinds) {
      for (const each of fresh) unpinRuns(s, each, 1);
      for (const each of copied) unmapRuns(s, each.runs ?? [], 1);
    }
    return failure;
  }
  return undefined;
}

/** Detaches a group: see the states in docs/vfio.md. */
export function detachGroup(s: Type1, name: string): Outcome<null> {
  const isLast = s.groups.length === 1 && s.groups[0].name === name;
  if (isLast) tellOfRelease(s);
  // Not before: a listener may have detached it.
  const at = s.groups.findIndex((group) => group.name === name);
  if (at < 0) return failed("ENODEV", "no-group", `${name} is not attached`);
  const [group] = s.groups.splice(at, 1);
  const { domain } = group;
  if (domain === undefined) {
    if (!s.hasEmulated && !s.hasReal) {
      if (s.listeners.length > 0) {
        const names = s.listeners.map((device) => device.name).join(", ");
        s.records.warn("listener-registered", `the last emulated group leaves, ${names} listen`);
      }
      removeAll(s);
    }
    return done(null);
  }
  domain.groups.splice(domain.groups.indexOf(group), 1);
  if (domain.groups.length === 0) dropDomain(s, domain);
  if (!group.pinnedOnly) {
    s.nonPinnedGroups--;
    if (s.tracking) for (const dma of s.dmas.all()) if (dma.runs) dma.bitmap?.fill(2 ** 32 - 1);
  }
  refresh(s);
  return done(null);
}

function dropDomain(s: Type1, domain: Domain): void {
  const isLast = s.domains.length === 1;
  if (isLast) {
    if (s.hasEmulated) reaccount(s);
    else removeAll(s);
  } else {
    for (const dma of s.dmas.all()) unmapRuns(s, dma.runs ?? [], 1);
  }
  s.domains.splice(s.domains.indexOf(domain), 1);
}
