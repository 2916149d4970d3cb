// Breaks the core in one place at a time and runs the tests of that place: a mutant that no test
// notices is a hole in the tests. Works in a copy of the repository.
//   npm run mutants [-- --only TEXT] [-- --check]   (--check: does the list fit the core?)

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** File, what is there, what stands there in the mutant. Each must be there exactly once. */
const OF_INTERVAL_TREE = [
  ["node.ts", "i64x2.gt_s(v128.load(p, 112), x)", "i64x2.ge_s(v128.load(p, 112), x)"],
  ["node.ts", "i64x2.gt_s(x, v128.load(p)),", "i64x2.ge_s(x, v128.load(p)),"],
  ["node.ts", "larger(v128.load(n, 96), v128.load(n, 112))", "v128.load(n, 96)"],
  ["node.ts", "if (k > i) {", "if (k > i + 1) {"],
  ["node.ts", "k + 1 < count; k += 2", "k + 2 < count; k += 2"],
  ["node.ts", "setWord(t, H_FREE_NODES, word(t, H_FREE_NODES) + 1);", ""],
  ["insert.ts", "start >= startOf(c, FAN - 1)", "start <= startOf(c, FAN - 1)"],
  ["insert.ts", "if (start >= startOf(r, 0)) {", "if (start > startOf(r, 0)) {"],
  [
    "insert.ts",
    "    if (load<i64>(at) < last) store<i64>(at, last);\n" +
      "    if (load<i64>(at, O_START) > start) store<i64>(at, start, O_START);\n    n = c;",
    "    if (load<i64>(at, O_START) > start) store<i64>(at, start, O_START);\n    n = c;",
  ],
  ["insert.ts", "store<i64>(at, start, O_START);\n    n = c;", "{}\n    n = c;"],
  ["insert.ts", "store<i64>(at, start, O_START);\n    c = p;", "{}\n    c = p;"],
  [
    "insert.ts",
    "load<i64>(at) >= last && load<i64>(at, O_START) <= start",
    "load<i64>(at) >= last",
  ],
  ["insert.ts", "  widenAbove(t, home, start, last);", ""],
  ["insert.ts", "<i32>(load<u32>(home, O_STAMP) - shape) > 0 || isFull(home)", "isFull(home)"],
  ["insert.ts", "shape) > 0 || isFull(home)", "shape) > 0"],
  ["insert.ts", "  reshape(t, c);", ""],
  ["insert.ts", "v128.store(c + k, noLast, 64);", ""],
  ["node.ts", "+ 1);\n  reshape(t, n);\n}", "+ 1);\n}"],
  ["batch.ts", "before - <u32>(before != 0)", "before"],
  ["batch.ts", "if (count == left) return i;", "if (count > left) return i;"],
  ["batch.ts", "if (!room && !hasRoom(t)) return from + k;", ""],
  ["batch.ts", "return 2 * n + word(t, H_LEVELS) + 1;", "return n >> 3;"],
  ["batch.ts", "if ((leaf & NAMED) != 0) return i;", ""],
  ["batch.ts", "load<u32>(row) & ~NAMED", "load<u32>(row)"],
  ["sort.ts", "if (fromA && b < end)", "if (fromA)"],
  ["sort.ts", "indexAt(list, a)) <= startAt", "indexAt(list, a)) < startAt"],
  [
    "sort.ts",
    "i64x2.gt_s(key, v128.load(keys + k, 48))",
    "i64x2.ge_s(key, v128.load(keys + k, 48))",
  ],
  ["sort.ts", "const swap = list;\n    list = to;", "const swap = list;\n    list = list;"],
  ["insert.ts", "store<i64>(slot64(p, i), largestLast(c));\n  setChild", "setChild"],
  ["insert.ts", "adopt(t, r, 0, FAN - keep);", ""],
  [
    "insert.ts",
    "store<u32>(row, load<u32>(row, 4) + 1, 4);\n    return free - 1;",
    "return free - 1;",
  ],
  ["insert.ts", "setWord(t, H_VERSION, word(t, H_VERSION) + 1);", ""],
  ["insert.ts", "nodesLeft(t) >= nodesToInsert(t);\n}\n\n/** Can one", "true;\n}\n\n/** Can one"],
  ["remove.ts", "if (n + more > JOINED) return false;", "if (n + more > 18) return false;"],
  ["remove.ts", "adopt(t, a, n, n + more);", ""],
  ["remove.ts", "if (largest == gone) return;", ""],
  ["remove.ts", "if (lastOf(p, i) != gone) return;", "if (lastOf(p, i) == gone) return;"],
  ["remove.ts", "lowerRoot(t);\n  setWord", "setWord"],
  ["remove.ts", "store<u32>(row, load<u32>(row, 4) + 1, 4);", ""],
  ["search.ts", "startOf(n, i) <= last ? slot32(n, i)", "startOf(n, i) < last ? slot32(n, i)"],
  ["search.ts", "startOf(leaf, i) <= last ?", "startOf(leaf, i) < last ?"],
  [
    "search.ts",
    "if (entries != 0 && startOf(n, entries - 1) > last) return found;",
    "return found;",
  ],
  ["search.ts", "<u32>0xfffffffe << at);", "<u32>0xfffffffc << at);"],
  ["search.ts", "<= top;", "< top;"],
  ["search.ts", "if (startOf(n, i) >= g + length) break;", "if (startOf(n, i) > g) break;"],
  ["search.ts", "if (lastOf(n, i) >= g) g = lastOf(n, i) + 1;", "g = lastOf(n, i) + 1;"],
  ["bulk.ts", "store<u32>(row, generation + (generation & 1), 4);", ""],
  ["bulk.ts", "const end = min<u32>(start + FILL, n);", "const end = start + FILL;"],
  ["bulk.ts", "setWord(to, H_FREE_HANDLE, word(t, H_FREE_HANDLE));", ""],
  ["exports.ts", "(generation & 1) != 0 && ", ""],
  ["node.ts", "<u64>l < <u64>PAGES", "<u64>l <= <u64>PAGES"],
  ["node.ts", " && toF64(l) == last", ""],
  ["exports.ts", " || toF64(whole) != handle", ""],
  ["exports.ts", "if (!hasRoomToMove(t)) return <i32>NO_ROOM;", ""],
];

