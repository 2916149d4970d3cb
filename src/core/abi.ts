/**
 * The one file that belongs to both worlds: it is compiled by `tsc` and by `asc`.
 *
 * Plain numeric constants only: micro-op codes, status codes, header indices, flags. No types, no
 * strings, no expressions that one of the two compilers would read differently.
 */

/** "SHTD", little endian: the first word of every machine. */
export const ABI_MAGIC = 0x44544853;
/** Raised whenever a layout or a micro-op changes its meaning. */
export const ABI_VERSION = 1;

// ── status of step(), and of every other export ─────────────────────────────────────────────
export const ST_OK = 0; // one micro-op was executed
export const ST_WAIT = 1; // would block; the state is unchanged
export const ST_IDLE = 2; // the actor has nothing to run
export const ST_LOG_FULL = 3; // timed: the event log must be drained before the next step
export const ST_DONE = 4; // timed: every actor is idle; explore: the space is exhausted
export const ST_DEADLOCK = 5; // timed: somebody waits and nobody can run
export const ST_BUDGET = 6; // the step budget of this call is used up
export const ST_TIME = 7; // timed: the next step would start after `until`
export const ST_HAZARD = 8; // explore: a hazard was committed
export const ST_FULL = 9; // explore: table, frontier or node store is full
export const ST_HOST = 10; // a micro-op asks the host; the state is unchanged (timed: | actor << 8)
export const ST_NO_FRAMES = -1; // frame pool empty; the state is unchanged
export const ST_NO_TABLES = -2; // table pool empty; the state is unchanged
export const ST_NO_VMAS = -3; // VMA rows of this mm are full; the state is unchanged
export const ST_NO_MMS = -4; // no free mm row; the state is unchanged
export const ST_BAD_PROGRAM = -5; // a micro-op met a state its program may not reach

// ── header words (u32 index from the machine's base) ────────────────────────────────────────
export const H_MAGIC = 0;
export const H_VERSION = 1;
export const H_CPUS = 2;
export const H_TASKS = 3;
export const H_MMS = 4;
export const H_DEVICES = 5;
export const H_FRAMES = 6;
export const H_TABLES = 7;
export const H_LEVELS = 8;
export const H_INDEX_BITS = 9; // log2 of the entries of a page table
export const H_TLB_SETS = 10; // power of two
export const H_TLB_WAYS = 11;
export const H_PWC_ENTRIES = 12; // paging-structure cache entries per CPU and per device
export const H_ASIDS = 13; // dynamic ASIDs per CPU
export const H_VMAS = 14; // VMA rows per mm
export const H_IOTLB_SETS = 15;
export const H_IOTLB_WAYS = 16;
export const H_WATCH = 17; // watched pages of the ORDER oracle and of speculative walks
export const H_GATHER_PAGES = 18; // frames one gather batch can hold
export const H_CEILING = 19; // pages; a larger range is flushed whole (Linux: 33)
export const H_OPTIONS = 20; // OPT_*
export const H_LOG_MASK = 21; // bit per EV_*
export const H_ACTORS = 22; // CPUs then devices
export const H_CONTEXTS = 23; // tasks, then one per CPU, then one per device
export const H_MASK_WORDS = 24; // u32 words of a CPU mask
export const H_CPU_STRIDE = 25;
export const H_TABLE_STRIDE = 26;
export const H_STATE_START = 27; // explored bytes: [start, end)
export const H_STATE_END = 28;
export const H_OFF_SYS = 29;
export const H_OFF_CTX = 30;
export const H_OFF_CPU = 31;
export const H_OFF_TASK = 32;
export const H_OFF_MM = 33;
export const H_OFF_DEV = 34;
export const H_OFF_MASK = 35;
export const H_OFF_CSD = 36;
export const H_OFF_TLB = 37;
export const H_OFF_PWC = 38;
export const H_OFF_IOTLB = 39;
export const H_OFF_VMA = 40;
export const H_OFF_BATCH = 41;
export const H_OFF_WATCH = 42;
export const H_OFF_FRAME = 43;
export const H_OFF_TABLE = 44;
export const H_OFF_CODE = 45;
export const H_CODE_LEN = 46; // instructions
export const H_OFF_COST = 47;
export const H_OFF_COUNTER = 48;
export const H_OFF_CLOCK = 49;
export const H_OFF_HEAP = 50;
export const H_HEAP_LEN = 51;
export const H_OFF_LOG = 52;
export const H_LOG_CAP = 53; // records
export const H_LOG_LEN = 54;
export const H_HANDLER_PC = 55; // entry of the call-function interrupt handler
export const H_OFF_WATCH_VPN = 56; // configuration of the watched pages: u64 vpn, u64 mm
export const H_TOTAL_BYTES = 57;
export const H_OFF_JOB = 58; // job queue per actor (timed and parallel)
export const H_JOB_CAP = 59;
export const H_MERGE = 60; // 1: local micro-ops run on in the same step
export const H_PARKED = 61; // actors parked in a wait (timed)
export const H_STEPS_LO = 62; // steps taken by the timed driver: a u64
export const H_STEPS_HI = 63;
export const H_IRQ_LEN = 64; // interrupts that did not arrive in order, a heap (timed)
export const H_BUDGET = 65; // steps the running timedAdvance may still take
export const H_HUGE_SEEN = 66; // 1: a huge leaf was set in this machine; until then nobody probes
export const H_TLB_STRIDE = 67; // bytes from one CPU's TLB to the next
export const H_SHORTCUTS = 68; // SHORT_*: what the timed driver may execute without decoding it
export const H_IRQ_HEAD = 69; // interrupts that arrived in order: [head, tail)
export const H_IRQ_TAIL = 70;
export const H_OFF_VMA_TREE = 71; // interval tree of each mm's VMAs, behind 64 bytes
export const H_VMA_STRIDE = 72; // bytes from one mm's tree to the next
export const H_VMA_NODES = 73; // nodes of each
export const H_VMA_CHANGES = 74; // + 1 with every change of a VMA: what it was
export const H_VMA_SAVED = 75; // when the rows were written or read last
export const H_VMA_READ = 76; // when they were read last
export const H_CSD_STRIDE = 77; // bytes of a csd: CSD_BYTES, or with a payload CSD_WIDE_BYTES
export const H_OFF_BATCHED = 78; // OPT_BATCH: per task {required u32, CPU mask}
export const H_OFF_BROADCAST = 79; // OPT_BROADCAST: per CPU mask of those that have not applied its
export const H_OFF_LATR = 80; // OPT_LATR: per CPU a ring of lazily flushed unmappings
export const H_LATR_RING = 81; // entries of each
export const H_LATR_STRIDE = 82; // bytes of an entry
export const H_TICK_LO = 83; // timed: when the next tick sweeps, a u64; all-ones: none is due
export const H_TICK_HI = 84;
export const H_OFF_VCPU = 87; // OPT_PREEMPT: per CPU VCPU_* u32
export const H_ROWS = 89; // ROW_*: rows that options have no bit for
export const H_OFF_BIRTH = 90; // ROW_LIFETIMES, timed: per TLB entry the tick of its birth, u32
export const H_LIFE_TICKS = 91; // ROW_LIFETIMES: ticks for which frames are withheld
export const H_LIFE_RENEWS = 92; // mutant: 1: an entry that is used begins to live anew
export const H_PARKED_PAGES = 85; // frames that are parked now
export const H_PARKED_MOST = 86; // and the most that ever were
export const H_SOCKET_CPUS = 88; // CPUs of a socket; 0: no distance between CPUs
export const H_OFF_ASIDS = 100; // ROW_ASIDS: see assembly/asid.ts
export const H_OFF_DEVICES = 103; // ROW_DEVICES: see assembly/devices/rows.ts
export const H_ASID_SPACE = 101; // ASIDs of the machine, from 1 on: more than CPUs
export const H_OFF_SUBSCRIBERS = 102; // ROW_NOTIFIERS: see assembly/subscribers/rows.ts
export const H_NODE_CPUS = 104; // CPUs of a node, which copies page tables as one
export const H_OFF_SHARERS = 105; // OPT_REPLICAS, OPT_CORE_TABLES: {tracked, copied} masks
export const H_SHARER_STRIDE = 106; // bytes of a table's
export const H_OFF_TOLD = 107; // per CPU the mask of those whom its request is for
export const H_OFF_DIRECTORY = 108; // OPT_DIRECTORY: its sets
export const H_DIR_SETS = 109; // power of two
export const H_DIR_WAYS = 110;
export const H_DIR_SILENT = 111; // mutant: 1: an entry makes room without a word to its TLBs
export const H_OFF_DEFER = 93; // OPT_DEFER: {newest gen u32, next key u32, oldest key u32, 0}
export const H_OFF_DEFER_LIST = 94; // per mm {head u32, tail u32} of freed frames not flushed for
export const H_OFF_DEFER_KEY = 95; // per frame the key of its deferral, u32; 0: none
export const H_OFF_DEFER_RING = 96; // deferrals: a ring, the place is the key modulo its length
export const H_DEFER_RING = 97; // its length
export const H_DEFER_STRIDE = 98; // bytes of a deferral
export const H_OFF_ACCESS = 99; // OPT_ACCESSED: per frame u32 who has cached it: see access.ts
export const H_OFF_PTI = 112; // OPT_PTI: per CPU PTI_BYTES, then per task u32: 1 in the kernel
export const H_OFF_EVERY = 113; // mask of all CPUs: a flush of kernel pages is for them
export const H_PTI_PAGES = 114; // INFO_USER_LATER: longer ranges leave the user half to the exit
export const H_OFF_POLL = 115; // OPT_POLL: per CPU u32, 1 while its idle loop polls, 2: wanted
export const H_OFF_GLOBAL = 116; // OPT_GLOBAL_ASIDS: see assembly/global-asid.ts
export const H_GLOBAL_ASIDS = 117; // how many there are, at most 62
export const H_GLOBAL_CPUS = 118; // an mm active on more CPUs gets one
export const H_GLOBAL_EVERY = 119; // asked at every so many-th shootdown of an mm
// Timed, of the running timedAdvance: see assembly/bulk-time.ts.
export const H_WHOLE = 120; // CPUs whose flush requests may be carried out whole: all, or none
export const H_WHOLE_SHAPE = 121; // BULK_* | pages << 3 of the request that they are about, or 0
export const H_WHOLE_TURN = 122; // ns to queue the csd of one target
export const H_WHOLE_ARRIVAL = 123; // its interrupts arrive, ns from its beginning but those turns
export const H_WHOLE_TAKEN = 124; // its handlers are over
export const H_WHOLE_OVER = 125; // it is over
export const H_WHOLE_STEPS = 126; // visible micro-ops of it, without its targets
export const H_WHOLE_RARE = 127; // WHOLE_*: what most machines are not
export const H_OFF_PINS = 128; // ROW_PINS: see assembly/pins/rows.ts
export const H_WORDS = 130;
export const SHORT_DRAIN = 1; // the handler is the program that assembly/drain.ts knows
export const SHORT_SEND = 2; // loops of csd.send
export const SHORT_FLUSH = 4; // requests whose flush.prep has BULK_* in operand c: assembly/bulk.ts
export const BULK_SEND_FIRST = 1; // send, flush locally, wait
export const BULK_LOCAL_FIRST = 2; // flush locally, send, wait
export const BULK_NOTIFY = 4; // the secondary TLBs are notified before flush.done
export const BULK_BITS = 3;
export const WHOLE_TRIM = 1; // cpumasks are trimmed when that is due
export const WHOLE_LARGE = 2; // more than 32 CPUs, or a TLB of another shape than the usual one

