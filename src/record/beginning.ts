/**
 * Where a recording of a command begins. The shell that waits at the gate has slept and moved
 * between CPUs before anything was recorded, so what the kernel does when its address space goes
 * cannot be understood from the recording. The gate therefore executes a second shell, which
 * becomes the command at once, and what came before that one is left out.
 */

/** Bytes that are held back until the beginning is found; beyond them there is none. */
const MOST_HELD = 1 << 22;

/** The lines of `text` after the first `sched_process_exec` of `pid`; headers stay. */
export async function* begun(
  text: AsyncIterable<Uint8Array>,
  pid: number,
): AsyncGenerator<Uint8Array> {
  const exec = new RegExp(`: sched_process_exec: .* pid=${pid} old_pid=${pid}$`);
  const decoder = new TextDecoder("latin1");
  let found = false;
  let held = "";
  let lines: string[] = [];
  let rest = "";
  for await (const chunk of text) {
    if (found) {
      yield chunk;
      continue;
    }
    const pieces = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = pieces.pop() ?? "";
    const at = pieces.findIndex((line) => exec.test(line));
    const before = at < 0 ? pieces : pieces.slice(0, at + 1);
    held += before.map((line) => `${line}\n`).join("");
    lines.push(...before.filter((line) => line.startsWith("#")));
    if (at >= 0) {
      const after = [...pieces.slice(at + 1), rest].join("\n");
      yield bytes(lines.map((line) => `${line}\n`).join("") + after);
    } else if (held.length > MOST_HELD) {
      yield bytes(held + rest);
    } else {
      continue;
    }
    found = true;
    held = rest = "";
    lines = [];
  }
  if (!found) yield bytes(held + rest);
}

function bytes(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