const OF_IOTLB = [
  ["rows.ts", "((<i64>asid) << PAGE_BITS) + page", "((<i64>asid & 1) << PAGE_BITS) + page"],
  ["list.ts", "if (newest == 0) store<u32>(table, row + 1, T_OLDEST);\n  else", ""],
  ["list.ts", "store<u32>(r, newest, R_PREV);", ""],
  ["list.ts", "if (prev == 0) store<u32>(table, next, T_OLDEST);\n  else", ""],
  ["list.ts", "if (next == 0) store<u32>(table, prev, T_NEWEST);\n  else", ""],
  ["table.ts", "memory.copy(rowAt(base, 0), from,", "memory.copy(from, rowAt(base, 0),"],
  ["table.ts", "n == 1 ? levels + 1 : levels * 2 + 3", "levels + 1"],
  ["table.ts", "limit != 0 && after > limit", "after > limit"],
  ["table.ts", "after > limit ? after - limit : 0", "after >= limit ? after - limit + 1 : 0"],
  ["table.ts", "== REFUSE && excess", "!= RETIRE && excess"],
  ["table.ts", "== RETIRE ? excess", "!= REFUSE ? excess"],
  ["table.ts", "slots + evicted >= n && ", "slots >= n && "],
  ["table.ts", " && nodesLeft(tree) >= nodesToAdd(base, n)", ""],
  ["table.ts", "tableAt(base, asid), T_OLDEST) - 1);", "tableAt(base, asid), 8) - 1);"],
  ["table.ts", "(addr - start) & LAST_PAGE", "addr - start"],
  ["table.ts", "store<u16>(r, <u16>asid, R_ASID);", ""],
  ["table.ts", "memory.fill(tableAt(base, 0), 0, tableAt(0, ASIDS) - tableAt(0, 0));", ""],
  ["translate.ts", "& access) != access) return", "& access) == 0) return"],
  ["translate.ts", "(key + load<i64>(r, R_SHIFT)) & LAST_PAGE", "key + load<i64>(r, R_SHIFT)"],
  ["translate.ts", "startOf(leaf, i) <= key ?", "startOf(leaf, i) < key ?"],
  ["translate.ts", "page > LAST_PAGE ||", "page >= LAST_PAGE ||"],
  ["translate.ts", "if (leaf == 0) continue;", ""],
  ["dump.ts", "(load<i64>(r, R_SHIFT) + start) & LAST_PAGE", "load<i64>(r, R_SHIFT) + start"],
  ["dump.ts", "load<u32>(rowAt(base, after - 1), R_NEXT)", "after"],
  ["dump.ts", "row != 0 && found < most; found++", "row != 0; found++"],
  ["exports.ts", "from == 0 && to == LAST_PAGE ? 2 : 1", "to - from >= LAST_PAGE - 1 ? 2 : 1"],
  ["exports.ts", "page += begin;", ""],
  ["exports.ts", "if (refuses(base, asid, n)) return REFUSED;", ""],
  ["exports.ts", "iotlbSizeAfter(base, asid, n) > word", "iotlbSizeAfter(base, asid, 1) > word"],
  ["exports.ts", "n == 2 || evicted != 0 || ", "evicted != 0 || "],
  ["exports.ts", "n == 2 || evicted != 0 || ", "n == 2 || "],
  [
    "exports.ts",
    "last + 1 < start) return INVALID;\n  return deleteRange",
    "last < start) return INVALID;\n  return deleteRange",
  ],
  ["exports.ts", "|| !isPage(addr) ", ""],
  [
    "exports.ts",
    "last + 1 < start) return INVALID;\n  const hit",
    "last < start) return INVALID;\n  const hit",
  ],
  ["exports.ts", "hit == 0 ? -1 : load", "hit == 0 ? 0 : load"],
];

const OF_PINNED_PAGES = [
  ["rows.ts", "(<u32>1 << (form << 1)) >> 1", "<u32>1 << form"],
  ["heap.ts", "set32(t, P_SPARE, leaf + bytes);", ""],
  ["heap.ts", "freePieces(t, leaf + bytes, leafBytes(larger) - bytes);", ""],
  ["heap.ts", "if (leaf == 0) leaf = fromLarger(t, form);", ""],
  ["heap.ts", "memory.fill(t + table, 0, bytes);", ""],
  ["heap.ts", "memory.fill(t + P_FREE, 0, (DENSE + 1) << 2);", ""],
  ["heap.ts", "freePieces(t, leaf + bytes, rest);", ""],
  ["heap.ts", "add64(t, P_USED, -(<f64>rest));", ""],
  ["leaf.ts", "const DENSE_LEAST: u32 = 96;", "const DENSE_LEAST: u32 = 16;"],
  ["leaf.ts", "if (hits != 0) return k + ctz<u32>(hits);", "if (hits != 0) return k;"],
  ["leaf.ts", "    k += 32;\n", "    k += 64;\n"],
  ["leaf.ts", "k += 4) {", "k += 8) {"],
  ["leaf.ts", "k += 2) {", "k += 4) {"],
  ["group.ts", "placeOf(t) == place && key", "key"],
  ["group.ts", "key != 0 && blockOf(key) == block", "key != 0"],
  [
    "group.ts",
    "store<u32>(entryAt(t, i), <u32>(slot - t));",
    "store<u32>(entryAt(t, i), <u32>(slot - t - (i & 16)));",
  ],
  [
    "exports.ts",
    "P_BYTES);\n  set32(t, P_END, end - SLACK);",
    "P_BYTES);\n  set32(t, P_END, end);",
  ],
  [
    "exports.ts",
    "end: u32): void {\n  set32(t, P_END, end - SLACK);",
    "end: u32): void {\n  set32(t, P_END, end);",
  ],
  ["leaf.ts", "if (form == DENSE) memory.fill(to, 0, DENSE_BYTES);", ""],
  ["leaf.ts", "memory.copy(t + offset, scratch, leafBytes(form));", ""],
  ["leaf.ts", "cutLeaf(t, old, offset, form);", ""],
  ["leaf.ts", "max<u32>(1, (roomOf(form) >> 2) - (roomOf(form) >> 4))", "1"],
  ["leaf.ts", "while (load<u64>(denseWord(leaf, index)) == 0) index++;", ""],
  ["leaf.ts", "store<u16>(smallIndex(leaf, k), load<u16>(smallIndex(leaf, count)));", ""],
  ["table.ts", "<u64>blocks * 5 > (<u64>3) << log2", "<u64>blocks > (<u64>1) << log2"],
  [
    "table.ts",
    "if (((at - homeOf(blockOf(key), log2)) & wrap) < ((at - gap) & wrap)) continue;",
    "",
  ],
  ["table.ts", "memory.fill(table, 0, half);", ""],
  ["table.ts", "&& !resize(t, log2 - 1)", "&& !resize(t, log2 - 1) && false"],
  ["pins.ts", "charged && load<f64>(t + P_CHARGED) >=", "charged && load<f64>(t + P_CHARGED) >"],
  ["pins.ts", "pfn <= load<u64>(range, 8)", "pfn < load<u64>(range, 8)"],
  ["pins.ts", "add64(t, P_REFS, -(<f64>refsOf(value)));", "add64(t, P_REFS, -1);"],
  ["ranges.ts", "if (prepared) settleAt(t, first + end - 1);", ""],
  ["ranges.ts", "if (charged >= limit) {", "if (charged > limit) {"],
  ["ranges.ts", "set32(t, P_VERSION, get32(t, P_VERSION) + refs);", ""],
  ["ranges.ts", "if (isCharged(t, word >> <u64>COUNT_BITS)) charged++;", "charged++;"],
  ["walk.ts", "index <= to && index < lowest", "index <= to"],
  ["walk.ts", "if (page < first || page > last) continue;", ""],
  ["walk.ts", "blockOf(key) < low || ", ""],
  ["exports.ts", "store<f64>(t + P_LIMIT, limit);\n  resetHeap", "resetHeap"],
  ["exports.ts", "== 0 ? i : i + 1;", "== 0 ? i : n;"],
  ["small.ts", "if (there != 0) {", "if (there > 1) {"],
  ["small.ts", "<u8>(k + 1));", "<u8>k);"],
  ["small.ts", "if (refsOf(word) == <u32>COUNT_MOST) break;", ""],
  ["small.ts", "if (charged >= limit) break;", ""],
  ["small.ts", "if (count == room) break;", ""],
  ["small.ts", "<f64>(count - before)", "<f64>i"],
  ["lists.ts", "if (costs && charged >= limit) {", "if (charged >= limit) {"],
  ["lists.ts", "if (costs) charged += 1;", "charged += 1;"],
  ["lists.ts", "add64(t, P_PINNED, <f64>fresh);", "add64(t, P_PINNED, <f64>i);"],
  ["lists.ts", "add64(t, P_REFS, <f64>i);", "add64(t, P_REFS, <f64>fresh);"],
  ["lists.ts", "set32(t, P_VERSION, get32(t, P_VERSION) + i);", ""],
  ["small.ts", "  settle(t, slot);", ""],
  [
    "small.ts",
    "k++;\n      continue;\n    }\n    gone++;",
    "k += 2;\n      continue;\n    }\n    gone++;",
  ],
];

