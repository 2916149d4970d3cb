/** What drivers do: attach, pin, unpin, read and write. */
import { z } from "zod";
import {
  type Amount,
  behaviourShape,
  type BehaviourText,
  type Verb,
} from "../../step-files/index.js";
import { done, type Outcome } from "../../uapi/outcome.js";
import type { IommufdAccess, Unpinned } from "../access.js";
import { entry, type Fields, flag, text } from "./entry.js";
import { accessFields, type AccessText } from "./shapes.js";
import { addAccess, named, taskOf, type World } from "./world.js";

interface Range {
  readonly access?: string;
  readonly iova: Amount;
  readonly size?: Amount;
  readonly pages?: Amount;
  readonly write?: boolean;
  readonly times?: Amount;
}

const range: Fields = (amount) => ({
  access: text.optional(),
  iova: amount,
  size: amount.optional(),
  pages: amount.optional(),
  write: flag,
  times: amount.optional(),
});

function accessOf({ accesses }: World, name?: string): IommufdAccess {
  return named(accesses, "access", name);
}

/** Bytes: `size`, or `pages`, or one page. */
function bytesOf({ size, pages }: Range): Amount {
  return size ?? BigInt(pages ?? 1) * 4096n;
}

/** The same call several times: what the last gave, and how many succeeded. */
function repeated(times: Amount | undefined, run: () => Outcome<unknown>): unknown {
  if (times === undefined) return run();
  let succeeded = 0;
  let last: Outcome<unknown> = done(null);
  for (let i = 0; i < Number(times); i++) {
    last = run();
    if (last.ok) succeeded++;
  }
  return { ...last, succeeded };
}

function pin(world: World, args: Range): unknown {
  const { access, iova, write = false, times } = args;
  return repeated(times, () => {
    const outcome = accessOf(world, access).pin(iova, bytesOf(args), { write });
    if (!outcome.ok) return outcome;
    return { ...done(outcome.value.length), pfns: outcome.value };
  });
}

/** The kernel's unpin gives nothing: it is `ok` unless it warned. */
function unpinned({ parts, warnings }: Unpinned): unknown {
  return { ok: warnings.length === 0, value: parts, warnings };
}

interface RwText {
  readonly access?: string;
  readonly iova: Amount;
  readonly size?: Amount;
  readonly data?: readonly Amount[];
  readonly write?: boolean;
  readonly kthread?: boolean;
  readonly slowPath?: boolean;
  readonly process?: string;
}

function rw(world: World, args: RwText): unknown {
  const { access, iova, size = 1, data, process, kthread = false, slowPath = false } = args;
  const write = args.write ?? data !== undefined;
  const bytes = data === undefined ? new Uint8Array(Number(size)) : Uint8Array.from(data, Number);
  const options = { write, kthread, slowPath, task: taskOf(world, process) };
  const outcome = accessOf(world, access).rw(iova, bytes, options);
  return outcome.ok && !write ? { ok: true, value: null, data: bytes } : outcome;
}

/** See the file comment. */
export const ACCESS_VERBS: Record<string, Verb<World>> = {
  access: entry(
    "a new driver, attached to the first address space if nothing else is said",
    (amount) => ({ ...accessFields(amount), name: text }),
    (world, { name, ...args }: AccessText & { name: string }) => addAccess(world, name, args),
  ),
  attachAccess: entry(
    "a driver attaches to an address space",
    () => ({ access: text.optional(), ioas: text.optional() }),
    (world, { access, ioas }: { access?: string; ioas?: string }) =>
      accessOf(world, access).attach(named(world.ioases, "address space", ioas)),
  ),
  replaceAccess: entry(
    "a driver changes to another address space",
    () => ({ access: text.optional(), ioas: text }),
    (world, { access, ioas }: { access?: string; ioas: string }) =>
      accessOf(world, access).replace(named(world.ioases, "address space", ioas)),
  ),
  detachAccess: entry(
    "a driver leaves its address space",
    () => ({ access: text.optional() }),
    (world, { access }: { access?: string }) => accessOf(world, access).detach(),
  ),
  onUnmap: entry(
    "from now on a driver does this when it is told of an unmap",
    (amount) => ({ access: text.optional(), does: behaviourShape(amount) }),
    (world, { access, does }: { access?: string; does: BehaviourText }) => {
      world.behaviours.set(accessOf(world, access).name, does);
      return done(null);
    },
  ),
  pin: entry("pin_pages: `size` bytes, or so many pages, one by default", range, pin),
  unpin: entry("unpin_pages: exactly what was pinned", range, (world, args: Range) =>
    unpinned(accessOf(world, args.access).unpin(args.iova, bytesOf(args))),
  ),
  unpinAll: entry("a driver gives back all it has pinned in a range", range, (world, args: Range) =>
    done(accessOf(world, args.access).unpinOverlapping(args.iova, bytesOf(args))),
  ),
  vfioPin: entry(
    "vfio_pin_pages on top: rounds down, gives the count",
    range,
    (world, { access, iova, pages = 1, write = false }: Range) =>
      accessOf(world, access).vfioPinPages(iova, Number(pages), { write }),
  ),
  vfioUnpin: entry("vfio_unpin_pages on top", range, (world, { access, iova, pages = 1 }: Range) =>
    unpinned(accessOf(world, access).vfioUnpinPages(iova, Number(pages))),
  ),
  rw: entry(
    "access_rw: reads `size` bytes (`data` of the result), or writes `data`",
    (amount) => ({
      access: text.optional(),
      iova: amount,
      size: amount.optional(),
      data: z.array(amount).optional(),
      write: flag,
      kthread: flag,
      slowPath: flag,
      process: text.optional(),
    }),
    rw,
  ),
};
