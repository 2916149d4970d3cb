// The page of call sites: what each era tells a sharing consumer, for each row of the site table.

const table = (head, rows) =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");

/** Flush commands of the sharing device: how often its entries are dropped. */
function cell(counts) {
  return counts === null ? "-" : String(counts.sharingFlushes);
}

const bracketsOf = (counts) => Object.values(counts).find((found) => found !== null).brackets;

/** Notifications that the deduplicated form saves, and those that the coupled one does. */
function savings(rows) {
  const both = rows.filter(
    ({ counts }) =>
      counts.double !== null && counts.deduplicated !== null && counts.coupled !== null,
  );
  const sum = (era) => both.reduce((total, { counts }) => total + counts[era].secondary, 0);
  return {
    rows: both.length,
    double: sum("double"),
    dedup: sum("deduplicated"),
    coupled: sum("coupled"),
  };
}

/** The whole page, of what countSites() found and the eras of the catalogue. */
export function page(rows, eras) {
  const head = [
    "row",
    "what",
    "operation",
    "event",
    "of what",
    "brackets",
    ...eras.map(({ name }) => name),
  ];
  const body = rows.map(({ row, part, title, operation, event, size, counts }) => [
    `${row}${part}`,
    title,
    `\`${operation}\``,
    event,
    size,
    bracketsOf(counts),
    ...eras.map(({ name }) => cell(counts[name])),
  ]);
  const reasons = rows.map(({ row, part, title, reason }) => [`${row}${part}`, title, reason]);
  const saved = savings(rows);
  return `# Call sites

Written by \`npm run sites\`; a test holds it to what the machine does. For each row of the site table
(notifiers.md 2.4) one run of its operation in the timed driver, flush policy \`concurrent\`, with a
\`sharing\` and a \`mirroring\` consumer that have cached the pages: how many flush commands the sharing
one's device gets. The mirroring one hears of brackets, the same in every era, and drops its range once
in each.

${table(head, body)}

${eras.map(({ name, title, kernels }) => `- \`${name}\`: ${title} (${kernels})`).join("\n")}

"-": no kernel of that era has the place. Each command but those of \`empty-table\`, which are one when a
bracket opens, is one call of the secondary hook. Row 34 is the callback for young entries, which that
hook stands for. Over the ${saved.rows} rows that all three eras of kernels share: ${saved.double} calls in \`double\`,
${saved.dedup} in \`deduplicated\`, ${saved.coupled} in \`coupled\`.

## Is the deduplicated form safe?

${table(["row", "what", "safe, and why"], reasons)}

## What stands for what

- Huge pages have one size: the row about PUDs stands on it too. hugetlbfs has operations of its own, but
  no page tables that processes share, so nothing is widened to their borders.
- An entry of a page that is being migrated, that a device has to itself, or whose page is in a device's
  memory is not present and holds the page. A fault waits for the first (\`pte.await\`), takes back the
  second in a bracket, and copies back the third. Migration holds mmapLock for reading, so that fork and
  munmap wait.
- KSM takes the caller's word that two pages are equal. What a collapsed page held is not followed.
- The OOM reaper's bracket may not sleep in the kernel, and may be refused; consumers here grant it.
- Brackets have no owner here: a consumer hears of its own migrations too. \`MmuNotifiers\` has owners.
- Pages that reclaim puts off (\`batched\`) are notified when they are flushed; x86 since 6.6 notifies when
  they are put off.
`;
}