const OF_SHOOTDOWNS = [
  // Targets: is each as usual, is it told at all?
  ["bulk.ts", "if ((to.queue | to.ipiPending) != 0) return false;", ""],
  ["bulk.ts", "if (to.online == 0) return false;", ""],
  [
    "bulk.ts",
    "to.online == 0) return false;\n  if ((options",
    "false) return false;\n  if ((options",
  ],
  ["bulk.ts", "  if (load<u32>(slot, 4) != have) return false;\n", ""],
  ["bulk.ts", "(own.running | below.irqOff) != 0", "below.irqOff != 0"],
  ["bulk.ts", "(own.running | below.irqOff)", "own.running"],
  ["bulk.ts", "if ((clock.irqSince & clock.irqQueuedAt) != NOT_QUEUED) return false;", ""],
  ["bulk.ts", "  if (clock.now > now) return false;\n", ""],
  ["bulk.ts", "clock.waitKey != 0 && ", ""],
  ["bulk.ts", "if (!staysQueued(m, cpu, clock, running)) break;", ""],
  ["bulk.ts", "if ((below.running | (other.jobHead ^ other.jobTail)) != 0) return false;", ""],
  ["bulk.ts", "(flags & abi.INFO_FREED) != 0 || ", ""],
  ["bulk.ts", "if ((options & abi.OPT_TELL_ALL) != 0) return false;", ""],
  ["bulk.ts", "(options & spares) == abi.OPT_LAZY_SKIP", "(options & spares) != 0"],
  ["bulk.ts", "(options & abi.OPT_SKIP_SWITCHING) != 0", "true"],
  ["bulk.ts", "kept &= ~(1 << (cpu & 31));", ""],
  // The initiator.
  ["bulk.ts", "if (self >= hdr(m, abi.H_WHOLE)) return pc;", ""],
  ["bulk.ts", "if (!runs(row, mm)) return pc;", ""],
  [
    "bulk.ts",
    "if ((row.infoMm | row.waitCount | row.ipiPending | row.queue) != 0) return",
    "if (false) return",
  ],
  ["bulk.ts", "if (load<u32>(asidSlot(row, row.asid), 4) != request.tlbGen) return false;", ""],
  ["bulk.ts", "return clock.ackAt == 0;", "return true;"],
  ["bulk.ts", "if (jobIsSwitch<Plain>(m, self)) return false;", ""],
  ["bulk.ts", "if (subscribed && (kind & abi.BULK_NOTIFY) != 0) return pc;", ""],
  ["bulk.ts", "if (isTrimDue(m, request, clock)) return false;", ""],
  ["bulk.ts", "(now / 1000000) >= request.trimAtMs", "(now / 1000000) > request.trimAtMs"],
  ["bulk.ts", "return bits != others && popcnt", "return popcnt"],
  ["bulk.ts", "if (!maskHas<Plain>(mask, self)) return false;", ""],
  ["bulk.ts", " | (clock.jobHead ^ clock.jobTail)) != 0) return self;", ") != 0) return self;"],
  // The request.
  ["bulk.ts", "return flags | abi.INFO_FREED | (", "return flags | ("],
  ["bulk.ts", "(gathered & abi.GF_SMALL) == 0 ?", "false ?"],
  ["bulk.ts", "if ((flags & abi.INFO_FULL) != 0) return false;", ""],
  ["bulk.ts", "if (pages > <u64>hdr(m, abi.H_CEILING)) return false;", ""],
  [
    "bulk.ts",
    "if (<u64>hdr(m, abi.H_WHOLE_SHAPE) != shapeOf(kind, pages)) {",
    "if (hdr(m, abi.H_WHOLE_SHAPE) == 0) {",
  ],
  ["bulk.ts", "hdr(m, abi.H_WHOLE_STEPS) + STEPS_TARGET * asked) return", "0) return"],
  [
    "bulk.ts",
    "max<u32>(hdr(m, abi.H_WHOLE_OVER), hdr(m, abi.H_WHOLE_TAKEN))",
    "hdr(m, abi.H_WHOLE_OVER)",
  ],
  [
    "bulk.ts",
    "since + asked * turn + last >= horizon",
    "since + asked * turn + last > horizon + 200",
  ],
  ["bulk.ts", "const queued = since + n * turn;", "const queued = since + asked * turn;"],
  ["bulk.ts", "if (asked != n) count(m, self, abi.CT_FILTERED, asked - n);", ""],
  // Small pages to one CPU.
  ["bulk.ts", " | (ctx.gFlags & abi.GF_FREED)) != 0) return", ") != 0) return"],
  ["bulk.ts", "(<u32>(word >> 32) & ~abi.INFO_FREED) | ", ""],
  ["bulk.ts", "if (<u64>hdr(m, abi.H_WHOLE_SHAPE) != shapeOf(kind, pages)) return false;", ""],
  ["bulk.ts", "if (hdr(m, abi.H_HUGE_SEEN) != 0) return false;", ""],
  ["bulk.ts", "if (budget < hdr(m, abi.H_WHOLE_STEPS) + STEPS_TARGET) return false;", ""],
  ["bulk.ts", "if (over >= horizon) return false;", ""],
  ["bulk.ts", "if (done >= horizon) return false;", ""],
  ["bulk.ts", "if (!runs(to, mm)) return false;", ""],
  ["bulk.ts", "if (other.walkFills != 0) flushWalks(m, self + apart, other, otherAsid);", ""],
  ["bulk.ts", "if (huge) cacheDropHuge(tlb, sets, ways, bits, start, end, asid);", ""],
  ["bulk.ts", "const prints = stride == 1 && hasPrints(m)", "const prints = hasPrints(m)"],
  // What is left behind.
  ["bulk.ts", "clock.ipiAt = arrival;", ""],
  ["bulk.ts", "  ctx.flag = 0;\n", ""],
  ["bulk.ts", "clock.flushSince = since;", ""],
  ["bulk.ts", "clock.wantKey = 1;", ""],
  ["bulk.ts", "      if (clock.walkFills != 0) flushWalks(m, cpu, clock, asid);\n", ""],
  ["bulk.ts", "pair(1, over - since)", "pair(1, over)"],
  ["bulk.ts", "  setHdr(m, abi.H_BUDGET, budget - ", "  setHdr(m, abi.H_BUDGET, 1 + budget - "],
  ["bulk.ts", "clock.now += load<u32>(costs + (abi.OP_DJNZ << 2));", ""],
  // Times, and what they are good for.
  ["bulk-time.ts", "(hdr(m, abi.H_SHORTCUTS) & both) == both", "hdr(m, abi.H_SHORTCUTS) != 0"],
  ["bulk-time.ts", " && hdr(m, abi.H_LOG_MASK) == 0", ""],
  ["bulk-time.ts", " &&\n    (options & ~KNOWN_OPTIONS) == 0", ""],
  ["bulk-time.ts", "  setHdr(m, abi.H_WHOLE_SHAPE, 0);\n", ""],
  ["bulk-time.ts", "hdr(m, abi.H_MASK_WORDS) == 1 && ", ""],
  ["bulk-time.ts", " && hasPrints(m)", ""],
  ["bulk-time.ts", " && hdr(m, abi.H_CEILING) != 0", ""],
  ["bulk-time.ts", "if (later(over, taken) > <u64>u32.MAX_VALUE) return false;", ""],
  ["bulk-time.ts", "price(costs, abi.OP_CSD_WAIT) + ", ""],
  ["bulk-time.ts", "later(sent + local - before, acked)", "acked"],
  ["bulk-time.ts", "abi.OP_FLUSH_OTHERS) + before +", "abi.OP_FLUSH_OTHERS) +"],
  ["bulk-time.ts", "? STEPS : STEPS + STEPS_NOTIFY", "? STEPS : STEPS"],
  // One interrupt at a time.
  ["drain.ts", "row.lazy != 0) return false;", "false) return false;"],
  ["drain.ts", " || gen != mmAt(m, mm - 1).tlbGen", ""],
  ["drain.ts", "if (over >= horizon) return false;", ""],
  ["drain.ts", "gen != load<u32>(slot, 4) + 1 || ", ""],
  ["drain.ts", "load<u32>(csd) != 0 || ", ""],
  ["drain.ts", "budget < STEPS || ", ""],
  ["drain.ts", " || (hdr(m, abi.H_LOG_MASK) & LOGGED) != 0", ""],
  ["drain.ts", "(flags & abi.INFO_FULL) != 0 || ", ""],
  ["drain.ts", "  row.ipiPending = 0;\n", ""],
  ["drain.ts", "store<u32>(csd, 0, 4);", ""],
  ["drain.ts", "bump(counters, abi.CT_STOLEN_NS, done - time);", ""],
  ["cache.ts", "  if (left >= 12) {", "  if (left >= 11) {"],
  // What TLBs do not hold.
  ["tlb.ts", "  store<u8>(row + index % ways, printOf(vpn, asid));", ""],
  ["tlb.ts", "if (cacheDropAt(set + (way << ROW_BITS), vpn, asid)) store<u8>(row + way, 0);", ""],
  ["tlb.ts", "hits &= hits - 1) {", "hits = 0) {"],
  ["tlb.ts", "    any = v128.or(any, i8x16.eq(v128.load(row), want));", "    any = any;"],
  ["tlb.ts", "      dropBlock(one, one + prints, sets, ways, vpn, stop, asid);", ""],
  ["tlb.ts", "      dropBlock(other, other + prints, sets, ways, vpn, stop, otherAsid);", ""],
  ["tlb.ts", "if (stride != 1 || !hasPrints(m)) {", "if (!hasPrints(m)) {"],
  ["tlb.ts", "  if (huge) cacheDropHuge(tlb, sets, ways, bits, start, end, asid);", ""],
  ["cache.ts", "if ((tag & ~SOFT) != makeTag(vpn, asid, false)) return false;", ""],
];

