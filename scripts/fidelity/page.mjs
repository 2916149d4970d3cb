// The tables of docs/fidelity.md.

const BEGIN = "<!-- fidelity: written by `npm run fidelity` -->";
const END = "<!-- end of fidelity -->";

/** Rounded down: nothing but 1 looks like 1. */
const share = (value) => (value === 1 ? "1" : (Math.floor(value * 1e4) / 1e4).toFixed(4).slice(1));

/** f1 of a kind, and how many of it were observed; a dash where there were none. */
function kindCell({ f1, predicted, observed }) {
  return predicted + observed === 0 ? "–" : share(f1);
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const rule = head.map((name) => (name === "program" || name === "command" ? "---" : "---:"));
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

const whole = (value) => value.toLocaleString("en-US");

function scores(results) {
  const head = [
    "program",
    "lines",
    "flushes",
    "f1",
    "any pages",
    "local",
    "remote",
    "send",
    "pages exact",
    "csd predicted",
    "observed",
  ];
  const rows = results.map(({ name, row }) => [
    name,
    whole(row.lines),
    whole(row.flushes),
    row.f1 < 0.95 ? `**${share(row.f1)}**` : share(row.f1),
    share(row.f1AnyPages),
    kindCell(row.byKind.local),
    kindCell(row.byKind.remote),
    kindCell(row.byKind.send),
    share(row.pagesExact),
    whole(row.csd.predicted),
    whole(row.csd.observed),
  ]);
  return table(head, rows);
}

function commands(results) {
  const shown = ({ command }) => `\`${command.join(" ").replaceAll("|", "\\|")}\``;
  return table(
    ["program", "command"],
    results.map(({ name, program }) => [name, shown(program)]),
  );
}

/** What stands between the markers. */
export function page(results, machine) {
  const valid = results.filter(({ row }) => row !== undefined && row.invalid === undefined);
  const seen = valid.filter(({ program }) => program.known);
  const fresh = valid.filter(({ program }) => !program.known);
  const left = results
    .filter((result) => !valid.includes(result))
    .map(({ name, why, row }) => `- ${name}: ${why ?? row.invalid}`);
  return [
    `Recorded and replayed on Linux ${machine.kernel}, ${machine.cpus} CPUs, ${machine.date}; ` +
      `f1 with pages, in bold below .95.`,
    "Programs that were looked at while the rules were found:",
    scores(seen),
    "Programs that were recorded and scored, with nothing changed because of them:",
    scores(fresh),
    commands([...seen, ...fresh]),
    ...(left.length === 0 ? [] : ["Without a valid recording:", left.join("\n")]),
  ].join("\n\n");
}

/** `text` with what stands between the markers replaced; null without markers. */
export function withTables(text, tables) {
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  return after === undefined ? null : `${before}${BEGIN}\n\n${tables}\n\n${END}${after}`;
}
