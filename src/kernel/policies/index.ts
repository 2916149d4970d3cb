/** The flush policies that come with the library. */
import type { FlushPolicy } from "../policy.js";
import { abis, abisFlushedBefore, abisUnflushed } from "./abis.js";
import { ackFirst } from "./ack-first.js";
import { batched, batchedUnchecked, batchedUnforced } from "./batched.js";
import { broadcast, broadcastNoSync } from "./broadcast.js";
import { concurrent } from "./concurrent.js";
import { cowUnwritten, cowWrite } from "./cow-write.js";
import { earlyAck, earlyAckFlushGuard } from "./early-ack.js";
import {
  ackAtEntry,
  earlyAckPointer,
  earlyAckTables,
  earlyAckUnguarded,
} from "./early-ack-mutants.js";
import { fpr, fprAba, fprLeaky } from "./fpr.js";
import { fullOnly } from "./full-only.js";
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
import { noIpi } from "./no-ipi.js";
import { noWait } from "./no-wait.js";
import { pteFilter, pteFilterGone } from "./pte-filter.js";
import { pvFlush, pvFlushBlind, pvFlushLost } from "./pv-flush.js";
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
  luf,
  pteFilter,
  fpr,
  abis,
  cowWrite,
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
  abisUnflushed,
  abisFlushedBefore,
  cowUnwritten,
];