/** One ASID space for all CPUs. */
const OF_SUBSCRIBERS = [
  ["rows.ts", "reads ? load<u32>(p) | bit : load<u32>(p) & ~bit", "load<u32>(p) | bit"],
  ["rows.ts", "if ((load<u32>(p) & bit) == 0) return false;", ""],
  ["rows.ts", "return isEmpty(m, mask);", "return false;"],
  ["rows.ts", "if (flagsOf(base, row) != 0) return true;", ""],
  ["rows.ts", "if (hasSubscribers(m)) setWord(subsAt(m, mm), N_ENABLED, 0);", ""],
  ["srcu.ts", "if (depth == 1) leave<F>", "leave<F>"],
  ["srcu.ts", "if ((stateOf(m, dev) & abi.SUB_FREEING) == 0) continue;", "continue;"],
  ["srcu.ts", "if (mmAt(m, mm).brackets == 0) return abi.ST_OK;", "if (mm < 64) return abi.ST_OK;"],
  ["srcu.ts", "if (deviceAt(m, id - 1).inProgress != 0) hazard", "if (false) hazard"],
  ["srcu.ts", "deviceAt(m, id - 1).next = next;\n  }", "deviceAt(m, id - 1).next = 0;\n  }"],
  ["srcu.ts", "if (users > 1) setUsers(m, dev, users - 1);", ""],
  ["srcu.ts", "if (isNow || !noteReaders(m, devMask(m, dev)))", "if (true)"],
  ["srcu.ts", "if (isFreed(m, dev)) hazard<F>(m, actor, abi.HZ_UAF, 0, 0);", ""],
  ["srcu.ts", "deviceAt(m, dev).next = next;\n}", "}"],
  [
    "intervals.ts",
    "handleOf(base, row) != handle || flagsOf(base, row) == 0",
    "handleOf(base, row) != handle",
  ],
  [
    "intervals.ts",
    "return ctx.cursor;\n  }\n  if",
    "return nextHit(base, 0, <i64>ctx.hStart, lastOf(ctx.hEnd));\n  }\n  if",
  ],
  ["intervals.ts", " || (toldBy(m, ctx) & abi.TOLD_REFUSED) != 0", ""],
  ["intervals.ts", "setFinish(m, ctx, rows & ~((<u32>1) << (at - 1)));", "setFinish(m, ctx, 0);"],
  ["intervals.ts", "giveRow(base, at - 1);\n    const pc", "const pc"],
  ["intervals.ts", "if (unstamped && isOpen)", "if (isOpen)"],
  ["intervals.ts", "  ctx.seq = word(base, N_SEQ);\n", ""],
  ["intervals.ts", "(posted && to + 1 == end)", "posted"],
  ["intervals.ts", "if (!hasRoom(base, pieces)) return false;", ""],
  ["intervals.ts", "remove(base, row, true);\n  if (start < from)", "if (start < from)"],
  ["intervals.ts", "row < 0 || (flagsOf(base, row) & F_LEAVING) != 0", "row < 0"],
  ["intervals.ts", "isGone || stampOf(base, row) != ctx.seq", "isGone"],
  ["exec.ts", "(told & abi.START_NO_SLEEP) != 0) setTold", "told != 0) setTold"],
  ["exec.ts", "if (x == 1) hazard", "if (x == 0) hazard"],
  ["exec.ts", "word(base, N_SEQ) == ctx.seq", "false"],
  ["exec.ts", "own && (told & 0xff) == event", "(told & 0xff) == event"],
];

