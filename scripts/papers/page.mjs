// docs/papers.md as text.

import { PAGEVEC_SIZE, READAHEAD, SWAP_CLUSTER_MAX } from "./page-lru.mjs";

const number = (value, digits = 4) => {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(digits)));
};
const percent = (value, digits = 1) => `${(value * 100).toFixed(digits)} %`;
const signed = (value) => `${value > 0 ? "+" : ""}${percent(value)}`;

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function barOf({ bar, least, most }) {
  if (least !== undefined) return `${number(least)} to ${number(most)}`;
  return bar === null ? "" : percent(bar, 0);
}

function comparedTable(rows) {
  return table(
    ["", "unit", "published", "simulated", "error", "bar", "kind", "verdict"],
    rows.map((row) => [
      row.what,
      row.unit,
      number(row.published),
      row.simulated === null ? "" : number(row.simulated),
      row.error === null ? "" : signed(row.error),
      barOf(row),
      row.kind,
      row.note === undefined ? row.verdict : `${row.verdict}: ${row.note}`,
    ]),
  );
}

function sweepTable(points) {
  return table(
    ["D, us", "sync, ns", "concurrent, ns", "gain"],
    points.map(({ us, sync, concurrent, gain }) => [
      String(us),
      number(sync),
      number(concurrent),
      percent(gain),
    ]),
  );
}

function flushTable({ title, points }) {
  return table(
    [title, ...points.map(({ pages }) => `${pages} page${pages === 1 ? "" : "s"}`)],
    [
      ["published", ...points.map(({ published }) => number(published))],
      ["simulated", ...points.map(({ simulated }) => number(simulated))],
      ["error", ...points.map((p) => signed(p.simulated / p.published - 1))],
    ],
  );
}

function reclaimTable({ machines, variants }) {
  const cells = (machine) => {
    const [before, after] = machine.aPage;
    return [`${before.toFixed(2)} to ${after.toFixed(3)}`, `${machine.ratio.toFixed(1)} x`];
  };
  return table(
    ["if", ...machines.flatMap(({ what }) => [`${what}: IPIs a page`, "fewer interrupts"])],
    variants.map((variant) => [variant.what, ...variant.machines.flatMap(cells)]),
  );
}

function daxTable({ points }) {
  return table(
    ["threads", "published, ns a write", "simulated", "published gain", "simulated"],
    points.map(({ threads, publishedNs, ns, published, gain }) => [
      String(threads),
      number(publishedNs),
      number(ns),
      percent(published),
      percent(gain),
    ]),
  );
}

function sharerTable({ factors, cpusASocket }) {
  return table(
    ["sockets", "CPUs", "munmap, all told", "mprotect, all told", "munmap, replicas", "mprotect"],
    factors.map(({ sockets, munmap, mprotect }) => [
      String(sockets),
      String(sockets * cpusASocket),
      ...[munmap.told, mprotect.told, munmap.tracked, mprotect.tracked].map((x) => x.toFixed(1)),
    ]),
  );
}

function trackingTable({ pauses }) {
  return table(
    ["user-mode time between two calls, us", "shootdowns saved"],
    pauses.map(({ ns, saved }) => [String(ns / 1000), percent(saved)]),
  );
}

