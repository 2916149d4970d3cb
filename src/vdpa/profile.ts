/**
 * What operations cost, by published measurements (vfio-vdpa.md 5). Nobody has published these for
 * vhost-vdpa operation by operation: each constant tells what it is of, and what is assumed.
 */

/** How memory of the guest is backed: it decides what a pinned page costs. */
export type PageKind = "small" | "thp" | "hugetlb";

/** One constant. */
export interface Cost {
  readonly ns: number;
  /** `published`: divided only; `derived`: from several figures; `assumed`: a guess. */
  readonly basis: "published" | "derived" | "assumed";
  readonly source: string;
}

/** Costs of a stop and start. */
export interface VdpaProfile {
  readonly name: string;
  /** A page pinned that is in memory, with what mapping it takes. */
  readonly pin: Readonly<Record<PageKind, Cost>>;
  /** A page unpinned, with what unmapping it takes. */
  readonly unpin: Readonly<Record<PageKind, Cost>>;
  /** A page cleared, on its first touch. */
  readonly zero: Cost;
  /** A page of a table that set_map makes a memory key of, and of one that is destroyed. */
  readonly keyCreate: Cost;
  readonly keyDestroy: Cost;
  /** One return to the default translation. */
  readonly clear: Cost;
  /** One suspend. */
  readonly suspend: Cost;
}

const GIB_PAGES = 2 ** 18;
const OF_16G = 16 * GIB_PAGES;
const MS = 1e6;

function type1(ms: number, what: string): Cost {
  const where = `type1, 16 GB, 6.16-rc4, ${what}: ${ms} ms`;
  const source = `${where} (Li Zhe, Jul 2025); taken for vhost-vdpa`;
  return { ns: (ms * MS) / OF_16G, basis: "published", source };
}

/** Saved on 4 devices and 256 GB by keys made 4 times, destroyed 8 times as fast. */
const KEYS_SAVED_MS = 3140 - 1200;
const EACH_MS = KEYS_SAVED_MS / (3 / 4 + 7 / 8);
const KEYS: Cost = {
  ns: (EACH_MS * MS) / (4 * 256 * GIB_PAGES),
  basis: "derived",
  source:
    "3140 to 1200 ms on 4 devices and 256 GB by keys made 3 to 5 times, destroyed 8 times as " +
    "fast (Tatulea, Aug 2024); both assumed to take as long before",
};

/** The only one there is. */
export const PUBLISHED_PROFILE: VdpaProfile = {
  name: "published",
  pin: {
    small: type1(280, "small pages mapped"),
    thp: type1(47, "transparent huge pages mapped"),
    hugetlb: type1(52, "hugetlb mapped"),
  },
  unpin: {
    small: type1(312, "small pages unmapped"),
    thp: type1(135, "transparent huge pages unmapped"),
    hugetlb: type1(136, "hugetlb unmapped"),
  },
  zero: {
    ns: (0.79 * 32.45e9) / (120 * GIB_PAGES),
    basis: "published",
    source: "type1, 120 GB at QEMU's start: 32.45 s, 79 % of it clearing (Jordan, 4d83de6da265)",
  },
  keyCreate: KEYS,
  keyDestroy: KEYS,
  clear: { ns: 100_000, basis: "assumed", source: "one 1:1 key is made: 0.1 ms" },
  suspend: {
    ns: 37 * MS,
    basis: "published",
    source: "mlx5, 1 device of 32 virtqueues: 37 ms (Tatulea, Aug 2024)",
  },
};
