/** Rows of the site table (notifiers.md 2.4) that the operations here stand on. */
import type { Site } from "./era.js";

/** Row 1: munmap and exit. */
export const UNMAP_SITE: Site = { name: "unmap_vmas", row: 1, clearFlush: false };
/** Row 2: madvise DONTNEED, truncate, hole punch. */
export const ZAP_SITE: Site = { name: "zap_page_range", row: 2, clearFlush: false };
/** Row 5: mprotect. */
export const PROTECT_SITE: Site = { name: "change_pmd_range", row: 5, clearFlush: false };
/** Row 7: mremap. */
export const MOVE_SITE: Site = { name: "move_page_tables", row: 7, clearFlush: false };
/** Row 8: fork. */
export const COPY_SITE: Site = { name: "copy_page_range", row: 8, clearFlush: false };
/** Row 9: CoW and zero-page write faults. */
export const COW_SITE: Site = { name: "wp_page_copy", row: 9, clearFlush: true };
/** Row 18: a page is cleaned before it is written out. */
export const CLEAN_SITE: Site = {
  name: "page_mkclean_one",
  row: 18,
  clearFlush: true,
  notifiesAtEnd: true,
};
/** Row 20: reclaim. */
export const RECLAIM_SITE: Site = {
  name: "try_to_unmap_one",
  row: 20,
  clearFlush: true,
  notifiesAtEnd: true,
};
/** Row 31: a page moves to another node under its page-table lock. */
export const MIGRATE_SITE: Site = { name: "migrate_misplaced_page", row: 31, clearFlush: true };
