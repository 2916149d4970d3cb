// docs/savings.md: what each call site of a recording tells a device in each era, and what that costs.

/** Recordings of the package, and what they are of. */
export const RECORDINGS = [
  ["redis-bgsave", "redis writes while a child of its saves the data: copy-on-write"],
  ["node-gc", "node with a heap that is collected: mprotect, munmap, madvise"],
  ["madvise-2threads", "two threads that give pages back"],
];
export const ERAS = ["double", "deduplicated", "coupled"];
export const CONSUMERS = [
  ["iommuv2", "IOMMU-like: a command and its completion for each flush"],
  ["gpu-ats", "GPU-like: the GPU's own TLB invalidation"],
];
export const POLICY = "concurrent";

/** Compares one recording; `library` is the package, `trace` the recording's bytes. */
export async function compared(library, trace) {
  const { runs } = await library.compareTrace(trace, {
    eras: ERAS,
    policies: [POLICY],
    consumers: CONSUMERS.map(([name]) => name),
    profile: library.Catalogue.standard.profile("guest-kvm"),
  });
  return runs;
}

const line = (cells) => `| ${cells.join(" | ")} |`;
const us = (ns) => (ns / 1000).toFixed(1);

/** The table of one recording for one consumer, and what the eras save. */
function section(library, runs, consumer) {
  const own = ERAS.map((era) => runs.find((r) => r.era === era && r.consumer === consumer));
  const { rows, all, savings } = library.tabulateCallSites(own);
  const head = ["row", "call site", "brackets", ...ERAS.flatMap((e) => [e, "flushes", "us"])];
  const body = [...rows, all].map(({ row, title, brackets, cells }) => [
    ...[row, title, brackets],
    ...cells.flatMap((cell) => [cell.notifications, cell.flushes, us(cell.deviceNs)]),
  ]);
  const saved = savings.map(
    ({ era, ns, percent }) => `\`${era}\` saves ${us(ns)} us, ${percent.toFixed(1)} %`,
  );
  return [
    [head, head.map(() => "---"), ...body].map(line).join("\n"),
    "",
    `Of the ${us(own[0].device.busyNs)} us that the device is busy in \`double\`, ${saved.join("; ")}.`,
  ].join("\n");
}

/** The whole page, from the runs by recording. */
export function page(library, found) {
  const sections = RECORDINGS.map(([name, what]) => {
    const parts = CONSUMERS.map(
      ([consumer, title]) =>
        `### ${name}, \`${consumer}\`\n\n${title}.\n\n${section(library, found.get(name), consumer)}`,
    );
    return `## ${name}\n\n${what[0].toUpperCase()}${what.slice(1)}.\n\n${parts.join("\n\n")}`;
  });
  return `# What deduplicated notifications save

Written by \`npm run savings\`; a test holds it to the recordings. Each recording of the package is replayed with a
device behind its busiest process, in three eras: by call site (rows of [sites.md](sites.md)) how often the device
is told, how many flush commands that is, and how long they take it, in us of simulated time. Policy
\`${POLICY}\`, profile \`guest-kvm\`; what a command takes is assumed ([consumers.md](consumers.md)). Own recordings:
\`shootdown compare TRACE\`.

What is saved depends on what a program does. Copy-on-write was told twice in \`double\`, and once since: half of
it is saved. What munmap and madvise tell is not touched by the deduplication of 4.15; \`coupled\` halves it, as range_end
tells nothing any more. A mirroring consumer hears of brackets, the same in every era, and saves nothing. fork opens
a bracket for each private mapping that was written to; of those a recording shows only what was written while it was made.

${sections.join("\n\n")}
`;
}
