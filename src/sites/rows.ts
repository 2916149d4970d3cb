/**
 * The site table (notifiers.md 2.4) as runs: for each row an operation, what has to be there
 * before, and why the deduplicated form is safe, or is not.
 */
import type { RangeEvent } from "../kernel/kit.js";
import { PAGE, READ, RW, SHARED, SPAN, type SiteRig } from "./rig.js";

/** One row of the table, or a part of one, as something to run. */
export interface SiteRun {
  readonly row: number;
  /** Part of the row: "a", "b", …, or empty. */
  readonly part: string;
  /** What happens, with its function in Linux. */
  readonly title: string;
  readonly operation: string;
  readonly event: RangeEvent | "none";
  /** What is changed, in words. */
  readonly size: string;
  /** Is the deduplicated form safe, and why? */
  readonly reason: string;
  /** Eras whose kernels have no such place. */
  readonly absentIn?: readonly string[];
  readonly prepare: (rig: SiteRig) => void;
  readonly args: (rig: SiteRig) => Readonly<Record<string, number>>;
}

const PAGES = 3;
const range = (start: number, end: number) => () => ({ start, end });
const three = range(PAGE, PAGE + PAGES);
const huge = range(PAGE, PAGE + SPAN);
const page = () => ({ vpn: PAGE });
const child = (rig: SiteRig) => ({ childTask: rig.machine.newTask(null) + 1 });

function pages(prot = RW) {
  return (rig: SiteRig): void => {
    rig.populate(PAGE, PAGES, prot);
    rig.share(PAGE, PAGES);
  };
}

function one(rig: SiteRig): void {
  rig.populate(PAGE, 1);
  rig.share(PAGE);
}

function hugePages(count: number) {
  return (rig: SiteRig): void => {
    rig.map(PAGE, count * SPAN, RW);
    for (let i = 0; i < count; i++) rig.run("fault.huge", { vpn: PAGE + i * SPAN });
    rig.share(PAGE);
  };
}

function forkedHuge(rig: SiteRig): void {
  hugePages(1)(rig);
  rig.fork();
  rig.share(PAGE);
}

const DOWNGRADE = "a downgrade: nobody acts on it before the end of the bracket";
const LOCKED = "the notification under the lock was kept";
const TWICE = "told under the lock, and again at the end";

