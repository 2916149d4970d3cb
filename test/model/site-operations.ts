/** Operations of the site table, for programs of the model, and their arguments. */
import type { Geometry } from "../../src/core/geometry.js";
import type { Random } from "./random.js";

/** Call sites of page tables' own: by chance they meet what they are for. */
export const SITES = [
  "oom.reap",
  "uprobe",
  "numa.protect",
  "numa.protect",
  "clear.refs",
  "wp.shared",
  "dax.writeback",
  "fault.upgrade",
  "age.young",
  "fault.huge.zero",
  "fault.huge.write",
  "fault.hugetlb.write",
  "split.huge.file",
  "split.huge.zero",
  "split.huge.anon",
  "split.huge.pud",
  "collapse",
  "collapse",
  "collapse.file",
  "ksm.protect",
  "ksm.merge",
  "ksm.merge",
  "migrate.pages",
  "migrate.pages",
  "migrate.to.device",
  "migrate.to.device",
  "device.insert",
  "make.exclusive",
  "make.exclusive",
  "fork.hugetlb",
  "mprotect.hugetlb",
  "munmap.hugetlb",
];

const PAGE = ["uprobe", "ksm.protect", "fault.upgrade"];
const SPAN =
  /^(fault\.huge\.zero|fault\.huge\.write|fault\.hugetlb\.write|split\.huge\..*|collapse.*)$/;

/** Arguments of such an operation, unless they are the start and end of any range. */
export function siteArgs(
  name: string,
  random: Random,
  { devices, indexBits, levels }: Geometry,
  page: () => number,
  prots: readonly number[],
): number[] | null {
  if (name === "clear.refs") return [];
  if (name.startsWith("device.") && name !== "device.insert") return [random.below(devices)];
  if (name.startsWith("memslot.")) {
    const start = page();
    return [start, start + random.between(1, 4), random.below(3), random.below(devices)];
  }
  if (name.startsWith("ksm.merge")) return [page(), page()];
  if (PAGE.includes(name)) return [page()];
  if (SPAN.test(name)) return [Math.floor(page() / 2 ** indexBits) * 2 ** indexBits];
  if (name !== "mprotect.hugetlb") return null;
  const start = page();
  const end = Math.min(start + random.between(1, 4), 2 ** (indexBits * levels));
  return [start, end, random.pick(prots)];
}
