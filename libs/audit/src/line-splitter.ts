/** A line of a trail is shorter. What is longer is none, and is kept no further than that. */
const LONGEST_LINE_BYTES = 65_536;
const LINE_BREAK = 0x0a;

/** Cuts what is read in pieces into lines, in constant memory. */
export class LineSplitter {
  #begun: Buffer[] = [];
  #begunBytes = 0;

  /** @param onLine gets each line without its line break */
  push(piece: Buffer, onLine: (line: Buffer) => void): void {
    let from = 0;
    for (let at = piece.indexOf(LINE_BREAK); at >= 0; at = piece.indexOf(LINE_BREAK, from)) {
      this.#keep(piece.subarray(from, at));
      onLine(this.#taken());
      from = at + 1;
    }
    this.#keep(piece.subarray(from));
  }

  /** What stands behind the last line break; undefined if nothing does. */
  rest(): Buffer | undefined {
    return this.#begunBytes > 0 ? this.#taken() : undefined;
  }

  #keep(part: Buffer): void {
    const kept = part.subarray(0, LONGEST_LINE_BYTES - this.#begunBytes);
    if (kept.length > 0) this.#begun.push(kept);
    this.#begunBytes += kept.length;
  }

  #taken(): Buffer {
    const [first = Buffer.alloc(0), ...more] = this.#begun;
    this.#begun = [];
    this.#begunBytes = 0;
    return more.length > 0 ? Buffer.concat([first, ...more]) : first;
  }
}