/** In the table's order. */
export const SITE_RUNS: readonly SiteRun[] = [
  {
    row: 1,
    part: "",
    title: "munmap, exit: unmap_vmas",
    operation: "munmap",
    event: "UNMAP",
    size: "3 pages, one gather flush",
    reason: "pages yes: the end precedes the free; page tables no, when gathers nest",
    prepare: pages(),
    args: three,
  },
  {
    row: 2,
    part: "",
    title: "madvise DONTNEED, truncate: zap_page_range",
    operation: "madvise",
    event: "CLEAR",
    size: "3 pages, one gather flush",
    reason: "yes, told twice; with a silent end, nested gathers leave it untold",
    prepare: pages(),
    args: three,
  },
  {
    row: 3,
    part: "",
    title: "madvise FREE: madvise_free_single_vma",
    operation: "madvise.free",
    event: "CLEAR",
    size: "3 pages, one gather flush",
    reason: "yes: reclaim, which acts on it, notifies again",
    prepare: pages(),
    args: three,
  },
  {
    row: 4,
    part: "",
    title: "OOM reaper: __oom_reap_task_mm",
    operation: "oom.reap",
    event: "CLEAR",
    size: "3 pages, one gather flush",
    reason: "as madvise DONTNEED",
    prepare: pages(),
    args: three,
  },
  {
    row: 5,
    part: "",
    title: "mprotect: change_pmd_range",
    operation: "mprotect",
    event: "PROTECTION_VMA",
    size: "3 pages, one span",
    reason: `yes: ${DOWNGRADE}`,
    prepare: pages(),
    args: () => ({ start: PAGE, end: PAGE + PAGES, prot: READ }),
  },
  {
    row: 6,
    part: "",
    title: "NUMA balancing: change_prot_numa",
    operation: "numa.protect",
    event: "PROTECTION_VMA",
    size: "3 pages, one span",
    reason: `yes: ${DOWNGRADE}`,
    prepare: pages(),
    args: three,
  },
  {
    row: 7,
    part: "",
    title: "mremap: move_page_tables",
    operation: "mremap",
    event: "UNMAP",
    size: "1 extent, no table is freed",
    reason: "NO: the page can be freed through its new place before the end",
    prepare: (rig) => {
      rig.populate(PAGE, PAGES + 1);
      rig.share(PAGE, PAGES);
    },
    args: () => ({ start: PAGE, end: PAGE + PAGES, target: PAGE + 64 * SPAN }),
  },
  {
    row: 8,
    part: "",
    title: "fork: copy_page_range",
    operation: "fork",
    event: "PROTECTION_PAGE",
    size: "1 private VMA",
    reason: "yes: mmapLock is held and the child does not run before the end",
    prepare: pages(),
    args: child,
  },
  {
    row: 9,
    part: "",
    title: "copy-on-write, zero page: wp_page_copy",
    operation: "fault.write",
    event: "CLEAR",
    size: "1 page",
    reason: `yes: ${LOCKED}`,
    prepare: (rig) => {
      one(rig);
      rig.fork();
      rig.share(PAGE);
    },
    args: page,
  },
  {
    row: 10,
    part: "",
    title: "huge copy-on-write: do_huge_pmd_wp_page",
    operation: "fault.huge.write",
    event: "CLEAR",
    size: "1 huge page",
    reason: `yes: ${LOCKED}`,
    prepare: forkedHuge,
    args: page,
  },
  {
    row: 11,
    part: "a",
    title: "split of a file's huge page: __split_huge_pmd",
    operation: "split.huge.file",
    event: "CLEAR",
    size: "1 huge page",
    reason: `yes: ${LOCKED}`,
    prepare: hugePages(1),
    args: page,
  },
  {
    row: 11,
    part: "b",
    title: "split of the huge zero page: __split_huge_zero_page_pmd",
    operation: "split.huge.zero",
    event: "CLEAR",
    size: "1 huge page",
    reason: "yes, untold: zeroes before and after; copy-on-write, which follows, notifies",
    prepare: (rig) => {
      rig.map(PAGE, SPAN, RW);
      rig.run("fault.huge.zero", { vpn: PAGE });
      rig.share(PAGE);
    },
    args: page,
  },
  {
    row: 11,
    part: "c",
    title: "split of an anonymous huge page: __split_huge_pmd",
    operation: "split.huge.anon",
    event: "CLEAR",
    size: "1 huge page",
    reason: "yes, untold: every cached translation is still right",
    prepare: hugePages(1),
    args: page,
  },
  {
    row: 12,
    part: "",
    title: "split of a PUD: __split_huge_pud",
    operation: "split.huge.pud",
    event: "CLEAR",
    size: "1 huge page",
    reason: `yes: ${LOCKED}`,
    prepare: hugePages(1),
    args: page,
  },
  {
    row: 13,
    part: "",
    title: "collapse to a huge page: collapse_huge_page",
    operation: "collapse",
    event: "CLEAR",
    size: "3 pages of a span",
    reason: "yes: the place stays empty until after the end",
    prepare: (rig) => {
      rig.map(PAGE, SPAN, RW);
      rig.write(PAGE, PAGES);
      rig.share(PAGE, PAGES);
    },
    args: page,
  },
  {
    row: 14,
    part: "",
    title: "collapse of a file: collapse_and_free_pmd, since 2022-12",
    operation: "collapse.file",
    event: "CLEAR",
    size: "3 pages of a span",
    reason: "yes, with the bracket: pages and table are freed after the end",
    absentIn: ["double"],
    prepare: (rig) => {
      rig.map(PAGE, SPAN, RW | SHARED);
      rig.write(PAGE, PAGES);
      rig.share(PAGE, PAGES);
    },
    args: page,
  },
  {
    row: 14,
    part: "-",
    title: "the same before 2022-12, without a bracket",
    operation: "collapse.file-unbracketed",
    event: "none",
    size: "3 pages of a span",
    reason: "NO: nobody is told",
    prepare: (rig) => {
      rig.map(PAGE, SPAN, RW | SHARED);
      rig.write(PAGE, PAGES);
      rig.share(PAGE, PAGES);
    },
    args: page,
  },
  {
    row: 15,
    part: "",
    title: "KSM: write_protect_page",
    operation: "ksm.protect",
    event: "CLEAR",
    size: "1 page",
    reason: "yes: contents are compared after the end",
    prepare: one,
    args: page,
  },
  {
    row: 16,
    part: "",
    title: "KSM: replace_page, with its write_protect_page",
    operation: "ksm.merge",
    event: "CLEAR",
    size: "1 page, rows 15 and 16",
    reason: "yes: same content, and the scanner holds the old page until after the end",
    prepare: (rig) => {
      rig.populate(PAGE, 2);
      rig.run("ksm.protect", { vpn: PAGE + 1 });
      rig.share(PAGE, 2);
    },
    args: () => ({ vpn: PAGE, kept: PAGE + 1 }),
  },
  {
    row: 17,
    part: "",
    title: "uprobes: __replace_page",
    operation: "uprobe",
    event: "CLEAR",
    size: "1 page",
    reason: `yes: ${TWICE}`,
    prepare: (rig) => {
      rig.map(PAGE, 1, READ);
      rig.read(PAGE);
      rig.share(PAGE);
    },
    args: page,
  },
  {
    row: 18,
    part: "",
    title: "write-back: page_mkclean_one",
    operation: "writeback",
    event: "PROTECTION_PAGE",
    size: "3 pages, one bracket",
    reason: "yes: the page is written out after the end",
    prepare: pages(RW | SHARED),
    args: three,
  },
  {
    row: 19,
    part: "",
    title: "write-back of DAX: dax_mapping_entry_mkclean",
    operation: "dax.writeback",
    event: "CLEAR",
    size: "3 pages, a bracket each",
    reason: "yes: the page is written out after the end",
    prepare: pages(RW | SHARED),
    args: three,
  },
  {
    row: 20,
    part: "",
    title: "reclaim to swap: try_to_unmap_one",
    operation: "reclaim",
    event: "CLEAR",
    size: "3 pages, one bracket, not batched",
    reason: `yes: ${TWICE}; pages are freed after that`,
    prepare: pages(),
    args: three,
  },
  {
    row: 20,
    part: "f",
    title: "reclaim of a file's pages: try_to_unmap_one",
    operation: "reclaim",
    event: "CLEAR",
    size: "3 pages, one bracket, not batched",
    reason: "yes: the page is locked, nobody can put another one there before the end",
    prepare: pages(RW | SHARED),
    args: three,
  },
  {
    row: 21,
    part: "",
    title: "migration: try_to_migrate_one",
    operation: "migrate.pages",
    event: "CLEAR",
    size: "3 pages, a bracket each",
    reason: "yes: nobody can use the page before its migration entry is resolved, after the end",
    prepare: pages(),
    args: three,
  },
  {
    row: 22,
    part: "",
    title: "migration to a device: migrate_vma_collect",
    operation: "migrate.to.device",
    event: "MIGRATE",
    size: "3 pages, one bracket",
    reason: "yes: as migration",
    prepare: pages(),
    args: three,
  },
  {
    row: 23,
    part: "",
    title: "a device's page appears: migrate_vma_insert_page",
    operation: "device.insert",
    event: "MIGRATE",
    size: "1 zero page",
    reason: `yes: ${LOCKED}`,
    prepare: (rig) => {
      rig.map(PAGE, 1, RW);
      rig.read(PAGE);
      rig.share(PAGE);
    },
    args: range(PAGE, PAGE + 1),
  },
  {
    row: 24,
    part: "",
    title: "device-exclusive access: make_device_exclusive",
    operation: "make.exclusive",
    event: "EXCLUSIVE",
    size: "1 page",
    reason: "yes: same frame, only CPUs lose it",
    absentIn: ["double"],
    prepare: one,
    args: range(PAGE, PAGE + 1),
  },
  {
    row: 25,
    part: "",
    title: "soft-dirty bits: clear_refs_write",
    operation: "clear.refs",
    event: "SOFT_DIRTY",
    size: "3 pages",
    reason: `yes: ${DOWNGRADE}`,
    prepare: pages(),
    args: () => ({}),
  },
  {
    row: 26,
    part: "",
    title: "fork of hugetlbfs: copy_hugetlb_page_range",
    operation: "fork.hugetlb",
    event: "CLEAR",
    size: "1 VMA of 2 huge pages",
    reason: "yes: as fork",
    prepare: hugePages(2),
    args: child,
  },
  {
    row: 27,
    part: "",
    title: "copy-on-write of hugetlbfs: hugetlb_wp",
    operation: "fault.hugetlb.write",
    event: "CLEAR",
    size: "1 huge page",
    reason: `yes: ${TWICE}`,
    prepare: forkedHuge,
    args: page,
  },
  {
    row: 28,
    part: "",
    title: "mprotect of hugetlbfs: hugetlb_change_protection",
    operation: "mprotect.hugetlb",
    event: "PROTECTION_VMA",
    size: "1 huge page",
    reason: "a downgrade: yes; page tables that are shared no more are told late",
    prepare: hugePages(1),
    args: () => ({ start: PAGE, end: PAGE + SPAN, prot: READ }),
  },
  {
    row: 29,
    part: "u",
    title: "munmap of hugetlbfs: __unmap_hugepage_range",
    operation: "munmap.hugetlb",
    event: "UNMAP",
    size: "1 huge page",
    reason: "as munmap",
    prepare: hugePages(1),
    args: huge,
  },
  {
    row: 29,
    part: "m",
    title: "mremap of hugetlbfs: move_hugetlb_page_tables",
    operation: "mremap.hugetlb",
    event: "UNMAP",
    size: "1 huge page, no table is freed",
    reason: "NO: as mremap",
    prepare: hugePages(2),
    args: () => ({ start: PAGE, end: PAGE + SPAN, target: PAGE + 64 * SPAN }),
  },
  {
    row: 30,
    part: "",
    title: "dirty tracking of drivers: wp_shared_mapping_range",
    operation: "wp.shared",
    event: "PROTECTION_PAGE",
    size: "3 pages",
    reason: `yes: ${DOWNGRADE}`,
    prepare: pages(RW | SHARED),
    args: three,
  },
  {
    row: 31,
    part: "",
    title: "NUMA migration under the lock, until 5.13",
    operation: "migrate",
    event: "CLEAR",
    size: "1 page",
    reason: `yes: ${LOCKED}`,
    absentIn: ["coupled"],
    prepare: one,
    args: range(PAGE, PAGE + 1),
  },
  {
    row: 32,
    part: "",
    title: "permission upgrade: ptep_set_access_flags (arm64)",
    operation: "fault.upgrade",
    event: "none",
    size: "1 page",
    reason: "safe, but a device that has cached it read-only may fault for ever (S19)",
    prepare: (rig) => {
      one(rig);
      rig.run("ksm.protect", { vpn: PAGE });
      rig.share(PAGE);
    },
    args: page,
  },
  {
    row: 33,
    part: "",
    title: "a page appears, a NUMA hint is repaired",
    operation: "fault.read",
    event: "none",
    size: "1 page",
    reason: "yes: what is not present is not cached",
    prepare: (rig) => {
      one(rig);
      rig.run("numa.protect", { start: PAGE, end: PAGE + 1 });
    },
    args: page,
  },
  {
    row: 34,
    part: "",
    title: "page aging: ptep_clear_flush_young_notify",
    operation: "age.young",
    event: "none",
    size: "1 page; the callback for young entries is what is counted",
    reason: "the same in every era: a callback of its own",
    prepare: one,
    args: range(PAGE, PAGE + 1),
  },
];
