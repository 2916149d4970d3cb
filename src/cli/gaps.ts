/** What does not fit is said before anything runs. */
import { type CompletionGap, formatGaps } from "../kernel/completion-gaps.js";

/** Prints gaps as lines of text; JSON documents have a field for them. */
export function gapPrinter(json: boolean | undefined): (gaps: readonly CompletionGap[]) => void {
  return (gaps) => {
    if (json !== true) process.stdout.write(`${formatGaps(gaps).join("\n")}\n`);
  };
}
