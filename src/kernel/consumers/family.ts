/**
 * Sharing consumers from parameters (notifiers.md 4.2, 4.3, 4.5): devices that walk the mm's own
 * page table. What sets them apart is how their driver reads a notified range, how coarse its
 * commands are, which caches these reach, and what a device does when a page is not to be had.
 */
import * as abi from "../../core/abi.js";
import { ArgumentError } from "../../errors.js";
import {
  again,
  type Node,
  op,
  type Program,
  type Reg,
  repeat,
  unless,
  when,
} from "../../program/notation.js";
import type { Consumer } from "../consumer.js";

/** What one notification costs: which prices of the cost profile it is made of. */
export const DEVICE_PRICES = {
  /** `devZap`, once. */
  zap: abi.PRICE_ZAP,
  /** `iommuCommand` and `iommuSync`: a command queue, and waiting for it. */
  iommu: abi.PRICE_IOMMU,
  /** `gpuInvalidate`, once. */
  gpu: abi.PRICE_GPU,
  /** `mmioPage` for each page. */
  mmio: abi.PRICE_MMIO,
} as const;

/** One of {@link DEVICE_PRICES}. */
export type DevicePrice = keyof typeof DEVICE_PRICES;

const GRANULARITY = {
  /** What overlaps the range. */
  page: abi.FLUSH_RANGE,
  /** One page, or else the whole PASID. */
  "page-or-all": abi.FLUSH_PAGE_OR_ALL,
  /** Naturally aligned blocks of 2^n pages that cover the range. */
  blocks: abi.FLUSH_BLOCKS,
  /** The whole PASID, whatever the range. */
  all: abi.FLUSH_ALL,
} as const;

/** What a sharing device and its driver are like. Everything but the texts has a default. */
export interface SharingParameters {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** A deliberately broken variant; false by default. */
  readonly mutant?: boolean;
  /** A notified range without a page in it stands for `all` or `nothing`; `nothing` by default. */
  readonly emptyMeans?: "all" | "nothing";
  /** How coarse commands are; `page` by default. */
  readonly granularity?: keyof typeof GRANULARITY;
  /** Ranges of 512 pages and more are invalidated whole (SMMU without range commands). */
  readonly largeMeansAll?: boolean;
  /**
   * It caches that a page may not be written, and does not walk again before it faults (S19); false
   * by default: it walks again, as x86 does.
   */
  readonly cachesReadOnly?: boolean;
  /** Its IOTLB hears the CPUs' own invalidations; a notification then only goes to the ATC. */
  readonly snoops?: boolean;
  /** It has a cache of its own, which only explicit messages reach; false by default. */
  readonly atc?: boolean;
  /** Notifications reach the ATC, if there is one; true by default, false is a mutant's. */
  readonly tellsAtc?: boolean;
  /** Notifications also drop pointers to page tables; true by default. */
  readonly walkCache?: boolean;
  /** Retries of one access after which it gives up, 1 to 2^32 - 1; none by default. */
  readonly retriesMost?: number;
  /** It lets go of the mm when that is torn down; true by default. */
  readonly releases?: boolean;
  /** `iommu` by default. */
  readonly price?: DevicePrice;
}

function flushFlags(p: SharingParameters): number {
  return (
    GRANULARITY[p.granularity ?? "page"] |
    (p.emptyMeans === "all" ? abi.FLUSH_EMPTY_ALL : 0) |
    (p.largeMeansAll === true ? abi.FLUSH_LARGE_ALL : 0) |
    (p.atc === true && p.tellsAtc !== false ? abi.FLUSH_ATC : 0) |
    (p.snoops === true ? abi.FLUSH_NOT_IOTLB : 0) |
    (p.walkCache === false ? abi.FLUSH_NOT_WALKS : 0) |
    (DEVICE_PRICES[p.price ?? "iommu"] << abi.PRICE_SHIFT)
  );
}

/** A fault: a page request if somebody answers those, and again; else it gives up. */
export function requestPage(vpn: Reg, write: boolean, retriesMost = 0): Program {
  const gaveUp = op("dev.fault", { note: "device fault" });
  return [
    when(
      op("dev.ask", { a: vpn, imm: write ? 1 : 0, note: "page request" }),
      [when(op("dev.hear", { a: vpn, imm: retriesMost, note: "answer" }), [again], [gaveUp])],
      [gaveUp],
    ),
  ];
}

function accessOf(p: SharingParameters, vpn: Reg, write: boolean): Program {
  const bit = write ? 1 : 0;
  const walk = when(op("dev.walk", { a: vpn, imm: bit }), [again]);
  const fault = requestPage(vpn, write, p.retriesMost);
  const lacks = op("dev.lacks", { a: vpn, note: "cached read-only?" });
  const miss: Program = [p.cachesReadOnly === true && write ? unless(lacks, [walk]) : walk, fault];
  const asked: Node =
    p.atc === true
      ? when(op("atc", { a: vpn, imm: abi.ATC_FILL_READ + bit, note: "ask IOMMU" }), [again], miss)
      : miss;
  const cached =
    p.atc === true
      ? op("atc", { a: vpn, imm: abi.ATC_READ + bit, note: "ATC" })
      : op("dev.access", { a: vpn, imm: bit });
  return [
    repeat([unless(cached, [asked])]),
    ...((p.retriesMost ?? 0) > 0 ? [op("dev.note", { imm: abi.NOTE_DONE })] : []),
  ];
}

/** @throws ArgumentError E_LIMIT */
export function checkRetries(name: string, value: number | undefined): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && value >= 1 && value <= 0xffff_ffff) return;
  throw new ArgumentError("E_LIMIT", `${name}: retriesMost must be 1 to 2^32 - 1, got ${value}`, {
    argument: "retriesMost",
    least: 1,
    most: 0xffff_ffff,
  });
}

/** @throws ArgumentError E_TYPE unless `value` is a key of `known`, or not given */
export function oneOf(name: string, argument: string, value: unknown, known: object): void {
  if (value === undefined || (typeof value === "string" && Object.hasOwn(known, value))) return;
  const says = `${argument} must be one of ${Object.keys(known).join(", ")}`;
  throw new ArgumentError("E_TYPE", `${name}: ${says}`, { argument });
}

/**
 * A consumer that walks the mm's own page table, told by secondary notifications.
 * @throws ArgumentError E_TYPE for an unknown choice, or parameters that contradict each other;
 * E_LIMIT for `retriesMost`
 */
export function sharingConsumer(parameters: SharingParameters): Consumer {
  const p = parameters;
  oneOf(p.name, "granularity", p.granularity, GRANULARITY);
  oneOf(p.name, "emptyMeans", p.emptyMeans, { all: 0, nothing: 0 });
  oneOf(p.name, "price", p.price, DEVICE_PRICES);
  checkRetries(p.name, p.retriesMost);
  if (p.tellsAtc !== undefined && p.atc !== true) {
    throw new ArgumentError("E_TYPE", `${p.name}: tellsAtc means nothing without atc`, {
      argument: "tellsAtc",
    });
  }
  const isHeard = p.snoops !== true || (p.atc === true && p.tellsAtc !== false);
  const flush = op("dev.flush", { imm: flushFlags(p), note: "invalidate" });
  return {
    name: p.name,
    title: p.title,
    source: p.source,
    mutant: p.mutant ?? false,
    kind: "sharing",
    hooks: isHeard ? { secondary: [flush] } : {},
    traits: { snoops: p.snoops ?? false, keepsRoot: p.releases === false },
    access: (vpn, write) => accessOf(p, vpn, write),
  };
}
