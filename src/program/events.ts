/** Why a range is invalidated (notifiers.md 2.1): the values of enum mmu_notifier_event. */

/** Names of events, in the order of the EVENT_* numbers of the ABI. */
export const EVENT_NAMES = [
  "UNMAP",
  "CLEAR",
  "PROTECTION_VMA",
  "PROTECTION_PAGE",
  "SOFT_DIRTY",
  "RELEASE",
  "MIGRATE",
  "EXCLUSIVE",
] as const;

/** One of {@link EVENT_NAMES}. */
export type EventName = (typeof EVENT_NAMES)[number];
