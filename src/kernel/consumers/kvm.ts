/** KVM: memslots, pfn caches, and the order of its counters; and what breaks without each. */
import type { Consumer } from "../consumer.js";
import { mirroringConsumer } from "./guest.js";

const SOURCE = "notifiers.md 4.1; Linux virt/kvm/kvm_main.c";
/** Refreshes that a test of progress allows. */
const RETRIES = 3;

const KVM = { memslots: true } as const;

export const kvm: Consumer = mirroringConsumer({
  ...KVM,
  name: "kvm",
  title: "KVM: memslots that brackets freeze, a shadow table, a retry under mmuLock",
  source: SOURCE,
});

const UNLOCKED = { ...KVM, endsUnlocked: true } as const;

/** What the order of the two writes and of the two reads is there for. */
export const kvmUnlockedEnd: Consumer = mirroringConsumer({
  ...UNLOCKED,
  name: "kvm-unlocked-end",
  title: "KVM whose range_end takes no lock: the order of its writes is all there is",
  source: "notifiers.md S07",
});

export const kvmSwappedWrites: Consumer = mirroringConsumer({
  ...UNLOCKED,
  name: "kvm-swapped-writes",
  title: "as kvm-unlocked-end, but the count drops before the sequence moves",
  source: "notifiers.md S07, swapped writes",
  mutant: true,
  endsWith: "count",
});

export const kvmSwappedReads: Consumer = mirroringConsumer({
  ...UNLOCKED,
  name: "kvm-swapped-reads",
  title: "as kvm-unlocked-end, but a fault looks at the sequence before the count",
  source: "notifiers.md S07, swapped reads",
  mutant: true,
  looksAt: "sequence",
});

export const kvmPreCheck: Consumer = mirroringConsumer({
  ...KVM,
  name: "kvm-pre-check",
  title: "KVM that relies on the check before it takes mmuLock",
  source: "notifiers.md S06, mutant: the lock-free pre-check only",
  mutant: true,
  check: "unlocked",
});

export const kvmUnchecked: Consumer = mirroringConsumer({
  ...KVM,
  name: "kvm-unchecked",
  title: "KVM that installs whatever it has resolved",
  source: "notifiers.md S06, mutant: no check at all",
  mutant: true,
  check: "none",
});

export const kvmPfnCache: Consumer = mirroringConsumer({
  name: "kvm-pfn-cache",
  title: "KVM's pfn cache: no refresh counts while any bracket is active",
  source: "notifiers.md S08, keyed on the active count",
  pfnCache: { key: "active" },
});

export const kvmPfnCacheInProgress: Consumer = mirroringConsumer({
  name: "kvm-pfn-cache-in-progress",
  title: "KVM's pfn cache, which looks at what is dropped after the cache",
  source: "notifiers.md S08, keyed on in_progress",
  mutant: true,
  pfnCache: { key: "in-progress" },
});

export const kvmPfnCacheSpinning: Consumer = mirroringConsumer({
  name: "kvm-pfn-cache-spinning",
  title: `as kvm-pfn-cache; more than ${RETRIES} refreshes for one access are no progress`,
  source: "notifiers.md S09, spinning",
  mutant: true,
  pfnCache: { key: "active", retriesMost: RETRIES },
});

export const kvmPfnCacheWaiting: Consumer = mirroringConsumer({
  name: "kvm-pfn-cache-waiting",
  title: "a pfn cache that is marked, waits until no bracket is active, and asks if it was hit",
  source: "notifiers.md S09, waiting",
  pfnCache: { key: "marked", retriesMost: RETRIES },
});

export const KVM_CONSUMERS: readonly Consumer[] = [
  kvm,
  kvmUnlockedEnd,
  kvmSwappedWrites,
  kvmSwappedReads,
  kvmPreCheck,
  kvmUnchecked,
  kvmPfnCache,
  kvmPfnCacheInProgress,
  kvmPfnCacheSpinning,
  kvmPfnCacheWaiting,
];
