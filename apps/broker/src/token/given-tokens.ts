import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';

import type { HeldToken, TokenKey } from '#token';

import { AuditLog } from '../audit/audit-log.js';
import { systemClock } from '../config/system-clock.js';
import type { Caller } from '../http/caller.js';

/** Tokens whose holders are remembered, and holders of one of them. What is forgotten is written down once more. */
const MOST_TOKENS = 100_000;
const MOST_CALLERS = 10_000;

/** Who takes a token, and over which connection. */
export interface Taker {
  readonly caller: Pick<Caller, 'name'>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** Writes down who has had which token: once for each caller and token, however often it is asked for. */
@Injectable()
export class GivenTokens {
  /** The same sets twice: by the object that memory answers with, at no cost; and by the token, which may be read again
   *  from the shared store into another object. */
  #byHeld = new WeakMap<HeldToken, Set<string>>();
  readonly #byToken = new LRUCache<string, Set<string>>({ max: MOST_TOKENS });

  constructor(private readonly log: AuditLog) {
    // Nobody knows which lines were lost.
    log.onRecovery(() => {
      this.#byHeld = new WeakMap();
      this.#byToken.clear();
    });
  }

  /** @param source `memory`, or where the token came from for this very request */
  note(taker: Taker, key: TokenKey, held: HeldToken, source: 'memory' | HeldToken['source']): void {
    if (this.#byHeld.get(held)?.has(taker.caller.name) !== true) this.#meet(taker, key, held, source);
  }

  #meet({ caller, socket }: Taker, { subject }: TokenKey, held: HeldToken, source: string): void {
    const callers = this.#callersOf(held);
    if (callers.has(caller.name)) return;
    if (callers.size >= MOST_CALLERS) callers.clear();
    callers.add(caller.name);
    this.log.write('token.given', {
      caller: caller.name,
      client: subject.client,
      merchant_vat: subject.merchantVat,
      scope: subject.scope,
      token_id: held.token.tokenId,
      generation: held.generation,
      source,
      address: socket.remoteAddress,
    });
  }

  #callersOf(held: HeldToken): Set<string> {
    const { tokenId } = held.token;
    const callers = this.#byToken.get(tokenId) ?? new Set<string>();
    this.#byToken.set(tokenId, callers, { ttl: Math.max(1, held.expiresAtMs - systemClock.now()) });
    this.#byHeld.set(held, callers);
    return callers;
  }
}