// ── options: each is a named assumption that a verdict prints ───────────────────────────────
export const OPT_DELAYED_IPI = 1; // a pending interrupt may be taken any number of steps later
export const OPT_SPECULATIVE_WALKS = 2; // CPUs and sharing devices may fill a watched page any time
export const OPT_LAZY_SKIP = 4; // lazy CPUs are filtered from shootdowns (Linux since 4.20)
export const OPT_SKIP_SWITCHING = 16; // mutant: a CPU in the middle of a switch is not told
export const OPT_NMI = 32; // NMIs may read watched pages at any time
export const OPT_GUARD_REFUSE = 64; // … not while a reached flush is pending
export const OPT_GUARD_FLUSH = 128; // … which they carry out first
export const OPT_INLINE = 256; // a csd carries a copy of the request
export const OPT_ASYNC = 512; // requests that free no tables are queued as asynchronous
export const OPT_ASYNC_ALL = 2048; // mutant: those that free tables, too
export const OPT_BATCH = 4096; // reclaim defers flushes into a batch of its task
export const OPT_BROADCAST = 8192; // invalidations are broadcast by hardware
export const OPT_LATR = 16384; // unmapped frames are parked until every CPU has swept
export const OPT_TELL_LAZY = 32768; // lazy CPUs are not filtered from shootdowns
export const OPT_TELL_ALL = 65536; // nor those that run another mm: the whole cpumask is told
export const OPT_PREEMPT = 131072; // a hypervisor may preempt and resume CPUs at any time
export const OPT_PV_FLUSH = 262144; // preempted CPUs are not told, they flush when they are resumed
export const OPT_PV_BLIND = 524288; // mutant: … whether or not they have been resumed meanwhile
export const OPT_PV_LOST = 1048576; // mutant: … which nobody does
export const OPT_DEFER = 4194304; // frames are freed unflushed, and flushed for when taken
export const OPT_ACCESSED = 8388608; // who has cached a frame is known, and nobody else is told
export const OPT_DIRTY = 2097152; // stores of CPUs set dirty bits, which TLBs cache
export const OPT_ORDERED = 16777216; // broadcasts advance only slots that missed no request
export const OPT_REPLICAS = 33554432; // every node has its own copies of page tables
export const OPT_CORE_TABLES = 67108864; // every CPU has its own, tracked page by page
export const OPT_DIRECTORY = 134217728; // a TLB directory knows whom a broadcast is for
export const OPT_CALLS = 1024; // CPUs call each other: a csd has room for what is called
export const OPT_PTI = 268435456; // page-table isolation: user and kernel halves (1 << 28)
export const OPT_POLL = 536870912; // idle CPUs poll for work (1 << 29)
export const OPT_GLOBAL_ASIDS = 1073741824; // mms may have an ASID that is the same everywhere
export const OPT_TRIM = 8; // once a second per mm, tell targets that run another mm too

export const ROW_LIFETIMES = 1; // TLB entries drop themselves: see assembly/lifetime.ts
export const ROW_ASIDS = 2; // one ASID space for all CPUs: see assembly/asid.ts
export const ROW_NOTIFIERS = 4; // interval subscribers, SRCU: see assembly/subscribers/rows.ts
export const ROW_DEVICES = 8; // devices have more than a cache: see assembly/devices/rows.ts
export const ROW_PINS = 16; // mappings for DMA, and pinned pages: see assembly/pins/rows.ts

// ── page-table entries, protection, VMA flags ───────────────────────────────────────────────
export const PTE_P = 1; // present
export const PTE_W = 2; // writable
export const PTE_HUGE = 4; // leaf one level above the last (2 MiB with 4x512)
export const PTE_SHARED = 8; // shared mapping: fork does not write-protect it
export const PTE_PROTNONE = 16; // PROT_NONE: populated, but not present to hardware
export const PTE_FILE = 32; // page-cache page, mapped privately: a write copies it, never reuses it
export const PTE_EXEC = 64; // executable: only mprotect looks at it, because a change is flushed
export const PTE_MIGRATION = 128; // PROTNONE as well: whoever moves the page maps it again soon
export const PTE_EXCLUSIVE = 256; // PROTNONE as well: a device has it alone until a CPU faults
export const PTE_DIRTY = 512; // OPT_DIRTY: written since it was clean; set by a CPU's walk
export const PTE_DEVICE = 1024; // PROTNONE as well: the page is in a device's memory
export const PTE_SHIFT = 12; // pfn or table id from this bit on
export const PTE_MARKS = 1408; // MIGRATION, EXCLUSIVE, DEVICE
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const VMA_SHARED = 8;
export const VMA_FILE = 16;
export const VMA_UNWRITTEN = 128; // no page of its own was ever written to: see fork.needed

