/**
 * A cursor over the bytes of one line.
 *
 * Works on bytes rather than strings: most of a line is digits, and skipping the decoder is what
 * keeps the reader above a million lines per second. Every method moves forward only, so a line
 * costs time linear in its length whatever it holds.
 */

/** Raised inside the line parsers only; the reader turns it into a TraceError with a line. */
export class Mismatch extends Error {
  /** @param expected - what should have stood at the cursor */
  constructor(readonly expected: string) {
    super(expected);
  }
}

/** Enough for every comm, function and csd name of a busy machine; refilled when exceeded. */
const MAX_INTERNED = 8192;

const ZERO = 48;
const NINE = 57;
const SPACE = 32;
const TAB = 9;

/** Bytes of an ASCII literal, for the matching methods. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** Cursor, number readers and a string cache. One instance serves a whole file. */
export class LineScanner {
  /** Buffer that holds the line. */
  buf: Uint8Array = new Uint8Array(0);
  /** Next byte to read. */
  pos = 0;
  /** One past the line's last byte. */
  end = 0;
  /** Page number of the last address read. */
  vpn = 0;
  /** Offset within the page of the last address read. */
  offset = 0;

  readonly #decoder = new TextDecoder();
  readonly #strings = new Map<number, { bytes: Uint8Array; text: string }>();

  /** Points the cursor at a new line. */
  reset(buf: Uint8Array, start: number, end: number): void {
    this.buf = buf;
    this.pos = start;
    this.end = end;
  }

  /** Skips blanks, of which there may be none. */
  skipSpaces(): void {
    const { buf, end } = this;
    let p = this.pos;
    while (p < end && (buf[p] === SPACE || buf[p] === TAB)) p++;
    this.pos = p;
  }

  /** True, and moves on, when the literal is next. */
  tryLiteral(literal: Uint8Array): boolean {
    const { buf, pos } = this;
    const n = literal.length;
    if (this.end - pos < n) return false;
    for (let i = 0; i < n; i++) if (buf[pos + i] !== literal[i]) return false;
    this.pos = pos + n;
    return true;
  }

  /** Moves past a literal that must be next. */
  literal(literal: Uint8Array): void {
    if (!this.tryLiteral(literal)) throw new Mismatch(`"${String.fromCharCode(...literal)}"`);
  }

  /** Position of the last occurrence of the literal in the rest of the line, or -1. */
  lastIndexOf(literal: Uint8Array, before: number = this.end): number {
    const { buf } = this;
    const n = literal.length;
    outer: for (let p = before - n; p >= this.pos; p--) {
      for (let i = 0; i < n; i++) if (buf[p + i] !== literal[i]) continue outer;
      return p;
    }
    return -1;
  }

  /** Reads an unsigned decimal number below 2^53. */
  decimal(what: string): number {
    const { buf, end } = this;
    const start = this.pos;
    let p = start;
    let value = 0;
    while (p < end) {
      const c = buf[p];
      if (c < ZERO || c > NINE) break;
      value = value * 10 + (c - ZERO);
      p++;
    }
    if (p === start || p - start > 20 || value > Number.MAX_SAFE_INTEGER) throw new Mismatch(what);
    this.pos = p;
    return value;
  }

  /** Reads a decimal number that may be negative. */
  integer(what: string): number {
    if (this.buf[this.pos] === 45 && this.pos < this.end) {
      this.pos++;
      return 0 - this.decimal(what);
    }
    return this.decimal(what);
  }

  /** Reads up to 64 bits of hex, with or without `0x`, into {@link vpn} and {@link offset}. */
  hex(what: string): void {
    const { buf, end } = this;
    let p = this.pos;
    if (p + 2 < end && buf[p] === ZERO && buf[p + 1] === 120) p += 2;
    const start = p;
    let vpn = 0;
    let offset = 0;
    let significant = 0;
    while (p < end) {
      const c = buf[p];
      let d: number;
      if (c >= ZERO && c <= NINE) d = c - ZERO;
      else if (c >= 97 && c <= 102) d = c - 87;
      else if (c >= 65 && c <= 70) d = c - 55;
      else break;
      vpn = vpn * 16 + (offset >>> 8);
      offset = ((offset << 4) & 0xfff) | d;
      if (significant > 0 || d !== 0) significant++;
      p++;
    }
    if (p === start) throw new Mismatch(what);
    if (significant > 16) throw new Mismatch(`${what} of at most 64 bits`);
    this.vpn = vpn;
    this.offset = offset;
    this.pos = p;
  }

  /** Reads hex that must fit a number exactly. */
  hexNumber(what: string): number {
    this.hex(what);
    if (this.vpn >= 2 ** 41) throw new Mismatch(`${what} below 2^53`);
    return this.vpn * 4096 + this.offset;
  }

  /** Reads up to the next blank or the end of the line. */
  word(what: string): string {
    const { buf, end } = this;
    const start = this.pos;
    let p = start;
    while (p < end && buf[p] !== SPACE && buf[p] !== TAB) p++;
    if (p === start) throw new Mismatch(what);
    this.pos = p;
    return this.text(start, p);
  }

  /** The bytes between two positions as a string; equal bytes give the same string object. */
  text(start: number, end: number): string {
    const { buf } = this;
    let hash = end - start;
    for (let p = start; p < end; p++) hash = (Math.imul(hash, 31) + buf[p]) | 0;
    const known = this.#strings.get(hash);
    if (known !== undefined && sameBytes(known.bytes, buf, start, end)) return known.text;
    const bytes = buf.slice(start, end);
    const text = this.#decoder.decode(bytes);
    if (this.#strings.size >= MAX_INTERNED) this.#strings.clear();
    this.#strings.set(hash, { bytes, text });
    return text;
  }

  /** True when nothing but blanks is left. */
  atEnd(): boolean {
    this.skipSpaces();
    return this.pos >= this.end;
  }
}

function sameBytes(known: Uint8Array, buf: Uint8Array, start: number, end: number): boolean {
  const n = known.length;
  if (n !== end - start) return false;
  for (let i = 0; i < n; i++) if (known[i] !== buf[start + i]) return false;
  return true;
}
