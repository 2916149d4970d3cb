/** The flush policies that come with the library. */
import type { FlushPolicy } from "../policy.js";
import { abis, abisFlushedBefore, abisUnflushed } from "./abis.js";
import { ackFirst } from "./ack-first.js";
import {
  asids,
  asidsBlind,
  asidsNamed,
  asidsUnflushed,
  asidsUnpinned,
  asidsUnreserved,
  asidsXchg,
  riscvAsids,
} from "./asids.js";
import { batched, batchedReset, batchedUnchecked, batchedUnforced } from "./batched.js";
import { broadcastBarrier, broadcastBatched, broadcastIssued } from "./broadcast-batched.js";
import { broadcast, broadcastNoSync } from "./broadcast.js";
import { concurrent } from "./concurrent.js";
import { consolidated, earlyAckConsolidated } from "./consolidated.js";
import { coreTables, coreTablesOwner } from "./core-tables.js";
import { directory, directorySilent, directoryTables } from "./directory.js";
import { cowUnwritten, cowWrite } from "./cow-write.js";
import { earlyAck, earlyAckFlushGuard } from "./early-ack.js";
import {
  ackAtEntry,
  earlyAckPointer,
  earlyAckTables,
  earlyAckUnguarded,
} from "./early-ack-mutants.js";
import { ecoTlb, ecoTlbInactive, ecoTlbRefault, ecoTlbWritten } from "./eco-tlb.js";
import { fpr, fprAba, fprLeaky } from "./fpr.js";
import { fullOnly } from "./full-only.js";
import { clearedSlots, clearedSlotsLate, newestOnly } from "./generations.js";
import { idlePoll, idlePollStale } from "./idle-poll.js";
import { inContext, inContextBlind, inContextLate, pti, ptiTrust } from "./isolated.js";
import { invlpgb, invlpgbNoTransition, invlpgbQuiet, invlpgbReuse } from "./invlpgb.js";
import { latr, latrEverything, latrOwnLate, latrReused, latrTickless } from "./latr.js";
import { localOnly } from "./local-only.js";
import {
  luf,
  lufLateStamp,
  lufMadeWritable,
  lufUnflushed,
  lufUnmapped,
  lufWiped,
  lufWritable,
  lufWritten,
} from "./luf.js";
import { hybrid, hybridErratum, hybridOvertaken } from "./hybrid.js";
import { messages, messagesEarly } from "./messages.js";
import { noIpi } from "./no-ipi.js";
import { noWait } from "./no-wait.js";
import { pteFilter, pteFilterGone } from "./pte-filter.js";
import { pvFlush, pvFlushBlind, pvFlushLost } from "./pv-flush.js";
import { replicas, replicasLate } from "./replicas.js";
import { riscvIpi, riscvLoadedOnly, riscvSbi } from "./riscv.js";
import {
  selfInvalidating,
  selfInvalidatingEarly,
  selfInvalidatingRenewed,
  selfInvalidatingReused,
} from "./self-invalidating.js";
import { skipSwitching } from "./skip-switching.js";
import { sync } from "./sync.js";
import { tellAll, tellLazy } from "./target-filter.js";

export const POLICIES: readonly FlushPolicy[] = [
  sync,
  concurrent,
  earlyAck,
  earlyAckFlushGuard,
  batched,
  broadcast,
  latr,
  fullOnly,
  tellLazy,
  tellAll,
  pvFlush,
  broadcastBatched,
  broadcastIssued,
  clearedSlots,
  pti,
  inContext,
  idlePoll,
  luf,
  pteFilter,
  fpr,
  hybrid,
  replicas,
  directory,
  coreTables,
  messages,
  consolidated,
  earlyAckConsolidated,
  invlpgb,
  invlpgbQuiet,
  riscvSbi,
  riscvIpi,
  asids,
  riscvAsids,
  abis,
  cowWrite,
  selfInvalidating,
  ecoTlb,
  noWait,
  ackFirst,
  noIpi,
  localOnly,
  skipSwitching,
  earlyAckUnguarded,
  earlyAckPointer,
  ackAtEntry,
  earlyAckTables,
  batchedUnchecked,
  batchedUnforced,
  broadcastNoSync,
  latrReused,
  latrEverything,
  latrTickless,
  latrOwnLate,
  pvFlushBlind,
  pvFlushLost,
  batchedReset,
  broadcastBarrier,
  newestOnly,
  clearedSlotsLate,
  inContextBlind,
  inContextLate,
  ptiTrust,
  idlePollStale,
  lufUnflushed,
  lufLateStamp,
  lufWritable,
  lufMadeWritable,
  lufWritten,
  lufUnmapped,
  lufWiped,
  pteFilterGone,
  fprLeaky,
  fprAba,
  hybridErratum,
  hybridOvertaken,
  replicasLate,
  directorySilent,
  directoryTables,
  coreTablesOwner,
  messagesEarly,
  invlpgbReuse,
  invlpgbNoTransition,
  riscvLoadedOnly,
  asidsUnflushed,
  asidsUnreserved,
  asidsUnpinned,
  asidsBlind,
  asidsXchg,
  asidsNamed,
  abisUnflushed,
  abisFlushedBefore,
  cowUnwritten,
  selfInvalidatingEarly,
  selfInvalidatingRenewed,
  selfInvalidatingReused,
  ecoTlbInactive,
  ecoTlbRefault,
  ecoTlbWritten,
];