// ── csd: {next u32, owner u32 = initiator + 1 and CSD_*, payload of requests and calls} ──────
export const CSD_BYTES = 8;
export const CSD_WIDE_BYTES = 40;
export const CSD_OWNER = 0xffff;
export const CSD_ASYNC = 0x10000; // unlocked before it is run
export const CSD_ACKED = 0x20000; // its initiator does not wait for it (any more)
export const CSD_CALL = 0x40000; // a user access in the interrupt, not a flush
export const CSD_FORWARD = 0x80000; // a message whose target tells the rest of its node
export const CSD_OPEN = 0x100000; // one of those that have not answered it, itself included

// ── contexts ────────────────────────────────────────────────────────────────────────────────
export const LOCK_MMAP_READ = 1;
export const LOCK_MMAP_WRITE = 2;
export const LOCK_DEV = 4;
export const LOCK_CONTAINER = 8; // and, shifted by PINS_*, the others of pinned pages
export const GF_FULL = 1; // fullmm or nested: everything is flushed
export const GF_FREED = 2; // page tables were unhooked
export const GF_NESTED = 4; // the range fields were reset to all-ones
export const GF_UNTRACKED = 16; // OPT_ACCESSED: an entry of the zero page was cleared
export const GF_SMALL = 8; // an entry of the last level was cleared: the stride is a 4 KiB page
export const INFO_ANY_MM = 0xfffe; // infoMm of a batch: whatever mm a target runs
export const INFO_KERNEL_MM = 0xfffd; // infoMm of a flush of kernel pages: for every CPU
export const INFO_FREED = 1;
export const INFO_FULL = 2;
export const INFO_HUGE = 4; // stride is a huge page: nothing smaller was cleared
export const INFO_NARROW = 4096; // told are the CPUs of the task's batch
export const INFO_PARKS = 8192; // reclaim asks: its frames may be parked
export const INFO_LEAF = 1024; // broadcast: paging-structure caches are left alone
export const INFO_ORDERED = 2048; // broadcast: a slot that missed a request stays where it is
export const INFO_NAMED = 16384; // mutant: it names an ASID that was read before
export const INFO_TRIM = 8; // tell also CPUs that run another mm, so that they leave the cpumask
export const INFO_NEWEST = 256; // mutant: its range is enough if no other one is newer
export const INFO_SLOTS = 512; // it has no generation: targets flush, other slots are cleared
export const INFO_KERNEL = 16; // pages of the kernel's own
export const INFO_TRUST = 32; // mutant: … and nobody suspects the ASIDs that are not loaded
export const INFO_USER_LATER = 64; // long ranges leave the user half to the exit to user mode
export const INFO_ALONE = 128; // no broadcast is coming: CPUs under a global ASID see to it
export const LOADED_INIT = 0;
export const LOADED_SWITCHING = 0xffff;
export const INIT_CTX_ID = 0xffffffff; // ASID slot of init_mm

export const DEV_NONE = 0;
export const DEV_SHARING = 1;
export const DEV_MIRRORING = 2;
export const DEV_HOST = 3; // its model is the host's: hooks ask it
export const DEV_PINNING = 4; // it reaches what is pinned for it
export const HOOK_START = 0;
export const HOOK_END = 1;
export const HOOK_SECONDARY = 2;
export const HOOK_RELEASE = 3;
export const HOOK_INTERVAL = 4; // the first interval subscriber that a bracket hits is told next
export const HOOK_INTERVALS = 5; // or the one behind who was told last
export const HOOK_FINISH = 6; // the second pass over those that have one
export const UNHOOK_BY_VMAS = 0; // a table goes if no VMA lies in what it spans
export const UNHOOK_INSIDE = 1; // a table goes if all it spans lies inside the range
export const UNHOOK_LEAVES_INSIDE = 2; // the same, last level only
export const ZAP_RANGE = 0; // drop entries that overlap [start, end); an empty range drops nothing
export const ZAP_ALL = 2; // whatever the range; own caches of devices, too

export const EVENT_UNMAP = 0;
export const EVENT_CLEAR = 1;
export const EVENT_PROTECTION_VMA = 2;
export const EVENT_PROTECTION_PAGE = 3;
export const EVENT_SOFT_DIRTY = 4;
export const EVENT_RELEASE = 5;
export const EVENT_MIGRATE = 6;
export const EVENT_EXCLUSIVE = 7;

// ── hazards (notifiers.md 0.5) ──────────────────────────────────────────────────────────────
export const HZ_NONE = 0;
export const HZ_UAF = 1;
export const HZ_PT_UAF = 2;
export const HZ_ORDER = 3;
export const HZ_LOSTW = 4;
export const HZ_STALE = 5;
export const HZ_NOPROG = 6;
export const HZ_DEADLOCK = 7;
export const HZ_UNBAL = 8;
export const HZ_UNPINNED = 10; // DMA to a frame that nobody holds pinned for that page any more
export const HZ_FATAL = 11; // the kernel gives up: drivers have not unpinned in time
export const HZ_LEAK = 12; // references that nobody can drop any more
export const HZ_COUNT = 13;

// ── micro-ops. Instruction: op u8, a u8, b u8, c u8, imm u32. r[x] registers, F the flag ────
// Local micro-ops touch nothing another actor can see: OP_LOCAL_LAST bounds them.
export const OP_END = 0; // the program is over: context cleared. Visible, although numbered first
export const OP_JMP = 1; // pc = imm
export const OP_JT = 2; // if F: pc = imm
export const OP_JF = 3; // if !F: pc = imm
export const OP_MOVI = 4; // r[a] = imm
export const OP_MOVH = 5; // r[a] |= imm << 32
export const OP_MOV = 6; // r[a] = r[b]
export const OP_ADDI = 7; // r[a] = r[b] + imm
export const OP_SUB = 8; // r[a] = r[b] - r[c]
export const OP_CMPLT = 9; // F = r[a] < r[b]
export const OP_CMPEQ = 10; // F = r[a] == r[b]
export const OP_DJNZ = 11; // r[a] -= 1; if r[a] != 0: pc = imm
export const OP_RET = 12; // pc = pop()
export const OP_DELAY = 13; // costs r[a] ns
export const OP_BITS = 14; // F = (r[a] & imm) != 0
export const OP_PTE_BITS = 15; // F = (ctx.pte & imm) != 0
export const OP_FRAME_ZERO = 16; // ctx.frame = 0, the zero page
export const OP_GATHER_FULL = 17; // F = batch is full
export const OP_GATHER_RANGE = 18; // r[a], r[b] = flush range; F = something to flush. imm 1: raw
export const OP_CTX_MM = 19; // ctx.mm = r[a] (mm index + 1)
export const OP_GET_MM = 20; // r[a] = ctx.mm
export const OP_ADD = 21; // r[a] = r[b] + r[c]
export const OP_NOP = 22; // costs its own cost; stands for work that is not modelled
export const OP_SPAN_END = 23; // r[a] = end of the span of level imm that holds r[b]
export const OP_PTE_FRAME = 24; // r[a] = pfn of ctx.pte
export const OP_PTE_FORGET = 25; // ctx.pte = 0
export const OP_LOCAL_LAST = 25;

export const OP_MARK = 26; // an operation begins: ctx.op = imm, its range = [r[a], r[b])
export const OP_UNMARK = 27; // it returned to its caller; imm 1: its range must be settled by now
export const OP_SIGNAL = 28; // sync[imm] += 1
export const OP_AWAIT = 29; // WAIT until sync[imm] >= c
export const OP_IRQ_OFF = 30; // this context takes no interrupts
export const OP_IRQ_ON = 31;

export const OP_MMAP_RLOCK = 32;
export const OP_MMAP_RUNLOCK = 33;
export const OP_MMAP_WLOCK = 34;
export const OP_MMAP_WUNLOCK = 35;
export const OP_PTL_LOCK = 36; // lock the leaf table of r[a] in slot c; F = there is one
export const OP_PTL_UNLOCK = 37; // slot c

