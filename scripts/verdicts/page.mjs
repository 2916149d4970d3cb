// The page of verdicts: a row for each scenario, a column for each policy. A cell says what
// exploration found and how many states it took.

/** Names are wide: columns are numbered, and the numbers explained above the table. */
function table(cells, scenarios, policies) {
  const at = new Map(cells.map((cell) => [`${cell.scenario} ${cell.policy}`, cell]));
  const head = ["scenario", ...policies.map((_, i) => `${i + 1}`)];
  const rows = scenarios.map((scenario) => [
    scenario,
    ...policies.map((policy) => {
      const { verdict, states } = at.get(`${scenario} ${policy}`);
      return `${verdict} ${states}`;
    }),
  ]);
  const line = (row) => `| ${row.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function legend(policies, titles) {
  return policies.map((name, i) => `${i + 1}. \`${name}\`: ${titles.get(name)}`).join("\n");
}

function boundOf({ name, geometry: g, threads, devices, actors, assume = {} }) {
  const assumed = [
    assume.delayedIpi === false ? "prompt interrupts" : "",
    assume.speculativeWalks ? "speculative walks" : "",
    assume.nmi ? "NMIs" : "",
    assume.preempt ? "preemption" : "",
    assume.dirty ? "dirty bits" : "",
  ].filter((text) => text !== "");
  return [
    name,
    threads.length,
    devices.length,
    actors.length,
    g.frames,
    g.tables,
    `${g.levels ?? 1} x ${2 ** g.indexBits}`,
    assumed.join(", "),
  ];
}

function bounds(scenarios) {
  const head = ["scenario", "CPUs", "devices", "actors", "frames", "tables", "page table", "also"];
  const rows = [head, head.map(() => "---"), ...scenarios.map(boundOf)];
  return rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** The whole page; `parts` are the policies of the catalogue, `scenarios` what was explored. */
export function page({ cells, unexpected }, parts, scenarios) {
  const large = cells.filter(({ verdict }) => verdict === "INCONCLUSIVE");
  const isSound = ({ policy }) => parts.some(({ name, mutant }) => name === policy && !mutant);
  const open = large
    .filter(isSound)
    .map(({ scenario, policy }) => `\`${scenario}\` under \`${policy}\``);
  const names = scenarios.map(({ name }) => name);
  const titles = new Map(parts.map(({ name, title }) => [name, title]));
  const sound = parts.filter(({ mutant }) => !mutant).map(({ name }) => name);
  const mutants = parts.filter(({ mutant }) => mutant).map(({ name }) => name);
  return `# Verdicts

Written by \`npm run verdicts\`; a test holds it to what exploration finds. ${cells.length} cells, of which
${unexpected - open.length} are not what their scenario expects. Too large to be exhausted, of sound policies: ${open.join(", ") || "none"}. Era \`coupled\`, consumer \`sharing\`; a cell is the
verdict and the states that were explored for it: all there are when it is SAFE, else those up to
the shortest counterexample. \`shootdown check SCENARIO --policy POLICY\` prints that.

Every interleaving of micro-ops within the bounds of the table below, and nothing beyond them.
Assumed everywhere: a step is one micro-op and atomic; memory is sequentially consistent; a pending
interrupt may be taken any number of steps later, where the table does not say otherwise; states are
told apart by 64-bit fingerprints (\`--exact\` compares them whole); at most 4,000,000 states. What
some scenarios let happen besides, at any time, is in the last column.

${bounds(scenarios)}

## Policies

${legend(sound, titles)}

${table(cells, names, sound)}

## Broken policies

Each is caught in some row. Some scenarios run an operation that is broken itself; no policy is to
blame for those.

${legend(mutants, titles)}

${table(cells, names, mutants)}
`;
}