/** The whole page. */
export function page({ rows, sweep, flushes, reclaim, variants, fitted, broadcastNs, ...rest }) {
  const { dax, tracking, sharers, inStep } = rest;
  const of = (name) =>
    rows.filter((row) => row.table === name && (name === "T1" || row.simulated !== null));
  const only = (start) =>
    rows.filter(({ id, simulated }) => id.startsWith(start) && simulated !== null);
  const missing = rows.filter((row) => row.verdict === "not modelled" && row.table !== "T1");
  const count = (verdict) => rows.filter((row) => row.verdict === verdict).length;
  const [plain, pti] = flushes;
  return `# Published results, simulated

Written by \`npm run papers\`; a test holds it to what the machine does. Of ${rows.length} rows
${count("met")} are met, ${count("not met")} not, ${count("not modelled")} are not modelled. T1 to
T11 are the tables of the research note behind this library, which names the message or paper of
each.

**Kind** says what a row proves. *fit*: a price was derived from this very number, so agreement
shows that the machine adds the parts up as intended, no more. *check*: a price came from numbers of
its kind. *prediction*: no price came from it.
**Bar** is the largest error, or the range, that counts as met. Everything is simulated time: the
same bytes on any host.

## T1: the madvise loop

\`haswell-2019\`; madvise(MADV_DONTNEED) + touch of one page, the other threads run in user mode.
B = 663 ns, S = 260 ns, D = 302 ns and F = 211 ns were derived from the cells of one and two
threads, and 82 ns a further target from the published range of 67 to 98.

${comparedTable(of("T1"))}

![T1](charts/papers-t1.svg)

With four threads the machine keeps most of the gain of two, because delivery to three targets
overlaps and takes as long as to one. The published gain falls more. Probably because three targets
fetch the same lines and acknowledge into lines that the initiator polls; that contention is not
modelled. Anything from 67 to 98 ns a target moves the prediction by less than half a point.

## Delivery from 0.3 to 19 us

\`haswell-2019\` with another \`deliver\`. Concurrency hides one local flush, 211 ns, whatever else
it takes; in a guest there is little to gain.

${sweepTable(sweep)}

${comparedTable(of("3.4"))}

![Gain over delivery](charts/papers-delivery.svg)

## 3.2: the local flush

\`skylake-2017\` and \`skylake-2017-pti\`, one CPU, madvise and munmap of k pages, flush ceiling out of
the way; least squares over the simulated rows, in cycles at the 4.0 GHz that turned cycles into ns.

${comparedTable(of("3.2"))}

${flushTable(plain)}

${flushTable(pti)}

![Local flush](charts/papers-local-flush.svg)

The published intercepts are those of the line through the rows of 27 and 129 pages. Least squares
over all published rows gives ${number(plain.measured.intercept)} + ${number(plain.measured.slope)} a
page, and ${number(pti.measured.intercept)} + ${number(pti.measured.slope)}: the first pages of a
range cost more than the later ones, and a line cannot say so. Small flushes are therefore too
cheap here, one page by a quarter.

## T7: munmap that waits for the next tick

\`numa-2s\`, sixteen cores of one process; one of them unmaps a page, long after everybody has swept. What
\`latr\` saves is the send, the delivery and the wait. The prices of saving and sweeping are recalled from
the paper, the rest is the profile's.

${comparedTable(only("T7-latr"))}

## T4: reclaim in batches

One reader a CPU, each a process with a file of its own, reads through a mapping what is ten times
memory in all; what is read pushes out what was read before. The kernel's lists and decisions are
played (\`scripts/papers/page-lru.mjs\`), and so is who runs where (\`cpu-shares.mjs\`); the machine
runs them under \`sync\` and \`batched\` and counts IPIs. What decides how much a batch absorbs, all of it
from Linux 4.0 and the message that has the figures:

- without batches a page is one IPI, if its reader runs on another CPU, except where one is on its way;
- the readers of a node and its kswapd share the node's CPUs: the scheduler lets whoever has run least
  go next, and a reader that waits is in no cpumask;
- kswapd is nobody's child, so it is not in the published CPU times; those say how much of the time a
  reader runs at all (84 and 82 % on four nodes, 72 and 78 % on the socket);
- a CPU that is idle or runs kswapd keeps the mm of its last reader. A plain flush interrupts it once and
  makes it drop that mm; the flush of a batch does not, so it is interrupted again for every batch;
- a page whose mm no other CPU has is flushed for at once; a batch ends at ${SWAP_CLUSTER_MAX} of the others, and
  is one IPI for each CPU among them but the reclaimer's own;
- a page is kept when it is looked at first, because it was referenced, and unmapped the second time;
- readers read ahead ${READAHEAD} pages and add them to their node's list in pagevecs of ${PAGEVEC_SIZE}: that is how many
  neighbours on the list are one process's. Hence about three targets a batch, not one and not one a CPU;
- whoever finds less than the low watermark of every node free wakes kswapd, and below the lowest
  reclaims for itself, a whole pass over every node.

User and system time a page are those of the patched kernel; half of the readers' system time is taken to
be reclaim, and kswapd to have a CPU a node, or what the readers leave of the socket. Sleeps are a tick
long. Lists, watermarks, passes and time slices are shorter than real ones. No number was fitted to the
figures below. IPIs a page are simulated; pages a second are from the published times
before and after (the machine does not predict these: IPIs cost its readers less), without the first
tenth, which displaces nothing; and ticks of HZ 250, the kernel's default, are added, because vmstat
counts them.

${comparedTable(of("T4"))}

The batched rate of four nodes is low by a fifth: a batch has a little over three targets here and would need
nearly four. Of the socket both rates are high: there kswapd reclaims more than half of the pages here, and it
interrupts every reader that runs, while a reader that reclaims for itself does not interrupt itself.
Less of kswapd would bring both down; what share it had is not published.

${reclaimTable(reclaim)}

The last three are of shorter runs. Two parameters are free: HZ, and how many CPUs the single socket has (four
is what its CPU time asks for). The ratio of four nodes is met, but only just: its bar ends at 6.25, and other
assumptions that are as good lie on both sides of that.

## T5: flushes that wait for the frame

\`haswell-2019\`, \`mapped-reader\`: eight threads read one file that is a little larger than memory, one of them
reclaims ${SWAP_CLUSTER_MAX} pages at a time, with 50 us of computing between two parts. Counted is what Linux
counts as TLB shootdowns, a flush that a CPU was asked for, under \`luf\` and \`batched\`.

${comparedTable(of("T5"))}

What remains is three times as much as published. It depends on how many frames are free between two flushes: here
at most the file, 1,920 pages; how many the published machine had is not known (three processes of 70 GB, 64
CPUs). And threads that need a frame at the same moment each flush for themselves: without time to compute, in
step, the gain is ${percent(inStep)}, which would miss the bar.

## T6: two bottlenecks

Each of 36 CPUs works for ${fitted.slices} slices of 200 ns, holds one lock for ${number(fitted.lockNs)}
ns with interrupts off, touches a page of its own and drops it. There is no profile of that machine
(a 36-core Milan); the other prices are those of \`haswell-2019\`, with ${fitted.csdNs} ns a csd.
INVLPGB is a profile in which telling other CPUs is free and a flush costs its initiator
${broadcastNs} ns, which is assumed.

${comparedTable(of("T6"))}

![T6](charts/papers-t6.svg)

Three numbers were fitted to one cell each: the work to "both", the lock to "INVLPGB", the csd to
"lock fixed" (at haswell-2019's own 82 ns it comes to ${number(variants.unfitted)}). Vanilla is the
prediction: the lock hides the shootdown, so that fixing either alone moves the wait to the other.
That CPUs which *wait* for the lock take interrupts is an assumption as well. With interrupts off
while they wait, as a plain spin_lock_irqsave would have them, vanilla comes to
${number(variants.irqsave)}: every shootdown then waits for the queue of the lock, and the published
cell rules that out.

## T10: a guest

\`guest-kvm\`, whose sends and deliveries are medians of the same machine.

${comparedTable(of("T10"))}

Its 61 ns a page are T10's own: mprotect of 34 pages takes 1,522 ns less than of 33, though it changes
one entry more, at 149 ns an entry with its flush (the slope from 1 to 33 pages), and the full flush
takes 400. Calibrating on two recordings of that guest gives 50 and 62 ([profiles.md](profiles.md)), and
3.2's 196 cycles are 61 ns at 3.2 GHz. T10's madvise falls by 4,047 ns at the same place; no price of a
page gives both.

## T7: knowing who has accessed a page

\`haswell-2019\`, \`abis\` against \`concurrent\`, ${tracking.cpus} threads of one process, each with pages of its own. "Up to"
is a bound, so the rows say only that it is reached where pages are private.

${comparedTable(only("T7-abis"))}

It depends on how often two calls overlap. A madvise that finds another one under way flushes everything
everywhere (I12, a rule that Linux got after the paper), whoever accessed its pages:

${trackingTable(tracking)}

Tracking has no price here, so time is not compared. The paper's gain of page migration is not there:
\`migrate\` saves ${percent(tracking.migrated, 0)}, because only munmap and madvise ask who has accessed a page.

## T8: threads on other sockets

\`numa-2s\` with ${sharers.cpusASocket} CPUs a socket, a process with a thread on every CPU; one page, used by CPU 0 alone, is
unmapped or made read-only. A trend: the machine is assumed, so the bar is a factor of two.

${comparedTable(only("T8"))}

"All told" is against a process with one thread, "replicas" against one with threads on one socket:

${sharerTable(sharers)}

## T2 and T3: a mapped file without a page cache

\`numa-2s\`. Each thread writes 16 KiB at a time to a file that is mapped without a page cache, and synchronises
its last hundred writes: every page is made clean and read-only, which is a shootdown, and written back line by
line (64 x ${dax.lineNs} ns, assumed). What else the program and its file system do with a write is one lump of ${number(dax.writeNs)} ns,
fitted to the published time of one thread; ten seconds a run and a hundred writes are the program's defaults, and
assumed. Locks of the file system, and what memory can take, are not modelled.

${daxTable(dax)}

Up to 8 threads these are averages of four seeds: threads that fall into step gain or lose by chance.

${comparedTable([...of("T2"), ...of("T3")])}

Up to 8 threads a write takes as long as published, within a fifth; from 24 on it does not, because nothing but
shootdowns slows threads down here, and so their gain does not vanish either. The gain is two to three times too
large: four pages a write are four shootdowns, of which \`concurrent\` hides a flush each. The published gain would
fit one or two. What early acknowledgement adds is less than what four seeds differ by, as it was published.

## T11: a policy that wins one workload and loses another

\`haswell-2019\`, four threads of one process; one of them touches pages and reclaims them.
\`batched\` is \`concurrent\` with batches. After a batch was flushed the mm still counts as having flushes
pending, until somebody settles that: the next mprotect flushes everything once more, under the
page-table lock. With one page a batch there is nothing to gain for that.

${comparedTable(of("T11"))}

## Not modelled

${table(
  ["", "", "published", "why"],
  missing.map(({ table: t, what, published, note }) => [t, what, published, note]),
)}
`;
}
