/** What is in page frames: zeroes until somebody writes. */

const BYTES = 4096;

/** See the file comment. */
export class FrameMemory {
  private readonly frames = new Map<number, Uint8Array>();

  /** Copies bytes of one frame, `offset` up to at most its end, into `into`. */
  read(pfn: number, offset: number, into: Uint8Array): void {
    const frame = this.frames.get(pfn);
    if (frame === undefined) into.fill(0);
    else into.set(frame.subarray(offset, offset + into.length));
  }

  /** Writes bytes into one frame from `offset` on. */
  write(pfn: number, offset: number, bytes: Uint8Array): void {
    let frame = this.frames.get(pfn);
    if (frame === undefined) {
      frame = new Uint8Array(BYTES);
      this.frames.set(pfn, frame);
    }
    frame.set(bytes, offset);
  }
}
