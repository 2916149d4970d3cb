/** The state of an iommufd as plain data: for comparisons, step files and people. */
import { hex } from "./addresses.js";
import type { Area } from "./area.js";
import { lengthOf } from "./slice.js";
import type { Ioas } from "./ioas.js";
import type { Iommufd } from "./iommufd.js";
import type { IoptPages } from "./iopt-pages.js";

/** One area. Addresses and lengths in bytes, hexadecimal. */
export interface AreaState {
  readonly iova: string;
  readonly length: string;
  /** Which `pages` object, numbered by first appearance. */
  readonly pages: number;
  readonly read: boolean;
  readonly write: boolean;
  /** Pins that were taken through it. */
  readonly accesses: number;
  /** Was an unmap refused, so that nobody can pin any more? */
  readonly closed: boolean;
  readonly locks: number;
}

/** One `pages` object. */
export interface PagesState {
  readonly kind: "user" | "file";
  readonly mode: "user" | "mm" | "none";
  readonly pinned: number;
  /** Pages in the xarray. */
  readonly held: number;
  readonly users: readonly {
    readonly first: number;
    readonly last: number;
    readonly users: number;
  }[];
}

/** One address space. */
export interface IoasState {
  readonly id: number;
  readonly alignment: number;
  readonly hugePages: boolean;
  readonly areas: readonly AreaState[];
  readonly reserved: readonly string[];
  readonly allowed: readonly string[];
  /** What each domain translates: `iova+size=physical`. */
  readonly domains: readonly string[];
  readonly accesses: readonly string[];
}

/** Everything. */
export interface IommufdState {
  readonly ioases: readonly IoasState[];
  readonly pages: readonly PagesState[];
  /** References held to frames, in all. */
  readonly references: number;
  readonly warnings: readonly string[];
  readonly violations: readonly string[];
}

/** State of an iommufd, the same text for the same state. */
export function describeIommufd(iommufd: Iommufd): IommufdState {
  const objects: IoptPages[] = [];
  const number = (pages: IoptPages | undefined): number => {
    if (pages === undefined) return -1;
    const at = objects.indexOf(pages);
    return at >= 0 ? at : objects.push(pages) - 1;
  };
  const ioases = iommufd.ioases.map((ioas) => ioasState(ioas, number));
  return {
    ioases,
    pages: objects.map(pagesState),
    references: iommufd.frames.held,
    warnings: iommufd.warnings.map(({ code }) => code),
    violations: iommufd.violations.map(({ code }) => code),
  };
}

function ioasState(ioas: Ioas, number: (pages: IoptPages | undefined) => number): IoasState {
  const range = ({ start, last }: { start: bigint; last: bigint }): string =>
    `${hex(start)}-${hex(last)}`;
  return {
    id: ioas.id,
    alignment: Number(ioas.alignment),
    hugePages: ioas.hugePages,
    areas: [...ioas.areas].map((area) => areaState(area, number)),
    reserved: ioas.reserved.map(range).sort(),
    allowed: ioas.allowed.map(range),
    domains: ioas.domains.list.map((domain) => domain.describe()),
    accesses: ioas.accesses.flatMap((access) => (access === undefined ? [] : [access.name])),
  };
}

function areaState(area: Area, number: (pages: IoptPages | undefined) => number): AreaState {
  return {
    iova: hex(area.iova),
    length: hex(lengthOf(area)),
    pages: number(area.pages),
    read: area.prot.read,
    write: area.prot.write,
    accesses: area.accesses,
    closed: area.preventAccess,
    locks: area.locks,
  };
}

function pagesState(pages: IoptPages): PagesState {
  const { mode, pinned, held } = pages;
  return {
    kind: pages.source.kind,
    mode,
    pinned,
    held,
    users: pages.users.map(({ first, last, users }) => ({ first, last, users })),
  };
}
