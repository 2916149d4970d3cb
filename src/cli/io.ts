/** The terminal: results on stdout, everything else on stderr, exit codes 0, 1 and 2. */
import { isShootdownError } from "../errors.js";

/** The command did what it was asked, and found nothing wrong. */
export const EXIT_OK = 0;
/** A hazard was found, or a threshold was missed. */
export const EXIT_FOUND = 1;
/** Usage, or bad input. */
export const EXIT_USAGE = 2;

/* Control characters of input that is echoed: they could drive the terminal. */

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Text safe to print: control characters become \xNN. */
export function printable(text: string): string {
  return text.replace(CONTROL, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Writes a result to stdout, waiting for it to be taken. */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** One JSON document, keys in the order they were made. */
export function printJson(value: unknown): Promise<void> {
  return print(`${JSON.stringify(value, null, 2)}\n`);
}

/** Reports a failure: one line on stderr, with --json a document on stdout too. The exit code. */
export async function reportFailure(error: unknown, json: boolean): Promise<number> {
  const known = isShootdownError(error);
  const code = known ? error.code : codeOf(error);
  const message = printable(error instanceof Error ? error.message : String(error));
  process.stderr.write(`shootdown: ${message.split("\n")[0] ?? ""} [${code}]\n`);
  if (!known && code === "E_INTERNAL" && error instanceof Error && process.env["SHOOTDOWN_DEBUG"]) {
    process.stderr.write(`${printable(error.stack ?? "")}\n`);
  }
  if (json) {
    const details = known ? error.details : {};
    await printJson({ error: { code, message, details } });
  }
  return EXIT_USAGE;
}

/** Errors of the host: a missing file is bad input, everything else is ours. */
function codeOf(error: unknown): string {
  const host = (error as { code?: unknown } | null)?.code;
  return typeof host === "string" && /^E[A-Z]+$/.test(host) ? "E_IO" : "E_INTERNAL";
}