export const OP_VMA_FIND = 38; // F = r[a] is mapped; r[b] = its prot and flags
export const OP_VMA_SET = 39; // [r[a], r[b]) gets prot r[c], replacing what overlaps
export const OP_VMA_CLEAR = 40; // [r[a], r[b]) is unmapped
export const OP_VMA_NEXT = 41; // next VMA that ends after r[a]: r[a], r[b] = range, r[c] = prot; F
export const OP_VMA_COPY = 42; // all VMAs of ctx.mm to mm r[a]

export const OP_TABLE_NEXT = 43; // r[a] = next vpn < r[b] with a leaf table; r[c] = its extent end
export const OP_TABLE_ALLOC = 44; // path of tables down to r[a]
export const OP_TABLE_UNHOOK = 45; // unhook one empty table of [r[a], r[b]), imm UNHOOK_*; F = did
export const OP_PTE_NEXT = 46; // r[a] = next present vpn < r[b] of this extent; ctx.pte; F
export const OP_PTE_GET = 47; // ctx.pte = entry of r[a] or 0; F = present; imm 1: F = not empty
export const OP_PTE_CLEAR = 48; // entry of r[a] = 0; ctx.pte = old; imm: CLEAR_MOVING, or its marks
export const OP_PTE_SET = 49; // entry of r[a] = ctx.frame; imm: flags, without PROTNONE present
export const OP_PTE_PUT = 50; // entry of r[a] = ctx.pte, moved; imm: instead of P and its marks
export const OP_PTE_PROTECT = 51; // W of r[a] as in prot r[b]; ctx.pte = old; F: see PROTECT_*
export const OP_PTE_COPY = 52; // fork: entry of r[a] to mm r[b]; F = the parent's lost W
export const OP_PTE_SET_VMA = 53; // as PTE_SET, W and SHARED from prot r[b]
export const OP_PTE_HUGE = 54; // 2 MiB leaf at r[a] from ctx.frame, flags imm
export const OP_PTE_SPLIT = 55; // a huge leaf that r[a] is inside of becomes a table; F = did

export const OP_FRAME_ALLOC = 56; // ctx.frame = a fresh frame, holding one reference
export const OP_FRAME_GET = 57; // ctx.frame + 1 reference; imm 1: ctx.frame = ctx.pte's first
export const OP_FRAME_COPY = 58; // contents of ctx.pte's frame to ctx.frame
export const OP_FRAME_PUT = 59; // drop the reference that ctx.pte held; 0 frees: generation + 1
export const OP_FRAME_ONLY = 60; // F = ctx.pte's frame has one reference and is not the zero page
export const OP_RMAP_FIND = 61; // r[a] = vpn that maps frame r[b] in ctx.mm; F = mapped

export const OP_FRAME_DROP = 62; // give ctx.frame back unused
export const OP_GATHER_BEGIN = 63; // mm.gathers + 1; imm = GF_*
export const OP_GATHER_ADD = 64; // widen by r[a]; ctx.pte's reference moves into the batch
export const OP_GATHER_WIDEN = 65; // widen by [r[a], r[b]) without a frame
export const OP_GATHER_NESTED = 66; // another gather is open: everything must be flushed
export const OP_GATHER_FREE = 67; // free batch and tables, empty the range
export const OP_GATHER_END = 68; // mm.gathers - 1
export const OP_TABLE_FREE = 69; // free unhooked tables only (before the flush: a mutant's order)

export const OP_FLUSH_PREP = 70; // mm.tlbGen + 1; info = [r[a], r[b]); imm = INFO_* | gather's
export const OP_FLUSH_OTHERS = 71; // F = the cpumask holds another CPU
export const OP_FLUSH_LOCAL = 72; // own half; imm 1: only if the mm is loaded here
export const OP_CSD_SEND = 73; // queue the next target; F = more to do
export const OP_IPI_SEND = 74; // interrupt every target whose queue was empty
export const OP_CSD_WAIT = 75; // WAIT until every target unlocked its csd
export const OP_FLUSH_DONE = 76; // release info
export const OP_CSQ_TAKE = 77; // target: take the whole queue, oldest first; F; imm 1: sync first
export const OP_CSD_RUN = 78; // target: flush for the first entry
export const OP_CSD_UNLOCK = 79; // target: unlock and drop it; F = more

export const OP_RANGE_BEGIN = 80; // bracket opens, event imm | site << 16
export const RANGE_EVENT = 0xff;
export const RANGE_SITE_SHIFT = 16; // row of the site table << 5 | part, 1 for "a"; 0: none
export const SITE_PARTS = 32;
export const OP_RANGE_END = 81; // bracket closes
export const OP_NOTIFY_BEGIN = 82; // notification of hook imm for [r[a], r[b])
export const OP_NOTIFY_NEXT = 83; // call the next subscriber's hook; falls through after the last

export const OP_DEV_LOCK = 84;
export const OP_DEV_UNLOCK = 85;
export const OP_DEV_COUNT = 86; // imm 1: in-progress + 1 and widen the union; imm 0: - 1
export const OP_DEV_SEQ = 87; // seq + 1
export const OP_DEV_ZAP = 88; // drop cached entries of the notified range, by ZAP_* imm
export const OP_DEV_ACCESS = 89; // hit: access r[a] (imm 1 writes), F = 1; miss: F = 0
export const OP_DEV_WALK = 90; // sharing: walk the mm's table for r[a], fill; F = filled
export const OP_DEV_SNAP = 91; // ctx.seq = seq
export const OP_DEV_RESOLVE = 92; // mirroring: ctx.pte, frame and generation of r[a]; F = usable
export const OP_DEV_RETRY = 93; // F = an invalidation of r[a] ran or runs since the snapshot
export const OP_DEV_INSTALL = 94; // mirroring: fill r[a] from what was resolved
export const OP_DEV_FAULT = 95; // counts a fault that could not be served

export const OP_CPU_ACCESS = 96; // user access to r[a] (imm 1 writes); F = done, else it faults

export const OP_SW_BEGIN = 97; // F = mm r[a] is not the loaded one; r[a] = 0: kernel thread
export const OP_SW_LAZY = 98; // stay on the old mm, lazily
export const OP_SW_UNLAZY = 99; // back to the loaded mm: flush what was missed
export const OP_SW_MARK = 100; // loadedMm = SWITCHING; own bit in r[a]'s cpumask
export const OP_SW_GEN = 101; // read r[a]'s generation, choose an ASID; F = flush needed
export const OP_SW_CR3 = 102; // load it, flushing if F
export const OP_SW_DONE = 103; // loadedMm = r[a]
export const OP_TASK_GET = 104; // r[a] = mm + 1 of task r[b] (index)
export const OP_SW_TASK = 105; // the CPU runs task r[a] (task index)

export const OP_MM_NEW = 106; // r[a] = a fresh mm + 1
export const OP_MM_PUT = 107; // users of ctx.mm - 1; F = that was the last
export const OP_MM_FREE = 108; // tables and row of ctx.mm are gone
export const OP_TASK_MM = 109; // task r[a] (index + 1, 0: self) now belongs to mm r[b] (0: none)
export const OP_MM_RELEASE = 110; // unsubscribe every device of ctx.mm

