/** Progress of long work on stderr: one line that is rewritten on a terminal, else now and then. */

const TERMINAL_EVERY_MS = 100;
const PLAIN_EVERY_MS = 5_000;
const QUIET_FIRST_MS = 1_000;

/** Shows what is being done; silent for work that is over within a second. */
export class Progress {
  private readonly started = performance.now();
  private last = this.started;
  private shown = false;

  constructor(private readonly quiet: boolean) {}

  /** Called as often as the caller likes. */
  update(text: string): void {
    if (this.quiet) return;
    const now = performance.now();
    if (now - this.started < QUIET_FIRST_MS) return;
    const every = process.stderr.isTTY ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS;
    if (this.shown && now - this.last < every) return;
    this.last = now;
    this.shown = true;
    const seconds = ((now - this.started) / 1000).toFixed(0);
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text} (${seconds} s)`);
    else process.stderr.write(`${text} (${seconds} s)\n`);
  }

  /** Clears the line. */
  done(): void {
    if (this.shown && process.stderr.isTTY) process.stderr.write("\r\u001b[K");
  }
}
