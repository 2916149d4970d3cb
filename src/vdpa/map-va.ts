/**
 * UPDATE in VA mode: each piece of a shared mapping of a file becomes one entry, from I/O pages to
 * virtual pages. Other mappings are left out without a word; nothing is pinned or charged.
 */
import type { UserMm, Vma } from "../mm/user-mm.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import { lastOf, offsetIn, pageOf } from "./addresses.js";
import { ArgumentError } from "../errors.js";
import type { VdpaCore } from "./core.js";
import type { UpdateRequest } from "./map-pages.js";

/** The kernel would keep bytes here; the tables keep pages. @throws ArgumentError E_ALIGN */
export function checkAligned({
  iova,
  size,
  uaddr,
}: Pick<UpdateRequest, "iova" | "size" | "uaddr">): void {
  for (const [argument, value] of Object.entries({ iova, size, uaddr })) {
    if (offsetIn(value) === 0n) continue;
    const message = `${argument} must be a multiple of 4096 in VA mode, got ${value}`;
    throw new ArgumentError("E_ALIGN", message, { argument, value });
  }
}

/** The mapping a page lies in, or the next one behind it. */
function findVma(mm: UserMm, vpn: number): Vma | undefined {
  return mm.vmaAt(vpn) ?? mm.vmasIn(vpn, 2 ** 52 - 1)[0];
}

/**
 * See the file comment. As the kernel looks for the mapping that ends behind an address, a gap
 * before a file's mapping becomes part of that file's entry.
 */
export function mapVa(core: VdpaCore, mm: UserMm, request: UpdateRequest): Outcome<void> {
  const first = pageOf(request.iova);
  const pages = Number(request.size / 4096n);
  const vpn = pageOf(request.uaddr);
  let at = 0;
  let failure: Failed | undefined;
  for (let entries = 0; at < pages;) {
    const vma = findVma(mm, vpn + at);
    if (vma === undefined) {
      failure = failed("EINVAL", "no-vma", `nothing is mapped at page ${vpn + at}, or behind it`);
      break;
    }
    const n = Math.min(pages - at, vma.last - (vpn + at) + 1);
    if (vma.kind === "file" && vma.shared) {
      const addr = vpn + at;
      failure = mapPiece(core, request, { start: first + at, last: first + at + n - 1, addr });
      if (failure !== undefined) {
        failure = { ...failure, index: entries };
        break;
      }
      entries++;
    }
    at += n;
  }
  if (failure === undefined) return done(undefined);
  // Of `at` pages: of none, if the first failed, which is a wipe where `iova` is 0.
  const last = lastOf(request.iova, BigInt(at) * 4096n);
  core.unmap(request.asid, first, pageOf(last), at);
  return failure;
}

function mapPiece(
  core: VdpaCore,
  { asid, perm }: UpdateRequest,
  piece: { readonly start: number; readonly last: number; readonly addr: number },
): Failed | undefined {
  if (!core.allocations.take("map-file")) {
    return failed("ENOMEM", "no-memory", "no memory for the file of a mapping");
  }
  const errno = core.map(asid, { ...piece, perm });
  if (errno === undefined) return undefined;
  const cause = errno === "ENOMEM" && core.allocations.hasFailed ? "no-memory" : "parent";
  return failed(errno, cause, `page ${piece.start} could not be mapped`);
}