export const OP_CSD_KIND = 111; // target: F = the first entry is asynchronous
export const OP_CSD_ACK = 112; // target: acknowledge the first entry (imm 1: all), still locked
export const OP_CSD_REACH = 113; // target: keep the first entry's request, to be run later
export const OP_CSD_RUN_REACHED = 114; // target: run what was kept
export const OP_CSQ_MORE = 115; // target: F = there are more entries
export const OP_CALL_SEND = 116; // queue a call to CPU imm: access r[a]; c: CALL_*; F = queued
export const OP_BATCH_SHOULD = 117; // F = ctx.mm's cpumask holds another CPU: defer
export const OP_BATCH_ADD = 118; // ctx.mm joins the task's batch; its generation and pending + 1
export const OP_BATCH_PREP = 119; // F = the batch holds something: a request for all of it
export const OP_BATCH_DONE = 120; // the batch is empty
export const OP_BATCH_PENDING = 121; // r[a] = batches of ctx.mm so far; F = some are not flushed
export const OP_BATCH_SETTLE = 122; // those up to r[a] are
export const OP_FRAME_COLLECT = 123; // the gathered frames are written out: no store may be lost
export const OP_BCAST_SEND = 124; // broadcast the request: every CPU drops it; imm 1: its cpumask
export const OP_BCAST_WAIT = 125; // WAIT until all have (TLBSYNC, DSB)
export const OP_LATR_POST = 126; // F = an entry instead of interrupts, frames parked; imm LATR_*
export const OP_LATR_SWEEP = 127; // flush for every entry that waits for this CPU; imm SWEEP_*
export const OP_LATR_WAIT = 128; // WAIT while an entry of ctx.mm overlaps [r[a], r[b])
export const OP_CPU_OFFLINE = 129; // this CPU goes: it leaves its mm, and nobody tells it anything
export const OP_PV_NOTE = 130; // mutant: note which targets are preempted
export const OP_PV_FLAG = 131; // mutant: those that were noted shall flush when they are resumed
export const OP_DEFER_MAY = 142; // F = the flush of what was cleared may be put off; imm DEFER_*
export const OP_DEFER_ADD = 143; // page r[a], the entry in ctx.pte, joins this context's deferral
export const OP_DEFER_CLOSE = 144; // nothing more joins it
export const OP_DEFER_STAMP = 145; // r[a] = newest generation of the deferrals
export const OP_DEFER_PENDING = 146; // F = one of ctx.mm overlaps [r[a], r[b]); r[c] as DEFER_STAMP
export const OP_DEFER_DONE = 147; // those up to r[a] are flushed: ctx.mm's; imm 1: on batch's CPUs
export const OP_DEFER_TAKE = 148; // F = ctx.frame must be flushed for first: the batch; r[a]: stamp
export const OP_DEFER_OWN = 149; // ctx.frame's old content is gone: generation + 1
export const OP_DEFER_WIPE = 150; // mutant: the gathered frames are wiped when they are freed
export const OP_FRAME_WRITE = 151; // the kernel writes page r[a] in the frame of ctx.pte
export const OP_DEFER_POST = 152; // F = munmap's flush is put off while its frames stay in the mm
export const OP_ACCESS_WHO = 153; // F = others may hold what was gathered; else it is flushed here
export const OP_ACCESS_NARROW = 154; // the request goes to those that may
export const OP_ACCESS_FORGET = 155; // the accessed bit of ctx.pte is cleared
export const OP_COW_SKIP = 156; // F = the own flush is left to OP_COW_DISPLACE
export const OP_COW_DISPLACE = 157; // page r[a]: a kernel write makes this CPU walk again
export const CLEAR_MOVING = 1; // of OP_PTE_CLEAR: its frame keeps the name of its place
// When OP_PTE_PROTECT says that an entry needs a flush (imm): it was present, and …
export const PROTECT_CHANGED = 0; // rights were taken or given (x86 flush_on_change)
export const PROTECT_LOST = 1; // rights were taken
export const PROTECT_GONE = 2; // mutant: it is not present any more
export const PROTECT_RESTORE = 3; // none; and PTE_MARKS are taken away, else they keep it as it is
export const DEFER_WRITABLE = 1; // mutant: writable entries, too
export const ACCESS_MANY = 0xffff;
export const ALLOC_KEEP = 1; // OP_FRAME_ALLOC: the frame may be one that has to be flushed for
export const ALLOC_RECYCLE = 2; // … and one that this mm gave back comes first, unflushed
export const OP_PTE_CLEAN = 132; // entry of r[a] is clean, imm 1: and read-only; F = it was not
export const OP_SLOTS_CLEAR = 133; // other CPUs flush before they use the request's mm again
export const OP_BCAST_ADD = 134; // broadcast [r[a], r[b]), wait later; imm 1: F = there is one
export const OP_PTE_COLLECT = 135; // the page at r[a] is written out, unless it is writable again
export const OP_BATCH_MARK = 136; // ctx.mm has one more deferral, in no task's batch
export const OP_PTI_ENTER = 173; // the kernel is entered: its half is loaded
export const OP_PTI_EXIT = 174; // back to user mode, if the task came from there; imm PTI_*
export const OP_KERNEL_ACCESS = 175; // the kernel reads its own page r[a], of the tables of mm r[b]
export const OP_POLL_BEGIN = 176; // the idle loop polls
export const OP_POLL_END = 177; // it does not any more; F = it is wanted
export const OP_POLL_NOTE = 178; // mutant: note who polls
export const OP_GLOBAL_HAVE = 179; // F = the request's mm has a global ASID
export const OP_GLOBAL_MOVING = 180; // F = not every CPU that runs it uses that
export const OP_GLOBAL_ASSIGN = 181; // it gets one if it is active on many CPUs; imm 1: a mutant
export const OP_FENCE = 182; // by ASID, loaded or not: own request; imm FENCE_*
export const OP_ASID_LOOK = 184; // F = mm r[a] needs the lock to be switched to; imm 1: ASID_NAME
export const OP_ASID_SWAP = 185; // its ASID is active here; F = a rollover came in between; imm 1
export const OP_ASID_TAKE = 186; // with the lock: … of this generation; F = flush first; imm ASID_*
export const OP_ASID_PIN = 187; // ctx.mm keeps its ASID (imm 1), or need not (0); F = done
export const OP_PTE_AWAIT = 188; // WAIT while the entry of r[a] is one of a migration
export const OP_ITREE_START = 192; // a bracket opens for interval subscribers; imm: event, START_*
export const OP_ITREE_NEXT = 193; // call the next one's callback; falls through after the last
export const OP_ITREE_END = 194; // it ends: the last one of an odd period does what was deferred
export const OP_ITREE_RELEASE = 195; // free the next one that is out, call its release; as above
export const OP_ITREE_ENABLE = 196; // ctx.mm may have some; WAIT while a bracket of it is open
export const OP_ITREE_INSERT = 197; // of ctx.dev, over [r[a], r[b]); F = done; imm 1: unstamped
export const OP_ITREE_REMOVE = 198; // the one over page r[a]; F = it is out; imm REMOVE_*
export const OP_ITREE_UPDATE = 199; // the one over page r[a]: [r[b], r[c]); F = done; imm 1: posted
export const OP_ITREE_PUNCH = 200; // a hole [r[a], r[b]) in the one over it; F = done; imm PUNCH_*
export const OP_ITREE_FIND = 201; // F = page r[a] has one; r[b] = its handle; imm 1: posted
export const OP_SUB_USE = 202; // the object of handle r[a] is used
export const OP_READ_BEGIN = 203; // F = page r[a] has one; its stamp to ctx.seq, its handle to r11
export const OP_SEQ_WAIT = 204; // WAIT while the sequence is ctx.seq
export const OP_READ_RETRY = 205; // F = the stamp is not ctx.seq; imm 1: r[a] is patience, less one
export const OP_SEQ_SET = 206; // callback: readers that began before must retry
export const OP_SRCU_LOCK = 207; // this context reads lists of subscribers
export const OP_SRCU_UNLOCK = 208;
export const OP_SRCU_SYNC = 209; // imm SYNC_*
export const OP_SUB_LINK = 210; // ctx.dev joins the list, WAIT while a bracket is open; imm LINK_*
export const OP_SUB_UNLINK = 211; // imm UNLINK_*
export const OP_SUB_PICK = 212; // ctx.dev = imm (device index + 1, 0: none)
export const OP_HOOK_ASK = 213; // F; imm ASK_*
export const OP_HOOK_REFUSE = 214; // a bracket that may not sleep is refused
export const OP_RANGE_REFUSED = 215; // it was not opened
export const START_OWNER_SHIFT = 8; // whose change it is, device index + 1
export const START_NO_SLEEP = 0x10000; // callbacks may not sleep, and may refuse
export const START_AGAIN = 0x20000; // over the range that is being told: from inside a callback
export const TOLD_REFUSED = 0x40000;
export const TOLD_BITS = 0x7ffff;
export const REMOVE_DEFERRED = 1; // its release comes when the open brackets have ended
export const REMOVE_TOLD = 2; // that which is being told
export const PUNCH_LEFT = 1; // what is left of the hole stays
export const PUNCH_RIGHT = 2; // what is right of it: another subscriber
export const PUNCH_TOLD = 4; // of that which is being told: the range of the bracket
export const PUNCH_POSTED = 8;
export const SYNC_BEGIN = 0; // note who reads now
export const SYNC_WAIT = 1; // WAIT until none of those does
export const SYNC_FREED = 2; // WAIT until all that was put is freed
export const LINK_NEW = 0;
export const LINK_GET = 1; // F = it is there already: one more user
export const UNLINK_ONE = 0; // F = it was in the list
export const UNLINK_ALL = 1; // of ctx.mm
export const UNLINK_PUT = 2; // one user less; F = that was the last: freed when nobody reads
export const UNLINK_STOP = 3; // the device lets go of its mm; it stays in the list
export const UNLINK_FREE = 4; // its owner frees it now
export const UNLINK_PUT_NOW = 5; // mutant: freed whoever reads
export const ASK_SLEEP = 0; // the bracket may sleep
export const ASK_REFUSED = 1; // it was refused
export const ASK_OWN = 2; // its event is c, and its owner ctx.dev
export const ASK_TRYLOCK = 3; // this device's lock is free: taken
export const ASK_EVENT = 4; // its event is c
export const ASK_LINKED = 5; // ctx.dev is in a list of classic subscribers
export const SUB_LINKED = 1;
export const SUB_FREEING = 2;
export const SUB_FREED = 4;
// Devices: assembly/devices. Those of hooks and of a device's own program …
export const OP_DEV_FLUSH = 216; // drop what the notified range asks for; imm FLUSH_*, PRICE_*
export const OP_ATC = 217; // r[a] in the device's own cache; imm ATC_*; F = there (now)
export const OP_DEV_AWAIT = 218; // WAIT until there is none any more; imm NOTE_ACTIVE, NOTE_FENCE
export const OP_DEV_LACKS = 219; // F = r[a] is cached, and read-only
export const OP_DEV_ASK = 220; // page request for r[a] (imm 1 writes); F = somebody answers them
export const OP_DEV_HEAR = 221; // WAIT for the answer; F = SUCCESS; retries above imm: NOPROG
export const OP_DEV_HITS = 225; // F = the notified range lies in the memslot; r[b] by HITS_*
export const OP_DEV_TEST = 226; // half of dev.retry for r[a]; imm TEST_*
export const OP_DEV_NOTE = 227; // counts; imm NOTE_*
export const OP_GPC_DROP = 228; // the pfn cache goes if the notified range holds it
export const OP_GPC_ACCESS = 229; // access r[a] (imm 1 writes) through the pfn cache; F = valid
export const OP_GPC_COMMIT = 230; // valid, from ctx.pte; c: COMMIT_*; F = did; retries as DEV_HEAR
// … and those of CPUs that work for the device in r[imm].
export const OP_REQ_TAKE = 222; // WAIT for a page request: r[a] page, r[b] PROT_*; F = there is one
export const OP_REQ_ANSWER = 223; // it is answered: c ANSWER_*
export const OP_REQ_STATE = 224; // c: REQ_*
export const OP_SLOT_SET = 231; // memslot [r[a], r[b]) at guest page r[c], when nothing is active
export const OP_DEVICES_FIRST = 216;
export const OP_DEVICES_LAST = 231;
export const FLUSH_RANGE = 0; // what overlaps [start, end); an empty range: nothing
export const FLUSH_PAGE_OR_ALL = 1; // one page, or everything
export const FLUSH_BLOCKS = 2; // blocks of 2^n pages, at multiples of that
export const FLUSH_ALL = 3; // everything, whatever the range
export const FLUSH_HOW = 3;
export const FLUSH_EMPTY_ALL = 4; // an empty range stands for everything
export const FLUSH_LARGE_ALL = 8; // … and so do FLUSH_LARGE pages
export const FLUSH_ATC = 16; // a message to the device's own cache as well
export const FLUSH_NOT_IOTLB = 32; // only that
export const FLUSH_NOT_WALKS = 64; // paging-structure caches are left alone
export const FLUSH_LARGE = 512;
export const PRICE_SHIFT = 8; // of PRICE_* in the same operand
export const PRICE_ZAP = 0;
export const PRICE_IOMMU = 1;
export const PRICE_GPU = 2;
export const PRICE_MMIO = 3;
export const ATC_READ = 0;
export const ATC_WRITE = 1;
export const ATC_FILL_READ = 2; // from the IOTLB
export const ATC_FILL_WRITE = 3;
export const NOTE_DONE = 0; // the access is over: it had no retries
export const NOTE_ACTIVE = 1; // brackets told
export const NOTE_INACTIVE = 2;
export const NOTE_FENCE = 3; // work of the device that is under way
export const NOTE_FENCED = 4;
export const NOTE_MARK = 5; // page r[a] is being validated
export const HITS_RANGE = 0;
export const HITS_GUEST = 1; // instead: F = guest page r[a] has a slot; r[b] = its page there
export const TEST_COUNT = 1; // F = a bracket in progress holds r[a]
export const TEST_SEQ = 2; // F = the sequence has moved since the snapshot
export const COMMIT_IN_PROGRESS = 0; // mutant: unless such a bracket is in progress, or it has
export const COMMIT_ACTIVE = 1; // unless any bracket is active, or it has
export const COMMIT_MARKED = 2; // if nothing has hit the mark
export const ASK_READ = 1; // of a page request
export const ASK_WRITE = 2;
export const ANSWER_SUCCESS = 4;
export const ANSWER_INVALID = 8;
export const REQ_UNBIND = 0; // nobody answers requests (any more)
export const REQ_BIND = 1; // somebody does
export const REQ_EMPTY = 2; // F = an empty table is its root
export const SLOT_UNFROZEN = 256; // in imm of slot.set, mutant: whether or not something is active
export const MORE_SNOOPS = 1; // hears the CPUs' own invalidations
export const MORE_KEEPS = 2; // has no release: keeps its root when the mm is torn down
export const OP_HOST_CALL = 232; // asks the host about hook imm, or HOST_THREAD; F = ask again
export const OP_HOST_NEXT = 233; // what its thread does next: r[a], r[b], r[c] = HOST_DO_*; F = do
export const OP_HOST_REFUSED = 234; // F = a device of the host has refused the bracket
// Pinned pages: assembly/pins. Under the container lock, but for locks, callbacks and DMA.
export const OP_PINS_LOCK = 235; // WAIT until lock imm (PINS_*) is taken
export const OP_PINS_UNLOCK = 236;
export const OP_DMA_ADD = 237; // iova [r[a], r[b]) = pages of ctx.mm from r[c] on; F; imm MAP_*
export const OP_DMA_FIND = 238; // r[a] = lowest mapping that overlaps [r[b], r[c]); F; imm FIND_*
export const OP_DMA_TEST = 239; // of mapping r[a]; F; imm TEST_*
export const OP_DMA_CLOSE = 240; // mapping r[a] takes no new pins
export const OP_DMA_REMOVE = 241; // mapping r[a] is freed; imm REMOVE_*
export const OP_DMA_TELL = 242; // what the callbacks to come are about; imm TELL_*
export const OP_DMA_NEXT = 243; // call the next device's dma_unmap, else fall through; imm NEXT_*
export const OP_DMA_FATAL = 244; // the kernel gives up
export const OP_PIN_GET = 245; // page r[a] is pinned: its frame + 1 in ctx.seq; F; imm PIN_TOLD
export const OP_PIN_PUT = 246; // one pin less of page r[a]; F = it is mapped; imm PIN_TOLD
export const OP_PIN_NOTE = 247; // the driver's ledger, for page r[a]; imm LEDGER_*
export const OP_DOMAIN = 248; // next page of mapping r[a], as imm DOMAIN_*; F = there was one
export const OP_DMA_ACCESS = 249; // DMA to page r[a]; F = the device has a frame for it; imm DMA_*
export const OP_DMA_WALK = 250; // IOMMU: translates page r[a] for the device; F = filled
export const OP_PIN_LIST = 251; // ctx.dev joins the list of devices to tell, or leaves; imm LIST_*
export const OP_PIN_PICK = 252; // ctx.dev = device r[a]; imm PICK_NONE: none
export const OP_PIN_ABSENT = 253; // F = r[b] must be faulted in to pin r[a]; imm ABSENT_*
export const OP_PINS_FIRST = 235;
export const OP_PINS_LAST = 253;
export const PINS_CONTAINER = 0;
export const PINS_LIST = 1;
export const PINS_CHAIN = 2; // for reading
export const PINS_CHAIN_WRITE = 3;
export const MAP_USED = 1;
export const MAP_TREE = 2; // found by iova
export const MAP_DOMAIN = 4; // a domain translates it: it holds its pages itself
export const MAP_CLOSED = 8; // it takes no new pins (prevent_access)
export const FIND_ANY = 0;
export const FIND_WHOLE = 1; // none if an edge of the range lies inside a mapping
export const TEST_PINNED = 0; // somebody has pinned a page of it
export const TEST_DOMAIN = 1; // a domain translates it
export const TEST_HELD = 2; // it holds all of its pages
export const REMOVE_EMPTY = 0; // what is pinned all the same is lost
export const REMOVE_RELEASE = 1; // mutant: pins go with it
export const REMOVE_DETACH = 2; // mutant: out of the tree, to be freed later
export const TELL_RANGE = 0; // the range of mapping r[a]: copied
export const TELL_LIST = 1; // to whom: the list as it is now
export const NEXT_REREAD = 1; // the range is read from mapping r[a] for each device
export const PIN_TOLD = 1; // get: first page of the notified range; put: next own page in it
export const ABSENT_PAGE = 0; // iova page r[a]
export const ABSENT_MAPPING = 1; // the first page of mapping r[a] that it does not hold
export const LEDGER_ADD = 0; // the frame in ctx.seq is the device's
export const LEDGER_ADD_TOLD = 1; // as the first page of the notified range
export const LEDGER_STOP = 2; // the device lets go of the page, unless it is pinned twice
export const LEDGER_STOP_TOLD = 3; // … of the notified range
export const LEDGER_FIND = 4; // F = the driver has pins in the notified range
export const DOMAIN_PIN = 0; // the mapping holds its frame
export const DOMAIN_MAP = 1; // devices of the domain reach it
export const DOMAIN_UNMAP = 2;
export const DOMAIN_UNPIN = 3;
export const DOMAIN_FLUSH = 4; // of all its pages: no IOTLB has them
export const DMA_WRITE = 1;
export const DMA_TRANSLATED = 2; // by the domain, else by what the driver has pinned
export const LIST_JOIN = 0;
export const LIST_LEAVE = 1;
export const PICK_NONE = 1;
export const PIN_LISTED = 1;
export const OP_COUNT = 256;
export const HOST_THREAD = 4; // imm of host.call: a thread of the host's begins, r0 names it
// Clock.hostAnswer: what the host has answered, and HOST_DO_* from bit HOST_DO_SHIFT on.
export const HOST_ANSWERED = 1;
export const HOST_FLAG = 2;
export const HOST_WAIT = 4; // not yet: park until the key in Clock.hostNs is woken
export const HOST_DO_SHIFT = 8;
export const HOST_DO_LOCK = 1; // what a thread of the host's does: see kernel/host-thread.ts
export const HOST_DO_UNLOCK = 2;
export const HOST_DO_READ = 4;
export const HOST_DO_WRITE = 8;
export const HOST_DO_AWAIT = 16;
export const HOST_DO_MIGRATE = 32;
export const HOST_DO_EXCLUSIVE = 64;
export const HOST_DO_INSERT = 128;
export const ASID_NAME = 1; // mutant: the request to come names the ASID that ctx.mm has now
export const ASID_BLIND = 1; // imm of asid.swap, mutant: … whether or not one came
export const ASID_XCHG = 2; // mutant: … and even if one came
export const ASID_UNFLUSHED = 1; // mutant: nothing is flushed after a rollover
export const ASID_UNRESERVED = 2; // mutant: a rollover reserves nothing
export const ASID_UNPINNED = 4; // mutant: nor does it keep what is pinned
export const FENCE_CSD = 1; // target: for the first entry
export const FENCE_LOADED = 2; // mutant: only if the mm is the loaded one
export const PTI_BYTES = 16; // of a CPU: {marks u64, isUser u32, othersSuspect u32}
export const PTI_LOAD = 1; // load the user half
export const PTI_FLUSH = 2; // flush it if it is marked
export const ASID_USER = 128; // bit of a tag: user half
export const ASID_KERNEL = 192; // bits of a tag: kernel pages, cached in this ASID
export const ASID_GLOBAL = 64; // Cpu.asid, and tags, of global ASIDs: from here to 126
export const ASID_EVERY = 127; // tag of kernel pages without PTI: valid in every ASID
export const OP_HYBRID_CHOOSE = 161; // F = broadcast it, rather than interrupt; imm HYBRID_*
export const OP_SHARER_JOIN = 162; // this node has copied, or is told of, the path to r[a]; imm
export const OP_DIR_SEND = 163; // as bcast.send, to those the directory names; imm DIR_TABLES
export const OP_MSG_SEND = 164; // a message to the next target of this CPU's own; F = more to do
export const OP_MSG_POST = 165; // those who were told poll
export const OP_MSG_FRESH = 166; // target: F = the first entry has not been run here
export const OP_MSG_FORWARD = 167; // target: a leader tells the next CPU of its node; F = more
export const OP_MSG_REPLY = 168; // target: done with the first entry; F = more; imm 1: mutant
export const OP_TOPOLOGY_FIRST = 161;
export const OP_TOPOLOGY_LAST = 172;
export const SHARER_COPY = 1; // imm of sharer.join: walks find it; else: it is told of changes
export const SHARER_ALONE = 2; // mutant: and nobody else is
export const DIR_TABLES = 1; // mutant: also if page tables are freed, which it knows nothing of
export const HYBRID_LEAST = 0xffff; // from that many targets on
export const HYBRID_LEAF = 0x10000; // the hardware's broadcasts leave paging-structure caches alone
export const HYBRID_TABLES = 0x20000; // so requests that free page tables are sent as interrupts
export const HYBRID_ORDERED = 0x40000; // a broadcast advances a slot only if it missed no request
export const VCPU_PREEMPTED = 1;
export const VCPU_FLUSH = 2; // on the next entry
export const LATR_ANY = 1;
export const LATR_TEST = 2;
export const LATR_SWAP = 4; // what reclaim frees, too; CPUs that run something else sweep as well
export const SWEEP_INACTIVE = 1; // imm of latr.sweep: also under ASIDs that are not loaded
export const SWEEP_TRUST = 2; // mutant: those count as flushed, and are not
export const BATCHES_MOST = 16383; // then both counters start anew (Linux)
export const FRAME_COLLECTED = 0x80000000; // in Frame.value
export const PRINT_BYTES = 16; // of a TLB set's prints: assembly/tlb.ts
export const ENTRY_DIRTY = 0x80000000; // in Entry.gen of a TLB: stores need not set the dirty bit
export const ENTRY_OLD = 0x40000000; // there, too: it has lived through a tick (ROW_LIFETIMES)
export const ENTRY_SOFT = 0xc0000000; // what is not the frame's generation
export const CALL_WRITE = 1;
export const CALL_ASYNC = 2;

