/** Groups and domains as a container keeps them. */

/** Closed, in pages. */
export type PageRange = readonly [first: number, last: number];

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
