/** The close frame of a server that goes away and may be asked again: 1012, service restart. Unmasked, from server to client. */
export const CLOSE_1012: Buffer = Buffer.from([0x88, 0x02, 0x03, 0xf4]);

/**
 * Follows the frames of a WebSocket (RFC 6455 5.2) without keeping them: is the next byte the first of a frame? Only there
 * another frame may be put in.
 */
export class FrameBoundary {
  #header: number[] = [];
  #payloadLeft = 0;

  get atBoundary(): boolean {
    return this.#header.length === 0 && this.#payloadLeft === 0;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, chunk.length - at);
        this.#payloadLeft -= taken;
        at += taken;
        continue;
      }
      this.#header.push(chunk[at] as number);
      at += 1;
      this.#endOfHeader();
    }
  }

  #endOfHeader(): void {
    const header = this.#header;
    const second = header[1];
    if (second === undefined) return;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const needed = 2 + lengthBytes + (second >= 0x80 ? 4 : 0);
    if (header.length < needed) return;
    const long = header.slice(2, 2 + lengthBytes).reduce((value, byte) => value * 256 + byte, 0);
    this.#payloadLeft = lengthBytes === 0 ? short : long;
    this.#header = [];
  }
}
