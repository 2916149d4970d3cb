/** The kernel's tracing files: where they are, and the few things that are done with them. */
import { execFile } from "node:child_process";
import { constants, createReadStream } from "node:fs";
import { access, mkdir, mkdtemp, open, readFile, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { TraceError } from "../errors.js";

const run = promisify(execFile);

/** A tracefs. Paths are relative to its root; errors are those of the host. */
export interface Tracefs {
  /** Where it is, for messages. */
  readonly root: string;
  read(path: string): Promise<string>;
  /** Writes to a file that exists; what it held may stay. */
  write(path: string, text: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  makeDir(path: string): Promise<void>;
  removeDir(path: string): Promise<void>;
  /** A file's bytes, as they are made. */
  stream(path: string): AsyncIterable<Uint8Array>;
  /** Leaves everything as it was found. */
  close(): Promise<void>;
}

/** Where tracefs is mounted, most likely first. */
const PLACES = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/** Files every tracefs has. */
const MARKS = ["instances", "trace_clock"];

/** A tracefs that is mounted at `root`. */
export class MountedTracefs implements Tracefs {
  constructor(
    readonly root: string,
    private readonly onClose: () => Promise<void> = () => Promise.resolve(),
  ) {}

  read(path: string): Promise<string> {
    return readFile(join(this.root, path), "utf8");
  }

  async write(path: string, text: string): Promise<void> {
    // Neither created nor emptied: both mean something else here, or are refused.
    const file = await open(join(this.root, path), constants.O_WRONLY);
    try {
      await file.write(text);
    } finally {
      await file.close();
    }
  }

  exists(path: string): Promise<boolean> {
    return there(join(this.root, path));
  }

  async makeDir(path: string): Promise<void> {
    await mkdir(join(this.root, path));
  }

  removeDir(path: string): Promise<void> {
    return rmdir(join(this.root, path));
  }

  stream(path: string): AsyncIterable<Uint8Array> {
    return createReadStream(join(this.root, path)) as AsyncIterable<Uint8Array>;
  }

  close(): Promise<void> {
    return this.onClose();
  }
}

function there(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function isTracefs(root: string): Promise<boolean> {
  const found = await Promise.all(MARKS.map((mark) => there(join(root, mark))));
  return found.every(Boolean);
}

/**
 * Finds tracefs, and mounts it in a directory of its own if nobody has: `close` undoes that.
 *
 * @param place - where it is; by default, the usual places are tried
 * @throws TraceError E_ENV when there is none, or no right to use it
 */
export async function openTracefs(place?: string): Promise<Tracefs> {
  if (place !== undefined) {
    if (await isTracefs(place)) return new MountedTracefs(place);
    throw new TraceError("E_ENV", `record: there is no tracefs at ${place}`, { place });
  }
  for (const root of PLACES) if (await isTracefs(root)) return new MountedTracefs(root);
  return mounted();
}

async function mounted(): Promise<Tracefs> {
  const root = await mkdtemp(join(tmpdir(), "shootdown-tracefs-"));
  try {
    await run("mount", ["-t", "tracefs", "nodev", root]);
  } catch (cause) {
    await rmdir(root);
    const message =
      "record: tracefs is not mounted and cannot be: it takes root (CAP_SYS_ADMIN) and a kernel " +
      "with CONFIG_TRACING; try sudo, or: mount -t tracefs nodev /sys/kernel/tracing";
    throw new TraceError("E_ENV", message, { places: PLACES }, { cause });
  }
  return new MountedTracefs(root, async () => {
    await run("umount", [root]);
    await rmdir(root);
  });
}
