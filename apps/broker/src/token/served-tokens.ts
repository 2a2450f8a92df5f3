import { Injectable } from '@nestjs/common';

import type { HeldToken, TokenErrorCode } from '#token';

export type ServedFrom = 'memory' | HeldToken['source'];

/** How many tokens a client's callers were given since the start, by where they came from, and how many not, and why. */
export interface Served {
  memory: number;
  store: number;
  upstream: number;
  readonly failures: Map<TokenErrorCode | 'internal_error', number>;
}

/** Counts what callers were answered. */
@Injectable()
export class ServedTokens {
  readonly #byClient = new Map<string, Served>();

  /** On the hot path. */
  count(client: string, from: ServedFrom): void {
    this.#of(client)[from] += 1;
  }

  countFailure(client: string, code: TokenErrorCode | 'internal_error'): void {
    const { failures } = this.#of(client);
    failures.set(code, (failures.get(code) ?? 0) + 1);
  }

  get byClient(): ReadonlyMap<string, Readonly<Served>> {
    return this.#byClient;
  }

  /** All tokens given since the start. */
  get total(): number {
    return [...this.#byClient.values()].reduce(
      (sum, { memory, store, upstream }) => sum + memory + store + upstream,
      0,
    );
  }

  #of(client: string): Served {
    let served = this.#byClient.get(client);
    if (!served) {
      served = { memory: 0, store: 0, upstream: 0, failures: new Map() };
      this.#byClient.set(client, served);
    }
    return served;
  }
}
