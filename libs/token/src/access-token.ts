import { hash } from 'node:crypto';
import { inspect } from 'node:util';

import { Slab } from './slab.js';

/**
 * A fingerprint of a token, safe to log: the first 96 bits of its SHA-256, base64url, 16 characters.
 */
export function tokenIdOf(accessToken: string): string {
  // Part of a longer string would keep that one in memory.
  return hash('sha256', accessToken, 'buffer').toString('base64url', 0, 12);
}

/** That of the token before, which most have: one string for all of them. */
let usualScope: string | undefined;

/** A bearer token. Prints as its fingerprint; the value leaves only through `reveal()` and `revealJson()`. */
export class AccessToken {
  /** Where it lies, as a string of JSON in ASCII. */
  readonly #slab: Slab;
  readonly #start: number;
  readonly #length: number;
  readonly tokenId: string;
  /** `scope` of RFC 6749 §5.1, space-separated; absent if the upstream named none. */
  readonly scope: string | undefined;

  constructor(
    value: string,
    /** `token_type` of RFC 6749 §5.1, such as `Bearer`. */
    readonly tokenType: string,
    scope: string | undefined,
  ) {
    const json = asciiJson(value);
    this.#slab = Slab.withRoom(json.length);
    this.#start = this.#slab.write(json);
    this.#length = json.length;
    this.tokenId = tokenIdOf(value);
    if (scope !== usualScope) usualScope = scope;
    this.scope = usualScope;
  }

  reveal(): string {
    return JSON.parse(this.revealJson());
  }

  /** As a string of JSON, with its quotes, in ASCII. */
  revealJson(): string {
    return this.#slab.read(this.#start, this.#length);
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

function asciiJson(text: string): string {
  return JSON.stringify(text).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