const OF_ASIDS = [
  ["asid.ts", "active != 0 ? active : load<u32>(p, RESERVED)", "active"],
  ["asid.ts", "    store<u32>(p, now);\n    hit = true;", "    hit = true;"],
  ["asid.ts", "    if (isReserved(m, old, now)) return now;\n", ""],
  ["asid.ts", "    if (load<u32>(rowOf(m, mm), PINS) != 0) return now;\n", ""],
  ["asid.ts", "  store<u32>(head, asid, NEXT);\n", ""],
  ["asid.ts", "if (w == from >> 5) free &= <u32>0xffffffff << (from & 31);", ""],
  ["asid.ts", "return asid <= space ? asid : 0;", "return asid;"],
  ["asid.ts", "keepsPins ? load<u32>(pinnedOf(m) + at) : 0", "0"],
  ["asid.ts", "    or32<F>(pendingOf(m) + ((i >> 5) << 2), 1 << (i & 31));\n", ""],
  ["asid.ts", "  if (isPending) maskUnset<F>(pendingOf(m), cpu);\n", ""],
  ["asid.ts", "active == 0 || !isCurrent<F>(m, id)", "!isCurrent<F>(m, id)"],
  ["asid.ts", "active == 0 || !cas32<F>", "!cas32<F>"],
  ["asid.ts", "return held != 0 && held != asid;", "return false;"],
  ["asid.ts", "if (ctx.flag != 0) flushAll(m, cpu);", ""],
  ["asid.ts", "load<u32>(head, PINNED_COUNT) < most", "load<u32>(head, PINNED_COUNT) <= most"],
  ["asid.ts", "  if (load<u32>(rowOf(m, mm), PINS) != 0) unpin(m, mm);\n", ""],
  ["asid.ts", "  charge(m, cpu, abi.COST_ROLLOVER, 1);\n", ""],
  ["asid.ts", "  charge(m, cpu, abi.COST_ASID_FLUSH, 1);\n", ""],
];

/** The explorer's table, and what one step has changed. */
const OF_EXPLORER = [
  ["delta.ts", "sum += mix(i, now, seed) - mix(i, before, seed);", "sum += mix(i, now, seed);"],
  ["delta.ts", "for (let i: u32 = 0; i < lines; i++) {", "for (let i: u32 = 1; i < lines; i++) {"],
  ["delta.ts", "store<u32>(changedAt(x, n), <u32>at);", ""],
  ["slots.ts", "while (load<u64>(slots + ((<usize>at) << 3)) != 0) at = (at + 1) & mask;", ""],
  ["slots.ts", "    if (print == 0) continue;\n", "    continue;\n"],
  ["explore.ts", "  store<u64>(to + bytes, print);\n", ""],
  ["explore.ts", "        if (dirty) forgetChanges(x);\n", ""],
  ["explore.ts", "return sum == 0 ? 1 : sum;", "return 1;"],
];

