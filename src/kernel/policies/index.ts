/** The flush policies that come with the library. */
import type { FlushPolicy } from "../policy.js";
import { ackFirst } from "./ack-first.js";
import { batched, batchedUnchecked, batchedUnforced } from "./batched.js";
import { broadcast, broadcastNoSync } from "./broadcast.js";
import { concurrent } from "./concurrent.js";
import { earlyAck, earlyAckFlushGuard } from "./early-ack.js";
import {
  ackAtEntry,
  earlyAckPointer,
  earlyAckTables,
  earlyAckUnguarded,
} from "./early-ack-mutants.js";
import { fullOnly } from "./full-only.js";
import { idlePoll, idlePollStale } from "./idle-poll.js";
import { inContext, inContextBlind, inContextLate, pti, ptiTrust } from "./isolated.js";
import { invlpgb, invlpgbNoTransition, invlpgbQuiet, invlpgbReuse } from "./invlpgb.js";
import { latr, latrEverything, latrOwnLate, latrReused, latrTickless } from "./latr.js";
import { localOnly } from "./local-only.js";
import { noIpi } from "./no-ipi.js";
import { noWait } from "./no-wait.js";
import { pvFlush, pvFlushBlind, pvFlushLost } from "./pv-flush.js";
import { riscvIpi, riscvLoadedOnly, riscvSbi } from "./riscv.js";
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
  pti,
  inContext,
  idlePoll,
  invlpgb,
  invlpgbQuiet,
  riscvSbi,
  riscvIpi,
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
  inContextBlind,
  inContextLate,
  ptiTrust,
  idlePollStale,
  invlpgbReuse,
  invlpgbNoTransition,
  riscvLoadedOnly,
];
