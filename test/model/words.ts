/** Fields of the core's rows, as the model's objects would be kept in them. */
import * as abi from "../../src/core/abi.js";
import type { Cached, CachedTable, Csd, Info, Kept, Pte } from "./state.js";

export const id = (index: number | null | undefined): number => (index ?? -1) + 1;

export function pteWord(pte: Pte | null): bigint {
  return pte === null ? 0n : (BigInt(pte.to) << 12n) | BigInt(pte.flags);
}

export function entryTag(e: Cached): bigint {
  const flags = 1n | (e.writable ? 2n : 0n) | (e.huge ? 4n : 0n) | (e.condemned ? 8n : 0n);
  return flags | (BigInt(e.asid) << 4n) | (e.vpn << 12n);
}

export function walkTag(e: CachedTable): bigint {
  return 1n | (BigInt(e.level) << 1n) | (BigInt(e.asid) << 4n) | (e.prefix << 12n);
}

export function mmWord({ mm }: Readonly<Info>): number {
  if (typeof mm === "number") return mm + 1;
  return mm === "any" ? abi.INFO_ANY_MM : abi.INFO_KERNEL_MM;
}

/** A request, or nothing, as its five words are kept. */
export function infoWords(
  info: Readonly<Info> | null,
): readonly [number, number, bigint, bigint, number] {
  if (info === null) return [0, 0, 0n, 0n, 0];
  return [mmWord(info), info.gen, info.start, info.end, info.flags];
}

export function ownerWord(csd: Csd, from: number): number {
  const flags =
    (csd.async ? abi.CSD_ASYNC : 0) |
    (csd.acked ? abi.CSD_ACKED : 0) |
    (csd.call === null ? 0 : abi.CSD_CALL);
  const open = csd.open === undefined ? 0 : abi.CSD_FORWARD + csd.open * abi.CSD_OPEN;
  return ((from + 1) | flags) + open;
}

/** The payload of a wide csd. A call is kept as a request of one page. */
export function payloadWords(csd: Csd | undefined): ReturnType<typeof infoWords> {
  const call = csd?.call ?? null;
  if (call !== null) return [call.write ? abi.CALL_WRITE : 0, 0, call.vpn, 0n, 0];
  return infoWords(csd?.payload ?? null);
}

/** Registers 0 to 4 of a handler that keeps a csd. */
export function keptRegisters(kept: Kept): readonly bigint[] {
  if ("from" in kept) return [BigInt(kept.from + 1), 0n, 0n, 0n, 0n];
  const isCall = "call" in kept;
  const [mm, gen, start, end, flags] = isCall
    ? payloadWords({ async: true, acked: true, payload: null, call: kept.call })
    : infoWords(kept.payload);
  const identity = BigInt(mm) | (BigInt(gen) << 32n);
  return [isCall ? 0x10000n : 0n, identity, start, end, BigInt(flags)];
}
