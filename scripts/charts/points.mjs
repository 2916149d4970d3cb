// Lines of JSON as the benchmarks print them, as points of charts.

const NAME = /^(?<what>[^,:]+), (?<shape>[^,:]+), (?<entries>\d+): (?<contender>.+)$/;

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(`charts: not a line of JSON: ${line.slice(0, 60)}`);
  }
}

/**
 * What lines named `OPERATION, SHAPE, ENTRIES: CONTENDER` say; other lines are passed over. Of two
 * with the same name the later one counts.
 */
export function pointsOf(lines, suiteOfOthers = "bench") {
  const points = new Map();
  for (const line of lines) {
    // The build speaks up among them.
    if (!line.startsWith("{")) continue;
    const { suite = suiteOfOthers, name, perSecond } = parse(line);
    const match = NAME.exec(name);
    if (match === null || !(perSecond > 0)) continue;
    const { what, shape, entries, contender } = match.groups;
    const ns = 1e9 / perSecond;
    points.set(`${suite} ${name}`, { suite, what, shape, contender, entries: +entries, ns });
  }
  return [...points.values()];
}