/** Devices with more than a cache. */
const OF_DEVICES = [
  ["flush.ts", "return start - start % blockOf(end - start);", "return start;"],
  ["flush.ts", "return over == 0 ? end : end + (blockOf(end - start) - over);", "return end;"],
  ["flush.ts", "(<u64>1) << (64 - clz<u64>(pages - 1))", "(<u64>1) << (63 - clz<u64>(pages - 1))"],
  ["flush.ts", "if (kind == abi.FLUSH_ALL) return true;", ""],
  ["flush.ts", "if (kind == abi.FLUSH_PAGE_OR_ALL && start != ALL) return true;", ""],
  ["flush.ts", " && start != ALL) return true;", ") return true;"],
  ["flush.ts", "return (how & abi.FLUSH_EMPTY_ALL) != 0;", "return false;"],
  ["flush.ts", "kind == abi.FLUSH_PAGE_OR_ALL) return end - start > 1;", "false) return false;"],
  ["flush.ts", "end - start >= <u64>abi.FLUSH_LARGE", "end - start > <u64>abi.FLUSH_LARGE"],
  ["flush.ts", "if (from >= to) return 0;", ""],
  ["flush.ts", "cost(m, abi.COST_IOMMU_COMMAND) + ", ""],
  ["flush.ts", "return atc + cost(m, abi.COST_GPU_INVALIDATE);", "return atc;"],
  ["flush.ts", "(to - from) * cost(m, abi.COST_MMIO_PAGE)", "cost(m, abi.COST_MMIO_PAGE)"],
  ["flush.ts", "default: return atc + cost(m, abi.COST_DEV_ZAP);", "default: return atc;"],
  ["flush.ts", "min<u64>(priceOf(m, how, from, to), NS_MOST)", "priceOf(m, how, from, to)"],
  ["flush.ts", "  chargeNs(m, actor, ns);\n", ""],
  ["flush.ts", "if ((how & abi.FLUSH_NOT_IOTLB) == 0) dropCached", "dropCached"],
  ["flush.ts", "if ((how & abi.FLUSH_ATC) != 0) dropCached(m, atcAt(m, dev), from, to);", ""],
  ["flush.ts", "      cacheDropAll(pwcAt(m, own), hdr(m, abi.H_PWC_ENTRIES));\n", ""],
  ["flush.ts", "(moreAt(m, dev).traits & abi.MORE_SNOOPS) == 0 || ", ""],
  ["flush.ts", "if (info.infoMm != abi.INFO_ANY_MM && info.infoMm != mm) continue;", ""],
  [
    "flush.ts",
    "    cacheDropAll(pwcAt(m, cpus + dev), hdr(m, abi.H_PWC_ENTRIES));\n  }\n",
    "  }\n",
  ],
  ["atc.ts", "if (write && !entryWritable(e)) return false;", ""],
  ["atc.ts", "const hit = own != 0 ? own : findIn", "const hit = findIn"],
  [
    "atc.ts",
    "const hit = findIn(m, atcAt(m, dev), vpn);",
    "const hit = findIn(m, iotlbAt(m, dev), vpn);",
  ],
  ["forget.ts", "if ((more.traits & abi.MORE_KEEPS) != 0) return false;", ""],
  ["forget.ts", "  dropPfnCache(more);\n", ""],
  ["requests.ts", "if (more.retries > limit)", "if (more.retries >= limit)"],
  ["requests.ts", "  if (limit == 0) return;\n", ""],
  ["requests.ts", "if (more.served == 0 || deviceAt(m, dev).mm == 0) return false;", ""],
  ["requests.ts", "  if (ctx.flag != 0) retry<F>(m, dev, vpn, limit);\n", ""],
  ["requests.ts", "if (devCtxAt(m, dev).running != 0) return", "if (true) return"],
  ["requests.ts", "mm != 0 && mmAt(m, mm - 1).users != 0", "mm != 0"],
  ["requests.ts", "    mmAt(m, mm - 1).users++;\n", ""],
  ["requests.ts", "if (!isAsked || ", "if ("],
  ["guest.ts", "start < more.slotEnd && more.slotStart < end", "start <= more.slotEnd"],
  ["guest.ts", "gfn >= more.slotBase && offset", "offset"],
  ["guest.ts", "isIn ? more.slotStart + offset : 0", "gfn"],
  ["guest.ts", "if (what == abi.TEST_SEQ) return row.seq != ctx.seq;", ""],
  ["guest.ts", "row.rangeStart <= vpn && vpn < row.rangeEnd", "true"],
  ["guest.ts", "start <= vpn && vpn < end) dropPfnCache(more);", "false) dropPfnCache(more);"],
  ["guest.ts", "if (more.mark != 0 && start < more.mark && more.mark <= end) more.mark = 0;", ""],
  ["guest.ts", "start < more.mark && more.mark <= end", "start <= more.mark && more.mark < end"],
  ["guest.ts", "return more.mark != vpn + 1;", "return false;"],
  ["guest.ts", "return more.active != 0 || row.seq", "return row.seq"],
  ["guest.ts", "more.active != 0 || row.seq != ctx.seq", "more.active != 0"],
  ["guest.ts", "if (frozen && more.active != 0) return", "if (false) return"],
  ["guest.ts", "  deviceAt(m, dev).seq++;\n", ""],
  ["guest.ts", "return left == 0 ? abi.ST_OK", "return true ? abi.ST_OK"],
  ["exec.ts", "if (!hasMore(m)) return abi.ST_BAD_PROGRAM;", ""],
  ["exec.ts", "|| !isThere) return", ") return"],
];

