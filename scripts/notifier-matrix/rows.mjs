// Rows of docs/matrix-notifiers.md: a race of the book each, with what the book says of a sharing
// consumer in each era, and why a cell is another verdict here.

export const ERAS = [
  "empty-table",
  "double",
  "deduplicated",
  "only-end-everywhere",
  "defer",
  "coupled",
];
export const CONSUMERS = ["sharing", "iommuv2", "sva-intel", "smmu", "ocxl", "mirroring", "kvm"];
/** Before 3.19 there was no other sharing consumer. */
const OF_EMPTY_TABLE = ["sharing", "iommuv2", "mirroring", "kvm"];

const all = (verdict) => Object.fromEntries(ERAS.map((era) => [era, verdict]));
const SAFE = all("SAFE");

/**
 * `book`: by era, of a sharing consumer; a mirroring one is SAFE. `as`: what stands in a column.
 */
export const ROWS = [
  {
    id: "S01",
    what: "copy-on-write of two pages, in order",
    scenario: "cow-order",
    book: { ...SAFE, defer: "ORDER" },
  },
  {
    id: "S02a",
    what: "a downgrade that is told at range_end",
    scenario: "downgrade",
    book: { ...SAFE, "only-end-everywhere": "STALE" },
  },
  {
    id: "S02b",
    what: "somebody acts on a downgrade before range_end",
    scenario: "clean-acted-early",
    book: { ...SAFE, deduplicated: "LOSTW", "only-end-everywhere": "LOSTW", defer: "LOSTW" },
  },
  {
    id: "S02c",
    what: "KSM, with the scanner's reference",
    scenario: "ksm-merge",
    book: SAFE,
  },
  {
    id: "S03",
    what: "nested gathers",
    scenario: "nested-gather",
    book: { ...SAFE, "only-end-everywhere": "UAF" },
  },
  {
    id: "S03'",
    what: "nested gathers of the same page",
    scenario: "nested-gather-return",
    book: { ...SAFE, "only-end-everywhere": "STALE" },
  },
  {
    id: "S05",
    what: "mremap, and a truncation through the new place",
    scenario: "mremap",
    book: { ...all("UAF"), "empty-table": "SAFE", coupled: "SAFE" },
  },
  {
    id: "S06",
    what: "a device's fault races an invalidation",
    scenario: "fault-race",
    book: SAFE,
  },
  {
    id: "S07",
    what: "a fault looks while a bracket ends",
    scenario: "counter-order",
    book: SAFE,
  },
  {
    id: "S08",
    what: "a refresh between two halves of range_start",
    scenario: "pfn-cache",
    book: SAFE,
  },
  {
    id: "S09",
    what: "a refresh among brackets of other pages",
    scenario: "pfn-cache-storm",
    book: SAFE,
  },
  {
    id: "S10",
    what: "page requests among brackets of other pages",
    scenario: "livelock",
    book: { ...SAFE, "empty-table": "NOPROG" },
  },
  {
    id: "S19 x86",
    what: "a permission upgrade, walked again",
    scenario: "permission-upgrade",
    book: SAFE,
  },
  {
    id: "S19 arm64",
    what: "a permission upgrade, and who has cached the lack of it",
    scenario: "permission-cached",
    as: { smmu: "smmu-arm64" },
    book: { ...all("NOPROG"), "empty-table": null, coupled: "SAFE" },
  },
  {
    id: "S20",
    what: "an empty range reaches N",
    scenario: "empty-range",
    book: { ...all(null), coupled: "UAF" },
  },
  {
    id: "S30",
    what: "a late fault after exit",
    scenario: "late-fault",
    book: SAFE,
  },
  {
    id: "S31",
    what: "fork, and a device's write to the shared page",
    scenario: "fork-write",
    book: { ...SAFE, "only-end-everywhere": null },
  },
];

/** Consumers that each are broken in one place, or made for one row, and where that shows. */
export const VARIANTS = [
  ["S06", "fault-race", "mirroring-no-retry"],
  ["S06", "fault-race", "mirroring-late-snapshot"],
  ["S06", "mremap", "mirroring-late-zap"],
  ["S06", "fault-race", "kvm-pre-check"],
  ["S06", "fault-race", "kvm-unchecked"],
  ["S07", "counter-order", "kvm-unlocked-end"],
  ["S07", "counter-order", "kvm-swapped-writes"],
  ["S07", "counter-order", "kvm-swapped-reads"],
  ["S08", "pfn-cache", "kvm-pfn-cache"],
  ["S08", "pfn-cache", "kvm-pfn-cache-in-progress"],
  ["S09", "pfn-cache-storm", "kvm-pfn-cache-spinning"],
  ["S09", "pfn-cache-storm", "kvm-pfn-cache-waiting"],
  ["S19", "permission-cached", "smmu-arm64"],
  ["S19", "permission-cached", "smmu-btm-arm64"],
  ["S03", "nested-gather", "sva-intel-silent"],
  ["S03", "nested-gather", "smmu-btm"],
  ["S03", "nested-gather", "smmu-btm-silent"],
  ["S05", "mremap", "gpu-ats"],
  ["S23", "reclaim-fences", "gpu-fences"],
  ["S23", "reclaim-fences", "gpu-fences-early"],
  ["S30", "late-fault", "ocxl-released"],
];

