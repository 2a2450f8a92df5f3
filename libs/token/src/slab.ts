/** Room for a dozen tokens of 1 KB: a token that outlives those beside it keeps no more than that, in bytes. */
const USUAL_BYTES = 16_384;

/**
 * Memory outside of V8's heap for some texts, one behind the other. As strings in the heap, 100,000 tokens are moved about
 * by the garbage collector, which leaves holes of their size: docs/performance.md. A slab goes with the last that holds it.
 */
export class Slab {
  static #current = new Slab(0);

  /** @returns one that has room for so many bytes */
  static withRoom(bytes: number): Slab {
    if (this.#current.#bytes.length - this.#current.#used < bytes) {
      this.#current = new Slab(Math.max(USUAL_BYTES, bytes));
    }
    return this.#current;
  }

  readonly #bytes: Buffer;
  #used = 0;

  private constructor(bytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
  }

  /** @param text in ASCII; there must be room for it
   *  @returns where it begins */
  write(text: string): number {
    const start = this.#used;
    this.#used += this.#bytes.write(text, start, 'latin1');
    return start;
  }

  read(start: number, length: number): string {
    return this.#bytes.toString('latin1', start, start + length);
  }
}