/** Mappings for DMA and pinned pages. */
const OF_PINS = [
  ["locks.ts", "    isFree = <i32>held >= 0;\n", "    isFree = held == 0;\n"],
  ["locks.ts", "    next = 0xffffffff;\n", "    next = 1;\n"],
  ["locks.ts", "put32<F>(p, how == abi.PINS_CHAIN ? get32<F>(p) - 1 : 0);", "put32<F>(p, 0);"],
  ["locks.ts", " || (ctx.locks & bitOf(how)) == 0", ""],
  [
    "mappings.ts",
    "if ((mapping.flags & abi.MAP_TREE) == 0) continue;\n    if (<u64>mapping.start <= page",
    "if (<u64>mapping.start <= page",
  ],
  ["mappings.ts", "  if (overlaps(m, start, end)) return false;\n", ""],
  ["mappings.ts", "start >= end || end > <u64>pagesOf(m)", "end > <u64>pagesOf(m)"],
  ["mappings.ts", "mapping.owner = mmAt(m, ctx.mm - 1).ctxId;", "mapping.owner = 1;"],
  ["mappings.ts", "found < 0 || mapping.start < mappingAt(m, found).start", "found < 0"],
  ["mappings.ts", "if (whole && isCut(m, start, end)) return 0;", ""],
  ["mappings.ts", "if (first != null && <u64>first.start != start) return true;", ""],
  ["mappings.ts", "last != null && <u64>last.end != end", "false"],
  ["mappings.ts", "mapping.flags == 0 || mapping.gen != <u32>(handle >> 8)", "mapping.flags == 0"],
  ["mappings.ts", "all = all && pageAt(m, page).held != 0;", ""],
  ["mappings.ts", "any = any || pageAt(m, page).pin != 0;", ""],
  [
    "mappings.ts",
    "  if (release) putFrame<F>(m, actor, pfn);\n  else leak(m, pfn);",
    "  leak(m, pfn);",
  ],
  ["mappings.ts", "      leak(m, row.held - 1);\n", ""],
  ["mappings.ts", "    left = left || how != abi.REMOVE_RELEASE;\n", ""],
  ["mappings.ts", "  mapping.gen = gen;\n", ""],
  ["pages.ts", "owner.ctxId != mapping.owner || ", ""],
  ["pages.ts", "mapping.base + (page - mapping.start)", "page"],
  ["pages.ts", "(pte & (abi.PTE_P | abi.PTE_W)) == (abi.PTE_P | abi.PTE_W) ? pte : 0", "pte"],
  ["pages.ts", "if (ctx.mm != mapping.mm || ", "if ("],
  ["pages.ts", "(mapping.flags & abi.MAP_CLOSED) != 0 || entryOf", "entryOf"],
  ["pages.ts", "page < mapping.end && pageAt", "page + 1 < mapping.end && pageAt"],
  ["pages.ts", "  frameAt(m, pfn).refs++;\n", ""],
  ["pages.ts", "  if (listOf(m) == 0) return false;\n", ""],
  ["pages.ts", "mapping == null || (mapping.flags & abi.MAP_CLOSED) != 0", "mapping == null"],
  ["pages.ts", "  row.pins++;\n", "  row.pins = 1;\n"],
  ["pages.ts", "  if (--row.pins != 0) return;\n", "  row.pins = 0;\n"],
  ["pages.ts", "  if (own.count != 0) own.count--;\n", ""],
  ["pages.ts", "  if (covering(m, page) == null) return false;\n", ""],
  ["pages.ts", "    if (own.count <= 1) stop(m, dev, <u32>at);\n", "    stop(m, dev, <u32>at);\n"],
  ["pages.ts", "  own.gen = frameAt(m, ctx.seq - 1).gen;\n", ""],
  ["pages.ts", "row.held != 0 && row.to == 0", "row.held != 0"],
  ["pages.ts", "        row.toGen = 0;\n", ""],
  ["pages.ts", "mapping.start, mapping.end);\n  }\n}", "mapping.start, mapping.start);\n  }\n}"],
  ["dma.ts", "if (frameAt(m, pfn).gen != gen) {", "if (false) {"],
  ["dma.ts", "row.held == pfn + 1 || row.pin", "row.pin"],
  ["dma.ts", " || row.pin == pfn + 1", ""],
  ["dma.ts", "if (!isHeld || covering(m, page) == null)", "if (!isHeld)"],
  ["dma.ts", "  if (row.to == 0) return false;\n", ""],
  ["exec.ts", "  setNext(m, dev, 0);\n", ""],
  ["exec.ts", "setNext(m, before, nextOf(m, dev));", ""],
  ["exec.ts", "    if (isListed(m, dev)) return;\n", ""],
  ["exec.ts", "if (reread) tell", "if (false) tell"],
  ["exec.ts", "  if (page == mapping.end) return;\n", ""],
  ["exec.ts", "  if (needsLock && !holdsContainer(ctx)) return abi.ST_BAD_PROGRAM;\n", ""],
  [
    "exec.ts",
    "  if (!holdsContainer(ctx)) return abi.ST_BAD_PROGRAM;\n  if (op == abi.OP_PIN_ABSENT)",
    "  if (op == abi.OP_PIN_ABSENT)",
  ],
];

/** Device models and threads of the host. */
const OF_HOST = [
  [
    "host.ts",
    "  clock.hostAnswer = 0;\n  if ((answer & abi.HOST_WAIT)",
    "  if ((answer & abi.HOST_WAIT)",
  ],
  ["host.ts", "isShared<F>() || (answer & abi.HOST_ANSWERED) == 0", "isShared<F>()"],
  ["host.ts", "  chargeNs(m, actor, clock.hostNs);\n", ""],
  ["host.ts", "(answer & abi.HOST_FLAG) != 0 ? 1 : 0", "0"],
  ["host.ts", "    setReg(ctx, b, clock.hostY);\n", ""],
  ["host.ts", "clock.hostNs == key) clock.hostAnswer = 0;", "clock.hostNs == key) {}"],
  ["host.ts", "  wakeWaiters<Plain>(m, self, key);\n", ""],
  ["host.ts", "frameAt(m, pfn).gen == gen", "frameAt(m, pfn).gen >= gen"],
  ["host.ts", "(write != 0 ? 3 : 1)", "1"],
  [
    "lifecycle.ts",
    "      if (kept == 0) row.subscribers = id;\n      else deviceAt(m, kept - 1).next = id;",
    "      row.subscribers = id;",
  ],
  ["lifecycle.ts", "  if (!hasSubscribers(m)) forgetSubscribers(m, mm);\n", ""],
  ["step.ts", "      if (status == abi.ST_HOST) setHdr(m, abi.H_BUDGET, left);\n", ""],
  ["exec-flush.ts", "      : dev.hookRelease;\n", "      : 0;\n"],
];

/** The core's folder, its tests (one after the other, quick ones first), its mutants. */
const SUITES = [
  ["assembly/interval-tree", "test/interval-tree", OF_INTERVAL_TREE],
  ["assembly/iotlb", "test/iotlb", OF_IOTLB],
  ["assembly/pinned-pages", "test/pinned-pages", OF_PINNED_PAGES],
  [
    "assembly",
    "test/kernel/tlb-prints test/kernel/bulk-unusual test/kernel/bulk.test test/kernel/shortcuts",
    OF_SHOOTDOWNS,
  ],
  ["assembly", "test/kernel/asids test/model/asids", OF_ASIDS],
  ["assembly", "test/explore/plain-search.test.ts test/explore/explore.test.ts", OF_EXPLORER],
  [
    "assembly/devices",
    "test/kernel/consumers test/model/devices test/scenario-files/shipped",
    OF_DEVICES,
  ],
  ["assembly/subscribers", "test/subscribers test/model/subscribers", OF_SUBSCRIBERS],
  ["assembly/pins", "test/model/pins test/pins", OF_PINS],
  ["assembly", "test/hmm/callbacks test/model/host", OF_HOST],
];
const MUTANTS = SUITES.flatMap(([core, test, list]) =>
  list.map((mutant) => [core, test, ...mutant]),
);

