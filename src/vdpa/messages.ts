/** Messages that are written to the device's file: as objects, or the bytes they are. */
import { checkWord } from "../arguments.js";
import { ArgumentError } from "../errors.js";
import type { IotlbRights } from "../iotlb.js";
import { failed, type Failed } from "../uapi/outcome.js";
import { type Bytes, checkBytes } from "./addresses.js";

/** VHOST_IOTLB_…: what a message asks for, by name. */
export const VDPA_MESSAGES = {
  miss: 1,
  update: 2,
  invalidate: 3,
  "access-fail": 4,
  "batch-begin": 5,
  "batch-end": 6,
} as const;

/** One of {@link VDPA_MESSAGES}. */
export type VdpaMessageName = keyof typeof VDPA_MESSAGES;

const NAMES = Object.keys(VDPA_MESSAGES) as readonly VdpaMessageName[];
const PERMS = { ro: 1, wo: 2, rw: 3 } as const;
const PERM_NAMES = Object.keys(PERMS);

/** A message. */
export interface VdpaMessage {
  /** By name, or its number, 0 to 255. */
  readonly type: VdpaMessageName | number;
  /** The header's type: 2 by default, which carries an ASID; 1 does not; others are refused. */
  readonly version?: number;
  /** 0 by default. Not looked at in version 1, nor without IOTLB_ASID. */
  readonly asid?: number;
  /** Bytes; 0 by default. */
  readonly iova?: Bytes;
  /** Bytes; 0 by default. */
  readonly size?: Bytes;
  /** Bytes, the owner's address; 0 by default. */
  readonly uaddr?: Bytes;
  /** `rw` by default. */
  readonly perm?: keyof typeof PERMS | IotlbRights;
}

/** Bytes of struct vhost_msg, and of vhost_msg_v2: what a write that was taken gives. */
export const MESSAGE_BYTES = 72;
/** Bytes that are read of them. */
const READ_BYTES = 40;

/** A message with everything it has. */
export interface ParsedMessage {
  readonly type: number;
  readonly version: number;
  readonly asid: number;
  readonly iova: bigint;
  readonly size: bigint;
  readonly uaddr: bigint;
  readonly perm: IotlbRights;
}

/** Whole and checked. @throws ArgumentError E_TYPE, E_LIMIT */
export function parseMessage(message: VdpaMessage | Uint8Array): ParsedMessage | Failed {
  if (message instanceof Uint8Array) return decode(message);
  if (typeof message !== "object" || message === null) {
    throw new ArgumentError("E_TYPE", "a message is an object or bytes", { argument: "message" });
  }
  const { type } = message;
  return {
    type: typeof type === "number" ? word("type", type, 255) : VDPA_MESSAGES[NAMES[typeOf(type)]],
    version: word("version", message.version ?? 2, 2 ** 32 - 1),
    asid: word("asid", message.asid ?? 0, 2 ** 32 - 1),
    iova: checkBytes("iova", message.iova ?? 0),
    size: checkBytes("size", message.size ?? 0),
    uaddr: checkBytes("uaddr", message.uaddr ?? 0),
    perm: permOf(message.perm ?? 3),
  };
}

function typeOf(type: unknown): number {
  return checkWord("type", type, NAMES);
}

function permOf(perm: unknown): IotlbRights {
  if (typeof perm === "string") {
    return PERMS[PERM_NAMES[checkWord("perm", perm, PERM_NAMES)] as keyof typeof PERMS];
  }
  if (perm === 1 || perm === 2 || perm === 3) return perm;
  throw new ArgumentError("E_LIMIT", `perm must be 1 (RO), 2 (WO) or 3 (RW), got ${String(perm)}`, {
    argument: "perm",
  });
}

function word(name: string, value: unknown, most: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most) {
    return value;
  }
  const code = typeof value === "number" && Number.isInteger(value) ? "E_LIMIT" : "E_TYPE";
  throw new ArgumentError(code, `${name} must be 0 to ${most}, got ${String(value)}`, {
    argument: name,
    most,
  });
}

function decode(bytes: Uint8Array): ParsedMessage | Failed {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) return failed("EINVAL", "short-message", `${bytes.length} bytes`);
  const version = view.getUint32(0, true);
  if (version === 1 || version === 2) {
    if (bytes.length < READ_BYTES) {
      const message = `${bytes.length} bytes, of which ${READ_BYTES} are read`;
      return failed("EINVAL", "short-message", message);
    }
    const type = view.getUint8(33);
    const perm = view.getUint8(32);
    return {
      version,
      type,
      asid: version === 2 ? view.getUint32(4, true) : 0,
      iova: view.getBigUint64(8, true),
      size: view.getBigUint64(16, true),
      uaddr: view.getBigUint64(24, true),
      perm: type === VDPA_MESSAGES.update ? permOf(perm) : 3,
    };
  }
  return { version, type: 0, asid: 0, iova: 0n, size: 0n, uaddr: 0n, perm: 3 };
}

/** The bytes of a message. @throws ArgumentError E_TYPE, E_LIMIT */
export function encodeMessage(message: VdpaMessage): Uint8Array {
  const parsed = parseMessage(message) as ParsedMessage;
  const bytes = new Uint8Array(MESSAGE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, parsed.version, true);
  if (parsed.version === 2) view.setUint32(4, parsed.asid, true);
  view.setBigUint64(8, parsed.iova, true);
  view.setBigUint64(16, parsed.size, true);
  view.setBigUint64(24, parsed.uaddr, true);
  view.setUint8(32, parsed.perm);
  view.setUint8(33, parsed.type);
  return bytes;
}
