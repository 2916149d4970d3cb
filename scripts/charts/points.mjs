// Lines of JSON as the benchmarks print them, as points of charts and cells of tables.

const NAME = /^(?<what>[^,:]+), (?<shape>[^,:]+), (?<entries>\d+): (?<contender>.+)$/;

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    throw new Error(`not a line of JSON: ${line.slice(0, 60)}`);
  }
}

/**
 * What lines named `OPERATION, SHAPE, ENTRIES: CONTENDER` say: nanoseconds an operation, or an
 * amount of something else. Other lines are passed over. Of two with the same name the later one
 * counts.
 */
export function figuresOf(lines, suiteOfOthers = "bench") {
  const figures = new Map();
  for (const line of lines) {
    // The build speaks up among them.
    if (!line.startsWith("{")) continue;
    const { suite = suiteOfOthers, name, perSecond, amount, unit } = parse(line);
    const match = NAME.exec(name);
    if (match === null) continue;
    const { what, shape, entries, contender } = match.groups;
    const figure =
      perSecond > 0
        ? { ns: 1e9 / perSecond }
        : typeof amount === "number"
          ? { amount, unit }
          : undefined;
    if (figure === undefined) continue;
    const key = `${suite} ${name}`;
    figures.set(key, { suite, what, shape, contender, entries: +entries, ...figure });
  }
  return [...figures.values()];
}

/** Only those that are times. */
export function pointsOf(lines, suiteOfOthers) {
  return figuresOf(lines, suiteOfOthers).filter(({ ns }) => ns !== undefined);
}

/** Lists by key, keys in the order they come in. */
export function groupBy(list, keyOf) {
  const groups = new Map();
  for (const item of list) {
    const key = keyOf(item);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  return groups;
}
