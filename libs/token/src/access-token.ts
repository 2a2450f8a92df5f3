import { hash } from 'node:crypto';
import { inspect } from 'node:util';

/**
 * A fingerprint of a token, safe to log: the first 96 bits of its SHA-256, base64url, 16 characters.
 */
export function tokenIdOf(accessToken: string): string {
  // Part of a longer string would keep that one in memory.
  return hash('sha256', accessToken, 'buffer').toString('base64url', 0, 12);
}

/** A bearer token. Prints as its fingerprint; the value leaves only through `reveal()` and `revealJson()`. */
export class AccessToken {
  readonly #value: string;
  /** Whether it is the same in JSON: found out once, as that takes longer than to write an answer. */
  readonly #isPlain: boolean;
  readonly tokenId: string;

  constructor(
    value: string,
    /** `token_type` of RFC 6749 §5.1, such as `Bearer`. */
    readonly tokenType: string,
    /** `scope` of RFC 6749 §5.1, space-separated; absent if the upstream named none. */
    readonly scope: string | undefined,
  ) {
    this.#value = value;
    this.#isPlain = JSON.stringify(value) === `"${value}"`;
    this.tokenId = tokenIdOf(value);
  }

  reveal(): string {
    return this.#value;
  }

  /** As a string of JSON, with its quotes. */
  revealJson(): string {
    return this.#isPlain ? `"${this.#value}"` : JSON.stringify(this.#value);
  }

  toString(): string {
    return `[token ${this.tokenId}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
