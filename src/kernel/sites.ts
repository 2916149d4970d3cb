/**
 * Rows of the site table (notifiers.md 2.4): where the kernel changes page tables that secondary
 * TLBs may have cached, and what the eras decide by. Rows 32 to 34 have no bracket, and so no site.
 */
import type { Site } from "./era.js";

/** Flushed and notified under the lock; since 4.15 the bracket's end is silent (only_end). */
function locked(row: number, name: string, part?: string): Site {
  return { name, row, clearFlush: true, ...(part === undefined ? {} : { part }) };
}

/** Notified at the end of the bracket. */
function atEnd(row: number, name: string, part?: string): Site {
  return { name, row, clearFlush: false, ...(part === undefined ? {} : { part }) };
}

/** Both, until 4.15; then the end alone: the page is the same, or nobody can act before it. */
function endSince415(row: number, name: string): Site {
  return { name, row, clearFlush: true, keepsLocked: false, notifiesAtEnd: true };
}

/** Both, also after 4.15. */
function both(row: number, name: string): Site {
  return { name, row, clearFlush: true, notifiesAtEnd: true };
}

/** munmap and exit. */
export const UNMAP_SITE = atEnd(1, "unmap_vmas");
/** madvise DONTNEED, truncate, hole punch. */
export const ZAP_SITE = atEnd(2, "zap_page_range");
/** madvise FREE. */
export const FREE_SITE = atEnd(3, "madvise_free_single_vma");
/** The OOM reaper. */
export const OOM_SITE = atEnd(4, "oom_reap_task_mm");
/** mprotect. */
export const PROTECT_SITE = atEnd(5, "change_pmd_range");
/** NUMA balancing takes pages' rights, to see who uses them. */
export const NUMA_SITE = atEnd(6, "change_prot_numa");
/** mremap. */
export const MOVE_SITE = atEnd(7, "move_page_tables");
/** fork. */
export const COPY_SITE = atEnd(8, "copy_page_range");
/** CoW and zero-page write faults. */
export const COW_SITE = locked(9, "wp_page_copy");
/** The same for a huge page. */
export const HUGE_COW_SITE = locked(10, "do_huge_pmd_wp_page");
/** A huge page of a file is dropped: faults bring it back in small ones. */
export const SPLIT_FILE_SITE = locked(11, "__split_huge_pmd (file)", "a");
/** The huge zero page becomes small ones: nothing to tell, since 4.15. */
export const SPLIT_ZERO_SITE: Site = {
  name: "__split_huge_zero_page_pmd",
  row: 11,
  part: "b",
  clearFlush: true,
  keepsLocked: false,
  notifiesAtEnd: false,
};
/** An anonymous huge page becomes small ones of the same frames. */
export const SPLIT_ANON_SITE: Site = {
  name: "__split_huge_pmd (anon)",
  row: 11,
  part: "c",
  clearFlush: false,
  notifiesAtEnd: false,
};
/** An entry of a level above is dropped. */
export const SPLIT_PUD_SITE = locked(12, "__split_huge_pud");
/** Small pages are collapsed into a huge one. */
export const COLLAPSE_SITE = atEnd(13, "collapse_huge_page");
/** The same for a file; since 2022-12. */
export const COLLAPSE_FILE_SITE = atEnd(14, "collapse_and_free_pmd");
/** KSM makes a page read-only before it compares it. */
export const KSM_PROTECT_SITE = endSince415(15, "write_protect_page");
/** KSM maps the page it has found instead. */
export const KSM_REPLACE_SITE = endSince415(16, "replace_page");
/** A breakpoint is put into a copy of a page of code. */
export const UPROBE_SITE = both(17, "__replace_page (uprobes)");
/** A page is cleaned before it is written out. */
export const CLEAN_SITE = endSince415(18, "page_mkclean_one");
/** The same for a file's own memory (DAX). */
export const DAX_SITE = endSince415(19, "dax_mapping_entry_mkclean");
/** Reclaim, of what goes to swap, is poisoned or was given up. */
export const RECLAIM_SITE = both(20, "try_to_unmap_one");
/** Reclaim of a file's page, which is locked: nobody can map another one instead. */
export const RECLAIM_FILE_SITE: Site = {
  ...endSince415(20, "try_to_unmap_one (file)"),
  part: "f",
};
/** A page moves: entries for its migration take its place. */
export const TRY_MIGRATE_SITE = endSince415(21, "try_to_migrate_one");
/** Pages are collected to be moved to a device's memory. */
export const COLLECT_SITE = atEnd(22, "migrate_vma_collect");
/** A page of a device's memory appears where there was none, or the zero page. */
export const INSERT_SITE = locked(23, "migrate_vma_insert_page");
/** A device gets a page to itself, for atomic accesses; since 5.13. */
export const EXCLUSIVE_SITE = endSince415(24, "make_device_exclusive");
/** Soft-dirty bits are cleared. */
export const SOFT_DIRTY_SITE = atEnd(25, "clear_refs_write");
/** fork, of huge pages of hugetlbfs. */
export const HUGETLB_COPY_SITE = endSince415(26, "copy_hugetlb_page_range");
/** Their copy on write. */
export const HUGETLB_COW_SITE = both(27, "hugetlb_wp");
/** Their mprotect. */
export const HUGETLB_PROTECT_SITE = endSince415(28, "hugetlb_change_protection");
/** Their munmap and mremap. */
export const HUGETLB_UNMAP_SITE = atEnd(29, "__unmap_hugepage_range", "u");
export const HUGETLB_MOVE_SITE = atEnd(29, "move_hugetlb_page_tables", "m");
/** Dirty tracking of shared mappings for graphics drivers. */
export const DIRTY_HELPER_SITE = atEnd(30, "wp_shared_mapping_range");
/** A page moves to another node under its page-table lock; until 5.13. */
export const MIGRATE_SITE = locked(31, "migrate_misplaced_page");