// ── costs that are not the fixed price of a micro-op (index into the cost table, ns) ────────
export const COST_DELIVER = 256; // from the sender's ICR write to the target's handler
export const COST_ACK = 257; // unlock to the waiter seeing it
export const COST_FLUSH_FIXED = 258; // per flush that does work
export const COST_FLUSH_PAGE = 259; // per page of a ranged flush
export const COST_FLUSH_FULL = 260;
export const COST_FREE_PAGE = 261; // per frame freed by a gather
export const COST_WALK = 262; // TLB miss
export const COST_DEV_ZAP = 263; // one secondary invalidation
export const COST_SWITCH_FLUSH = 264;
export const COST_IPI = 265; // one ICR write for all targets of a request, as its sender sees it
export const COST_CSD = 266; // per csd queued
export const COST_TICK = 269; // ns from one tick to the next
export const COST_PARK = 270; // saving an entry
export const COST_SWEEP = 271; // a sweep that finds something
export const COST_BCAST = 267; // one broadcast invalidation, as its sender sees it
export const COST_BCAST_SYNC = 268; // until all CPUs have applied it
export const COST_REPLICA = 284; // an entry of a further copy of a page table
export const COST_DIRECTORY = 285; // asking the TLB directory
export const COST_FORWARD = 286; // an invalidation that it forwards to one CPU
export const COST_MESSAGE = 287; // one message, as its sender sees it
export const COST_HOP = 288; // until its target could see it
export const COST_MSG_POLL = 289; // ns from one poll to the next
// Parts of other prices, which the host takes off where cache lines are consolidated.
export const COST_LAZY_LINE = 290; // of COST_CSD: the line of the target's lazy mark
export const COST_INFO_LINE = 291; // of csq.take: the line of the flush info
export const COST_INFO_LINE_REMOTE = 292; // of COST_DELIVER_REMOTE: the same
// Added to those above between CPUs of two sockets (H_SOCKET_CPUS).
export const COST_CSD_REMOTE = 278;
export const COST_DELIVER_REMOTE = 279;
export const COST_ACK_REMOTE = 280;
export const COST_FLUSH_USER = 294; // per page of the user half, flushed by address
export const COST_POLL = 295; // until an idle loop that polls sees that it is wanted
export const COST_FIRMWARE = 296; // what a remote fence takes from a hart that carries it out
// Into the sender's ICR write until the interrupt is posted; 0: CPUs never leave a guest for it.
export const COST_POST = 297;
export const COST_ASID_FLUSH = 304; // a CPU's flush of all, at its first switch after a rollover
export const COST_ROLLOVER = 305; // a new generation of ASIDs, for the CPU that begins it
export const COST_IOMMU_COMMAND = 298; // one invalidation in an IOMMU's command queue
export const COST_IOMMU_SYNC = 299; // until the IOMMU has carried it out
export const COST_GPU_INVALIDATE = 300; // one invalidation of a GPU's TLBs
export const COST_MMIO_PAGE = 301; // one page, by a register of the device
export const COST_ATC_INVALIDATE = 302; // one message to a device's own cache, answered
export const COST_WORDS = 320;

