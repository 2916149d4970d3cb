/** docs/vfio-tables.md: what the package's scenarios of VFIO give in each era. */
import { VFIO_ERAS, type VfioEra, type VfioKnobs } from "../eras.js";
import {
  gotText,
  runSteps,
  shippedStepFiles,
  type StepFileResult,
} from "../../step-files/index.js";
import { vfioSystem } from "../steps/system.js";

const ERAS = Object.keys(VFIO_ERAS) as VfioEra[];

/** Every scenario of the package, in all of its cells. */
export async function vfioResults(): Promise<StepFileResult[]> {
  const results: StepFileResult[] = [];
  for (const file of await shippedStepFiles(vfioSystem)) {
    results.push(await runSteps(file, { storage: ["packed"] }));
  }
  return results;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function byEra(result: StepFileResult, of: (run: StepFileResult["runs"][number]) => string) {
  return ERAS.map((era) => {
    const run = result.runs.find(({ cell }) => cell["era"] === era);
    return run === undefined ? "" : of(run);
  });
}

function verdicts(results: readonly StepFileResult[]): string {
  const rows = results.map((result) => [
    `\`${result.scenario}\``,
    result.title,
    ...byEra(result, ({ verdict }) => verdict),
  ]);
  return table(["scenario", "", ...ERAS], rows);
}

/** Steps that do not give the same in all eras in which they are made. */
function differences(results: readonly StepFileResult[]): string {
  const rows = results.flatMap((result) => {
    const texts = [...new Set(result.runs.flatMap(({ steps }) => steps.map(({ text }) => text)))];
    return texts.flatMap((text) => {
      const cells = byEra(result, ({ steps }) => {
        const step = steps.find((each) => each.text === text);
        return step === undefined ? "" : `${gotText(step.got)}`;
      });
      const said = new Set(cells.filter((cell) => cell !== ""));
      return said.size < 2 ? [] : [[`\`${result.scenario}\``, `\`${text}\``, ...cells]];
    });
  });
  return table(["scenario", "step", ...ERAS], rows);
}

function knobs(): string {
  const names = Object.keys(VFIO_ERAS["7.0"]) as (keyof VfioKnobs)[];
  const rows = names.map((name) => [
    `\`${name}\``,
    ...ERAS.map((era) => String(VFIO_ERAS[era][name])),
  ]);
  return table(["knob", ...ERAS], rows);
}

/** The page. */
export function vfioPage(results: readonly StepFileResult[]): string {
  const steps = results.reduce(
    (sum, { runs }) => sum + runs.reduce((most, run) => Math.max(most, run.steps.length), 0),
    0,
  );
  return `# VFIO by era

Written by \`npm run vfio-tables\`; a test holds it. ${results.length} scenarios with ${steps}
steps, as \`shootdown vfio all\` runs them, with packed pins; a tree gives the same. Empty: the
scenario, or the step, is not of that era. What the words mean is in [vfio.md](vfio.md).

## How they end

${verdicts(results)}

## Steps that give something else in another era

${differences(results)}

## Knobs of the eras

${knobs()}
`;
}