/** Mutants that change nothing anybody can see, and why. */
const EQUIVALENT = new Map([
  [
    "pins/mappings.ts:       leak(m, row.held - 1);",
    "no program of the library removes a mapping that holds pages",
  ],
  [
    "pins/exec.ts:   if (needsLock && !holdsContainer(ctx)) return abi.ST_BAD_PROGRAM;",
    "no program of the library pins without the lock",
  ],
  [
    "pins/exec.ts:   if (!holdsContainer(ctx)) return abi.ST_BAD_PROGRAM;",
    "no program of the library looks at mappings without the lock",
  ],
  [
    "pins/locks.ts:  || (ctx.locks & bitOf(how)) == 0",
    "no program of the library gives back a lock that it has not taken",
  ],
  [
    "devices/guest.ts: gfn >= more.slotBase && offset",
    "below the slot the offset is larger than any slot, as it has no sign",
  ],
  [
    "devices/requests.ts: if (!isAsked || ",
    "a handler answers what it has taken, and nobody else does",
  ],
  [
    "devices/exec.ts: if (!hasMore(m)) return abi.ST_BAD_PROGRAM;",
    "whose programs have these micro-ops has the rows",
  ],
  [
    "subscribers/exec.ts: (told & abi.START_NO_SLEEP) != 0) setTold",
    "brackets that may sleep never ask whether they were refused",
  ],
  [
    "assembly/bulk.ts: if ((clock.irqSince & clock.irqQueuedAt) != NOT_QUEUED) return false;",
    "who has a place in the interrupt queue has an interrupt pending, or runs its handler",
  ],
  [
    "assembly/bulk.ts: (own.running | below.irqOff) != 0",
    "who is in the middle of a switch and not parked is queued at its own clock, which is ahead",
  ],
  [
    "assembly/bulk.ts: clock.waitKey != 0 && ",
    "who runs and is not parked is queued at its own clock, which is ahead of the initiator's",
  ],
  [
    "assembly/bulk.ts: if ((to.queue | to.ipiPending) != 0) return false;",
    "policies that wait leave no csd queued at a CPU that takes interrupts and has no turn to come",
  ],
  [
    "assembly/bulk.ts: return bits != others && popcnt",
    "who runs an mm, not lazily, is in its mask",
  ],
  [
    "assembly/bulk.ts: if (!maskHas<Plain>(mask, self)) return false;",
    "who runs an mm, not lazily, is in its mask",
  ],
  [
    "subscribers/srcu.ts: if (depth == 1) leave<F>",
    "no program of the library nests sections of SRCU",
  ],
  [
    "interval-tree/remove.ts: if (largest == gone) return;",
    "stores a bound that is there already, further up",
  ],
  [
    "interval-tree/node.ts: <u64>l < <u64>PAGES",
    "only -2^51 becomes 2^52 on its way, and is no page either when it is turned back",
  ],
]);

const at = process.argv.indexOf("--only");
const only = at < 0 ? "" : process.argv[at + 1];

const asked = MUTANTS.map(([core, test, file, from, to]) => ({
  core,
  test,
  file,
  from,
  to,
  name: `${basename(core)}/${file}: ${from.split("\n")[0]}`,
})).filter(({ name }) => name.includes(only));

// A list that no longer fits the core is found before an hour of it has run.
let misfits = 0;
for (const { core, file, from, name } of asked) {
  const places = readFileSync(join(root, core, file), "utf8").split(from).length - 1;
  if (places === 1) continue;
  console.error(`mutants: ${name} stands ${places} times in ${file}`);
  misfits++;
}
if (misfits > 0) process.exit(2);
if (process.argv.includes("--check")) process.exit(0);

const folder = mkdtempSync(join(tmpdir(), "shootdown-mutants-"));
for (const part of ["docs", "assembly", "scenarios", "scripts", "src", "test", "traces"]) {
  cpSync(join(root, part), join(folder, part), { recursive: true });
}
for (const file of ["package.json", "tsconfig.json", "vitest.config.ts"]) {
  cpSync(join(root, file), join(folder, file));
}
// Not optimised: that takes a quarter of the time, and is no question that these tests answer.
const config = JSON.parse(readFileSync(join(root, "asconfig.json"), "utf8"));
config.targets.release.optimizeLevel = 0;
writeFileSync(join(folder, "asconfig.json"), JSON.stringify(config));
symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));

function run(args, timeout) {
  return spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8", timeout });
}

/** Builds what stands there and runs the tests. A mutant may loop for ever: it is ended then. */
function outcomeOf(test, timeout) {
  if (run(["scripts/build.mjs"], timeout).status !== 0) return "killed  ";
  const vitest = join(folder, "node_modules/vitest/vitest.mjs");
  for (const part of test.split(" ")) {
    const args = [vitest, "run", part, "--pool", "threads", "--bail", "1"];
    const { error, status } = run(args, timeout);
    if (error?.code === "ETIMEDOUT") return "no end  ";
    if (status !== 0) return "killed  ";
  }
  return "survived";
}

/** How long the tests may take: several times as long as without a mutant, on this machine now. */
const patience = new Map();
for (const test of new Set(asked.map((mutant) => mutant.test))) {
  const from = performance.now();
  const outcome = outcomeOf(test, 600_000);
  if (outcome !== "survived") {
    console.error(`mutants: ${test} does not pass without a mutant`);
    process.exit(2);
  }
  patience.set(test, 60_000 + 5 * Math.ceil(performance.now() - from));
}

const count = { "killed  ": 0, "no end  ": 0, survived: 0 };
const survivors = [];
for (const { core, test, file, from, to, name } of asked) {
  const path = join(folder, core, file);
  const text = readFileSync(path, "utf8");
  writeFileSync(
    path,
    text.replace(from, () => to),
  );
  const outcome = outcomeOf(test, patience.get(test));
  writeFileSync(path, text);
  count[outcome]++;
  if (outcome === "survived") survivors.push(name);
  console.log(`${outcome}  ${name}`);
}
rmSync(folder, { recursive: true, force: true });
const unexplained = survivors.filter((name) => !EQUIVALENT.has(name));
const explained = survivors.length - unexplained.length;
console.log(
  `${asked.length} mutants: ${count["killed  "]} killed, ${count["no end  "]} without an end, ` +
    `${explained} equivalent, ${unexplained.length} survived`,
);
process.exit(unexplained.length === 0 ? 0 : 1);