// ── counters, one row of u64 per actor; those of every message in one cache line ────────────
export const CT_STEPS = 0;
export const CT_FLUSH_LOCAL = 1;
export const CT_FLUSH_REMOTE = 2;
export const CT_FLUSH_FULL = 3; // of local + remote
export const CT_FLUSH_PAGES = 4; // of the ranged ones
export const CT_STOLEN_NS = 5; // taken from tasks by interrupts
export const CT_CSD = 6; // csd queued: one simulated message
export const CT_IPI = 7;
export const CT_COALESCED = 8; // csd queued behind a pending interrupt
export const CT_FILTERED = 9;
export const CT_WRONG_CPU = 10;
export const CT_SKIPPED = 11; // generation already reached
export const CT_SWITCH = 12;
export const CT_SWITCH_FLUSH = 13;
export const CT_SEND = 14; // shootdowns with at least one other CPU in the mask
export const CT_NOTE_START = 15;
export const CT_NOTE_END = 16;
export const CT_NOTE_SECONDARY = 17;
export const CT_TLB_HIT = 18;
export const CT_TLB_MISS = 19;
export const CT_DEV_HIT = 20;
export const CT_DEV_MISS = 21;
export const CT_DEV_FAULT = 22;
export const CT_OPS = 23;
export const CT_FREED = 24; // frames freed
export const CT_HAZARDS = 25;
export const CT_RETRY = 26;
export const CT_FLUSHES = 27; // flush requests of an initiator
export const CT_LATENCY_NS = 28; // sum over those requests
export const CT_ALLOCS = 29; // frames allocated
export const CT_EARLY_FLUSH = 30; // gather batch was full
export const CT_DEV_ZAP = 31; // device flush commands
export const CT_BROADCAST = 32; // broadcast invalidations that found their mm here
export const CT_SPARED = 33; // interrupts that were not sent because the target polls
export const CT_ROLLOVER = 34; // new generations of ASIDs
export const CT_DEV_NS = 35; // ns that notifications have taken for this device
export const CT_DEV_RETRIES = 36; // most retries that one access of it has had
export const CT_WORDS = 40;