/**
 * Races of registration, which no era decides: scenario, consumer, and what the book says. A sound
 * form beside each broken one.
 */
export const SUBSCRIPTIONS = [
  ["S11", "s11-insert-in-bracket", "interval", "SAFE"],
  ["S11", "s11-insert-in-bracket", "interval-two-pass", "SAFE"],
  ["S11", "s11-insert-in-bracket", "interval-no-wait", "UAF"],
  ["S12", "s12-insert-unhit", "interval", "SAFE"],
  ["S12", "s12-insert-unhit", "interval-no-wait", "UAF"],
  ["S12", "s12-insert-unstamped", "interval", "UAF"],
  ["S13", "s13-remove-in-callback", "interval-removes", "DEADLOCK"],
  ["S13", "s13-remove-in-callback", "interval-removes-deferred", "SAFE"],
  ["S14", "s14-remove-locked", "interval", "DEADLOCK"],
  ["S14", "s14-remove", "interval", "SAFE"],
  ["S15", "s15-unregister-in-callback", "classic-unregisters", "DEADLOCK"],
  ["S15", "s15-unregister-in-callback", "classic-puts", "SAFE"],
  ["S16", "s16-refused-start-before", "classic-refuses", "UNBAL"],
  ["S16", "s16-refused-start", "classic-refuses", "SAFE"],
  ["S16", "s16-refused-start-and-end", "classic-refuses-ends", "UNBAL"],
  ["S17", "s17-half-refused-strict", "interval", "NOPROG"],
  ["S17", "s17-half-refused", "interval", "SAFE"],
  ["S18", "s18-release", "mirroring", "SAFE"],
  ["S18", "s18-release-unsynchronized", "mirroring", "UAF"],
  ["S24", "s24-update-posted", "interval", "UAF"],
  ["S24", "s24-update", "interval", "SAFE"],
  ["S24", "s24-update-posted-odd", "interval", "UAF"],
  ["S24", "s24-update-odd", "interval", "SAFE"],
  ["S25", "s25-find-posted", "interval", "UAF"],
  ["S25", "s25-find", "interval", "SAFE"],
  ["S26", "s26-hole", "interval-hole", "SAFE"],
  ["S26", "s26-hole", "interval-hole-steps", "SAFE"],
  ["S26", "s26-hole", "interval-hole-no-memory", "SAFE"],
  ["S26", "s26-hole", "interval-hole-kept", "UAF"],
  ["S26", "s26-replace", "interval", "SAFE"],
  ["S27", "s27-allocate-in-callback", "interval-reclaims", "DEADLOCK"],
  ["S27", "s27-allocate-in-callback", "interval", "SAFE"],
  ["S28", "s28-exclusive", "interval", "SAFE"],
  ["S28", "s28-exclusive", "interval-unfiltered", "NOPROG"],
  ["S28", "s28-exclusive-other", "interval", "NOPROG"],
  ["S28", "s28-migrate", "interval", "SAFE"],
  ["S28", "s28-migrate", "interval-unfiltered", "NOPROG"],
];

/** Why one of those is not what the book says. */
export const SUBSCRIPTION_REASONS = {
  "s17-half-refused-strict":
    "a reader that sleeps for ever is DEADLOCK here, when nobody else can move; the book calls it " +
    "NOPROG",
};

/** Why a cell is not what the book says: the first that fits, by row, consumers and eras. */
export const REASONS = [
  {
    rows: ["S02c"],
    text:
      "The book has no word for this era. Neither step of KSM tells anybody, so a device writes the " +
      "old frame when the scanner has given it back.",
  },
  {
    rows: ["S03", "S03'"],
    consumers: ["smmu"],
    text: "A size of 0 reads as everything: right by accident, as the book says in the text.",
  },
  {
    rows: ["S03'"],
    text:
      "The same stale translation. The page behind it is freed when T0 finishes, and exploration " +
      "reports the gravest that can be reached; STALE is met on the way.",
  },
  {
    rows: ["S10"],
    consumers: ["sharing"],
    text:
      "It has no limit: it tries as long as the storm lasts, and is done when that ends. `iommuv2` " +
      "gives up after three retries.",
  },
  {
    rows: ["S19 arm64"],
    text:
      "It walks again when it lacks a permission, so it never asks. The book means devices that " +
      "cache the lack: the column `smmu` of this row is `smmu-arm64`, which does.",
  },
  {
    rows: ["S20"],
    text: "An empty range is everything to it: one page is none, and a size of 0 is all.",
  },
  {
    rows: ["S30"],
    text:
      "Its driver has no release. Exit unlinks subscribers all the same (1.3), so what is torn down " +
      "behind it is not notified any more, and the device still walks. A consequence that the book " +
      "does not draw; `ocxl-released` is SAFE.",
  },
];

/** Its index, or -1. */
export function reasonOf(row, era, consumer) {
  return REASONS.findIndex(
    ({ rows, consumers }) => rows.includes(row.id) && (consumers?.includes(consumer) ?? true),
  );
}

/** Does the cell mean anything? */
export function applies(era, consumer) {
  return era !== "empty-table" || OF_EMPTY_TABLE.includes(consumer);
}

/** What the book says of a cell; null: nothing. */
export function bookOf(row, era, consumer) {
  const isMirroring = consumer === "mirroring" || consumer === "kvm";
  return isMirroring ? "SAFE" : row.book[era];
}
