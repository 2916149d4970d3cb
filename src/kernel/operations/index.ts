/** The kernel operations that come with the library. */
import type { Operation } from "../operation.js";
import { age } from "./age.js";
import { runChild } from "./child.js";
import { COLLAPSE_OPERATIONS } from "./collapse.js";
import { compute } from "./compute.js";
import { DOWNGRADE_OPERATIONS } from "./downgrade.js";
import {
  discard,
  discardHeld,
  discardLate,
  discardMarked,
  faultChecked,
  faultFresh,
} from "./discard.js";
import {
  copyFromUser,
  copyToUser,
  faultHuge,
  faultRead,
  faultWrite,
  load,
  read,
  store,
  write,
} from "./fault.js";
import {
  inferAbsent,
  inferAnon,
  inferFile,
  inferShare,
  inferTables,
  inferZero,
  switchAway,
} from "./infer.js";
import { munmapIrqsOff, storeIrqsOff } from "./irqs-off.js";
import { HUGE_OPERATIONS } from "./huge.js";
import { HUGETLB_OPERATIONS } from "./hugetlb.js";
import { kernelRead, kernelUnmap } from "./kernel-pages.js";
import { KSM_OPERATIONS } from "./ksm.js";
import {
  madvise,
  madviseAge,
  madviseFree,
  madviseNothing,
  madviseReclaim,
  reclaimFlush,
  reclaimPage,
  reclaimSettle,
} from "./madvise.js";
import { mmap } from "./map.js";
import { migrate, migrateCopyFirst } from "./migrate.js";
import { MIGRATE_ENTRY_OPERATIONS } from "./migrate-entries.js";
import { mprotect } from "./mprotect.js";
import { mremap, mremapKeep, mremapLateFlush } from "./mremap.js";
import { oomReap } from "./oom.js";
import { cpuOffline, cpuOfflineUndrained, madviseIrqsOff } from "./offline.js";
import { asidPin, asidUnpin } from "./pin-asid.js";
import { mapAround, populateRead, populateWrite } from "./populate.js";
import {
  clone,
  contextSwitch,
  exec,
  exit,
  exitShared,
  fork,
  forkNeeded,
  idle,
  useMm,
} from "./process.js";
import { reclaim, reclaimNested } from "./reclaim.js";
import { uprobe } from "./uprobe.js";
import { truncate } from "./truncate.js";
import { madviseFreeUncounted, madviseUncounted } from "./uncounted.js";
import { brk, mmapFixed, munmap, munmapShared, munmapTablesFirst } from "./unmap.js";
import { writeback } from "./writeback.js";
import { writeFile } from "./write-file.js";
// Last: operations are numbered as they are defined.
import { DEVICE_OPERATIONS } from "./devices.js";
import { PIN_OPERATIONS } from "./pins.js";
import { UNMAP_DMA_OPERATIONS } from "./unmap-dma.js";

// Not one of them: only images with devices of the host have it.
export { hostThread } from "./host-thread.js";

export const OPERATIONS: readonly Operation[] = [
  read,
  write,
  load,
  store,
  faultRead,
  faultWrite,
  faultHuge,
  mmap,
  munmap,
  munmapShared,
  munmapTablesFirst,
  brk,
  madvise,
  mprotect,
  mremap,
  mremapKeep,
  mremapLateFlush,
  fork,
  exec,
  exit,
  exitShared,
  contextSwitch,
  idle,
  useMm,
  truncate,
  clone,
  mmapFixed,
  madviseReclaim,
  madviseFree,
  madviseAge,
  madviseNothing,
  reclaimPage,
  reclaimFlush,
  reclaimSettle,
  mapAround,
  populateRead,
  populateWrite,
  inferAnon,
  inferZero,
  inferFile,
  inferShare,
  inferAbsent,
  inferTables,
  switchAway,
  reclaim,
  cpuOffline,
  cpuOfflineUndrained,
  madviseIrqsOff,
  compute,
  migrate,
  migrateCopyFirst,
  runChild,
  reclaimNested,
  writeback,
  discard,
  discardHeld,
  discardMarked,
  discardLate,
  faultFresh,
  faultChecked,
  madviseUncounted,
  madviseFreeUncounted,
  storeIrqsOff,
  munmapIrqsOff,
  copyFromUser,
  copyToUser,
  kernelRead,
  kernelUnmap,
  writeFile,
  age,
  asidPin,
  asidUnpin,
  forkNeeded,
  oomReap,
  uprobe,
  ...HUGE_OPERATIONS,
  ...COLLAPSE_OPERATIONS,
  ...KSM_OPERATIONS,
  ...MIGRATE_ENTRY_OPERATIONS,
  ...HUGETLB_OPERATIONS,
  ...DOWNGRADE_OPERATIONS,
  ...DEVICE_OPERATIONS,
  ...PIN_OPERATIONS,
  ...UNMAP_DMA_OPERATIONS,
];