// ── event log: 32 bytes {u64 time, u16 actor, u8 kind, u8 code, u32 task, u64 a, u64 b} ─────
export const EV_FLUSH_LOCAL = 0; // a = pages (all-ones: everything), b = mm
export const EV_FLUSH_REMOTE = 1; // as above, on the target; code 1: wrong CPU
export const EV_FLUSH_SEND = 2; // before any target is filtered
export const EV_CSD_QUEUE = 3; // a = target
export const EV_IPI = 4; // a = targets interrupted
export const EV_SWITCH_FLUSH = 5; // a = 0 or all-ones; code 1: back from lazy, 2: to init_mm
export const EV_OP_BEGIN = 6; // code = operation
export const EV_OP_END = 7; // code = operation, a = ns it took
export const EV_FLUSH_DONE = 8; // a = ns the initiator spent on the request, b = pages
export const EV_BRACKET = 9; // code = event, a = start, b = end
export const EV_SECONDARY = 10; // a = start, b = end
export const EV_HAZARD = 11; // code = HZ_*, a = vpn, b = pfn
export const EV_IRQ = 12; // a = ns the interrupt took from this CPU
export const EV_CSD_RUN = 13; // a = initiator whose request the target turns to
export const EV_DEV_FLUSH = 14; // code = device + 1, a = pages (all-ones: everything), b = ns
export const EV_BYTES = 32;

// ── explorer header words (u32 index from its base) ─────────────────────────────────────────
export const X_HEAD = 0; // states expanded: node number of the next one
export const X_TAIL = 1; // states found
export const X_NODES = 2;
export const X_SLOTS_LOG2 = 3; // slots there are now
export const X_SLOTS_MOST = 26; // log2 of the slots there may be
export const X_RING_CAP = 4; // states
export const X_NODE_CAP = 5;
export const X_EXACT = 6; // 1: whole states are kept and compared
export const X_HIT_NODE = 7; // the state whose step was reported
export const X_HIT_KIND = 8; // HZ_*
export const X_HIT_STEP = 9; // actor << 8 | choice; choice 255: nobody could move
export const X_TRANSITIONS_LO = 10; // u64
export const X_TRANSITIONS_HI = 11;
export const X_SEED_LO = 12; // u64
export const X_SEED_HI = 13;
export const X_OFF_SLOTS = 14;
export const X_OFF_NODES = 15;
export const X_OFF_RING = 16;
export const X_STATE_BYTES = 17;
export const X_CHOICES = 18; // choices per actor: 2 + watched pages if walks may be speculative
export const X_DEPTH = 19;
export const X_LEVEL_END = 20;
export const X_RING_MOST = 24; // states the ring may grow to
export const X_RING_BASE = 25; // node number that its first place is for, modulo its size
export const X_SOFT_NODE = 21; // the gravest hazard so far that did not end the search
export const X_SOFT_KIND = 22;
export const X_SOFT_STEP = 23;
export const X_OFF_LINES = 27; // offsets of the state's lines that one step has changed, u32 each
export const X_LINES = 28; // how many there are; all-ones: nobody knows
export const X_WORDS = 32;
export const RING_SUM_BYTES = 64; // behind each state of the ring: u64 sum of it
