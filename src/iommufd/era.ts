/** What changed between versions of iommufd that callers can see. Each field is a knob. */
import { checkWord } from "../arguments.js";

/** Versions with a difference: 6.2 merged iommufd, 6.6 is any from the retry loop on. */
export const IOMMUFD_ERAS = ["6.2", "6.6", "7.0"] as const;

/** One of {@link IOMMUFD_ERAS}. */
export type IommufdEra = (typeof IOMMUFD_ERAS)[number];

/** What a kernel of an era does where others do something else. */
export interface IommufdPolicy {
  /** Rounds of notifications after which unmap gives up with WARN and EDEADLOCK. */
  readonly rounds: number;
  /** Unmapping a range without areas by the VFIO interface: an error, as natively, or 0 bytes. */
  readonly emptyCompatUnmap: "ENOENT" | "success";
  /** Must a mapping be readable or writable (else EINVAL)? */
  readonly needsAccess: boolean;
  /** Are there mappings of files, and changes of the process? Else EOPNOTSUPP. */
  readonly files: boolean;
}

const POLICIES: Readonly<Record<IommufdEra, IommufdPolicy>> = {
  "6.2": { rounds: 1, emptyCompatUnmap: "ENOENT", needsAccess: false, files: false },
  "6.6": { rounds: 101, emptyCompatUnmap: "ENOENT", needsAccess: true, files: false },
  "7.0": { rounds: 101, emptyCompatUnmap: "success", needsAccess: true, files: true },
};

/** The policy of an era, with knobs of one's own. @throws ArgumentError E_TYPE */
export function iommufdPolicy(
  era: IommufdEra = "7.0",
  own: Partial<IommufdPolicy> = {},
): IommufdPolicy {
  checkWord("era", era, IOMMUFD_ERAS);
  return { ...POLICIES[era], ...own };
}
