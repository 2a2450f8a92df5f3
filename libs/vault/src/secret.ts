import { hash } from 'node:crypto';
import { inspect } from 'node:util';

/** A value that prints as `[secret]` however it is printed. It leaves only through `reveal()`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** The first 64 bits of the value's SHA-256 in hex: tells two secrets apart, and is safe to show. */
  get fingerprint(): string {
    return hash('sha256', this.#value, 'hex').slice(0, 16);
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
